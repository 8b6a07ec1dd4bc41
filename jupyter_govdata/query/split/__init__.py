"""What of a query the gateway can do, and what is left. Runs in the kernel. Pure."""
