"""The engines to which SQL is translated, by their names."""

from __future__ import annotations

from collections.abc import Mapping

from flowc.compiler.sql.rewrite.core import Engine
from flowc.compiler.systems import Rooms

ENGINES: Mapping[str, Engine] = Rooms("rewrite", "ENGINE")
