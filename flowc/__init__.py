"""flowc: a SQL-first compiler for data pipelines."""

from flowc.functions import udaf, udf

__all__ = ["udaf", "udf"]
__version__ = "0.1.0"
