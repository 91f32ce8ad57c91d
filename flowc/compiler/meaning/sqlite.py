"""What sqlite computes and how it spells it."""

from __future__ import annotations

from flowc.compiler.meaning.core import Rules

RULES: Rules = {}
