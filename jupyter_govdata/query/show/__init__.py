"""Results as tables of text and HTML. Runs in the kernel. Pure."""
