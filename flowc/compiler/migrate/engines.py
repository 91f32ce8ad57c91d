"""How each engine changes tables, by kind of connection."""

from __future__ import annotations

from collections.abc import Mapping

from flowc.compiler.migrate.statements import Engine
from flowc.compiler.systems import Rooms

ENGINES: Mapping[str, Engine] = Rooms("changes", "ENGINE")
