"""Files under governance, as the kernel reads them."""
