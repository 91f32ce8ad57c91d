"""DataFusion's SQL for sqlglot: PostgreSQL's with other functions."""

from __future__ import annotations

from sqlglot.dialects.postgres import Postgres


class DataFusion(Postgres):  # type: ignore[misc]
    """Registered with sqlglot as `datafusion` by being defined."""
