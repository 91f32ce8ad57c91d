"""Rules about what flowc could not read, so that nothing passes in silence."""

from __future__ import annotations

from flowc.compiler.migrationlint import facts as f
from flowc.compiler.migrationlint.rules.rule import INFO, WARNING, Context, Finding, Rule, found


def _unread(fact: f.Unread, context: Context) -> Finding | None:
    if fact.block:
        return None
    words = f"flowc cannot read this statement from `{fact.near}` on, so its locks and risks are not checked"
    return found(words, "see whether the database takes it; if it does, switch the note off by a comment")


def _block(fact: f.Unread, context: Context) -> Finding | None:
    if not fact.block:
        return None
    words = "flowc does not look into this block, so its locks and risks are not checked"
    return found(words, "write its statements out where that is possible")


RULES = (
    Rule(
        code="unread-statement", severity=WARNING, what="A statement that flowc cannot read.", on=(f.Unread,),
        check=_unread, squawk=("syntax-error",),
    ),
    Rule(
        code="unread-block", severity=INFO, what="A DO block, which flowc does not look into.", on=(f.Unread,),
        check=_block,
    ),
)  # fmt: skip
