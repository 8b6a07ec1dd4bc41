"""What the text of a query names, and what could stand next. Runs in the kernel. Pure."""
