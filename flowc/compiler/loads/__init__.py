"""The SQL of loads: staging, checks, the four modes, watermarks."""
