"""SQL text -> governed scans -> DuckDB -> result. Runs in the kernel, which is untrusted."""
