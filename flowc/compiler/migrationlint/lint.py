"""Lints a migration: each statement against each rule, with what the migration has done before it in view."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from flowc.catalog import TableName
from flowc.compiler.migrationlint.effects import Version, plain
from flowc.compiler.migrationlint.facts import Begin, Commit, Fact, SetTimeout
from flowc.compiler.migrationlint.history import History, ended
from flowc.compiler.migrationlint.locks import NEWEST, fact_effects
from flowc.compiler.migrationlint.rules import AT_END, EACH
from flowc.compiler.migrationlint.rules.rule import Context, Rule
from flowc.compiler.migrationlint.statements import Migration, Statement, read_migration
from flowc.diagnostics import Diagnostic, Reporter
from flowc.source import Located, MappedText, SourceFile

_MARKS = (Begin, Commit, SetTimeout)


def lint_migration(
    source: MappedText | SourceFile | str,
    dialect: str = "postgres",
    *,
    in_transaction: bool | None = False,
    created: Iterable[TableName] = (),
    server_version: Version | None = None,
) -> tuple[Diagnostic, ...]:
    """What a migration would hurt, in reading order.

    `in_transaction` says whether what runs the text puts all of it into one transaction, None that this is not known;
    `created` are tables that nobody uses yet; `server_version` is the newest documented one where none is given.
    """
    text = SourceFile("migration", source) if isinstance(source, str) else source
    history = History(dialect, in_transaction, {plain(name) for name in created})
    return tuple(_lint(text, history, server_version))


def lint_migrations(
    sources: Sequence[SourceFile],
    dialect: str = "postgres",
    *,
    in_transaction: bool | None = False,
    server_version: Version | None = None,
) -> tuple[Diagnostic, ...]:
    """The same for files that run one after the other: each knows what columns the earlier ones made."""
    history, found = History(dialect, in_transaction), list[Diagnostic]()
    for source in sources:
        found += _lint(source, history, server_version)
        history = ended(history, in_transaction)
    return tuple(found)


def _lint(source: MappedText | SourceFile, history: History, version: Version | None) -> list[Diagnostic]:
    migration = read_migration(source, history.dialect)
    history.later = tuple(fact.value for statement in migration.statements for fact in statement.facts)
    history.steps = sum(any(not isinstance(fact.value, _MARKS) for fact in s.facts) for s in migration.statements)
    history.around = _around(history)
    reporter = Reporter()
    last: Located[Fact] | None = None
    for statement in migration.statements:
        for fact in statement.facts:
            for diagnostic in _findings(fact, history, version or NEWEST.get(history.dialect, ()), _BY_FACT):
                if not _is_ignored(diagnostic, statement, migration):
                    reporter.add(diagnostic)
            last = fact if isinstance(fact.value, Begin) else last
            history.after(fact.value)
    for diagnostic in _findings(last, history, (), _AT_END) if last else ():
        reporter.add(diagnostic)
    _report_open_quote(migration, reporter)
    return reporter.sorted()


def _around(history: History) -> bool | None:
    """Where nobody said whether a transaction is around the text: there is none when a statement would refuse it."""
    refused = (not fact_effects(fact, history.dialect).transactional for fact in history.later)
    return False if history.around is None and history.dialect == "postgres" and any(refused) else history.around


def _findings(
    fact: Located[Fact], history: History, version: Version, rules: Mapping[type[Fact], tuple[Rule, ...]]
) -> Iterator[Diagnostic]:
    effects = fact_effects(fact.value, history.dialect, version, history.known())
    context = Context(effects, history, history.dialect, version)
    for rule in rules.get(type(fact.value), ()):
        if history.dialect not in rule.dialects or rule.code in history.reported:
            continue
        finding = rule.check(fact.value, context)
        if finding is None:
            continue
        if rule.once:
            history.reported.add(rule.code)
        yield Diagnostic(rule.code, rule.severity, finding.message, fact.span, helps=finding.helps)


def _is_ignored(diagnostic: Diagnostic, statement: Statement, migration: Migration) -> bool:
    spans = [statement.span] + ([diagnostic.span] if diagnostic.span else [])
    lines = {span.file.position(span.start)[0] for span in spans}
    return any(diagnostic.code in migration.ignores.get(line, ()) for line in lines)


def _report_open_quote(migration: Migration, reporter: Reporter) -> None:
    if migration.unclosed is not None:
        message = "the quote or comment that starts here has no end"
        reporter.error("sql-syntax", message, migration.unclosed, helps=["close it"])


def _by_fact(rules: Sequence[Rule]) -> dict[type[Fact], tuple[Rule, ...]]:
    kinds = {kind for rule in rules for kind in rule.on}
    return {kind: tuple(rule for rule in rules if kind in rule.on) for kind in kinds}


_BY_FACT = _by_fact(EACH)
_AT_END = _by_fact(AT_END)
