"""`flowc init`: a project that runs."""

from __future__ import annotations

from pathlib import Path

import click

from flowc import __version__
from flowc.cli.console import out, say
from flowc.errors import UsageError

_STARTER = Path(__file__).resolve().parent / "starter"
FILES = {
    "specs/project.yaml": "specs.yaml",
    "data/orders.csv": "orders.csv",
    "data/visits.jsonl": "visits.jsonl",
    "README.md": "README.md",
    "requirements.txt": "requirements.txt",
    "vendor/README.md": "vendor.md",
    "Dockerfile": "Dockerfile",
    "compose.yaml": "compose.yaml",
    ".dockerignore": "dockerignore",
    ".gitignore": "gitignore",
    ".github/workflows/flowc.yml": "github.yml",
    "deploy/kubernetes.yaml": "kubernetes.yaml",
    "deploy/flowc.service": "flowc.service",
    "deploy/flowc-due.service": "flowc-due.service",
    "deploy/flowc-due.timer": "flowc-due.timer",
    "monitoring/rules.yaml": "rules.yaml",
    "monitoring/grafana.json": "grafana.json",
}


@click.command()
@click.argument("directory", metavar="[DIR]", default=Path(), type=click.Path(path_type=Path))
def command(directory: Path) -> None:
    """Make a project that runs.

    Writes specs, two small files of data, a Dockerfile, a Docker compose file, Kubernetes manifests, systemd units,
    alert rules of Prometheus, a dashboard of Grafana and a CI workflow into DIR (default: this folder, when it is
    empty). Files that exist are never overwritten.
    """
    if directory == Path() and any(not entry.name.startswith(".") for entry in directory.iterdir()):
        raise UsageError("this folder is not empty", code="existing-file", help="name a folder: `flowc init DIR`")
    taken = [name for name in FILES if (directory / name).exists()]
    if taken:
        message = f"`{directory / taken[0]}` exists already"
        raise UsageError(message, code="existing-file", help="choose a folder that is new or empty: `flowc init DIR`")
    try:
        for name, source in FILES.items():
            _write(directory / name, (_STARTER / source).read_text(encoding="utf-8"), directory.resolve().name)
    except OSError as error:
        message = f"cannot write into `{directory}`: {error.strerror}"
        raise UsageError(message, code="unwritable-file", help="choose another folder: `flowc init DIR`") from error
    out("\n".join(str(directory / name) for name in FILES))
    enter = "" if directory == Path() else f"cd {directory} && "
    say(f"\nNext: {enter}flowc lint && flowc run --once")


def _write(path: Path, text: str, project: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".service", ".timer"):
        project = project.replace("%", "%%")  # systemd reads % as the start of a specifier
    path.write_text(text.replace("{version}", __version__).replace("{name}", project), encoding="utf-8")
