"""The Flight client: what every surface calls. Runs in the kernel, trusts its gateway."""
