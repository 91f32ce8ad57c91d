"""Which variables of the environment SQL may read: those that the project lists, and never a secret."""

from __future__ import annotations

from collections.abc import Sequence

from flowc.compiler.front.project import ProjectSpec
from flowc.diagnostics import Reporter

_CREDENTIALS = frozenset((
    "VAULT_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_CLIENT_SECRET",
    "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN",
    "GOOGLE_SERVICE_ACCOUNT_KEY", "MOTHERDUCK_TOKEN", "PGPASSWORD", "MYSQL_PWD", "FLOWC_DSN", "FLOWC_RUN_LOG",
))  # fmt: skip
"""What clients of stores and databases look for, named by a connection or not, some of them in small letters."""
_DSN = "FLOWC_DSN_"


def readable_variables(project: ProjectSpec) -> Sequence[str]:
    """The names that templates may read; whether they are set is another question."""
    return [name.value for name in project.env if why_kept(name.value, project) is None]


def check_environment(project: ProjectSpec, reporter: Reporter) -> None:
    """Reports variables that are listed for SQL and open connections."""
    for name in project.env:
        if why := why_kept(name.value, project):
            message = f"SQL may not read `{name.value}`: {why}"
            helps = ("take it out of `env`, and give SQL what it needs by a variable of its own",)
            reporter.error("variable-of-connection", message, name.span, helps=helps)


def why_kept(variable: str, project: ProjectSpec) -> str | None:
    """Why SQL may not have a variable, whether it is listed or not; None where nothing speaks against it."""
    shown = "and what SQL reads is shown in plans and logs"
    if owner := project.kept_from_sql.get(variable):
        return f"{owner} uses it, {shown}"
    is_credential = variable.upper() in _CREDENTIALS or variable.startswith(_DSN)
    return f"it opens connections, {shown}" if is_credential else None
