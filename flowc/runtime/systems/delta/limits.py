"""Delta holds every value that the types of its columns allow."""

from __future__ import annotations

from flowc.runtime.systems.shared.limits import unlimited

limits = unlimited
