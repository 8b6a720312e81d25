"""How fast, how much memory: ratios to a bare DuckDB copy of the same file in the same run."""
