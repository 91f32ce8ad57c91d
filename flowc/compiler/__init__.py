"""From YAML and SQL to plans. Never imports pyarrow, datafusion or a driver."""
