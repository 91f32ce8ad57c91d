"""The code of a project's functions: what tells that a function gives other values now. It is read, never imported."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path


def code_of(root: Path, python: str) -> str:
    """A digest of the module of a function, and of the modules of the project that it imports; comments are left out.

    Empty for a module that is none of the project's: an installed one is known by its name.
    """
    wanted, found = [*_files(root, python.partition(":")[0])], dict[str, str]()
    while wanted:
        path = wanted.pop()
        name = path.relative_to(root).as_posix()
        if name not in found:
            text = path.read_text("utf-8", "replace")
            found[name] = _bare(text)
            wanted += _imported(root, path, text)
    if not found:
        return ""
    return sha256("".join(f"{name}\n{len(text)}\n{text}" for name, text in sorted(found.items())).encode()).hexdigest()


def _files(root: Path, module: str) -> Iterator[Path]:
    """The file of a module, and those of the packages that it is in."""
    parts = module.split(".") if module else []
    for count in range(1, len(parts) + 1):
        path = root.joinpath(*parts[:count])
        yield from (each for each in (path / "__init__.py", path.with_suffix(".py")) if each.is_file())


def _imported(root: Path, path: Path, text: str) -> Iterator[Path]:
    """The files of the project that a module imports, anywhere in it."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                yield from _files(root, each.name)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(filter(None, (_package(root, path, node.level), node.module)))
            for each in node.names:
                yield from _files(root, f"{base}.{each.name}" if base else each.name)
        elif isinstance(node, ast.Call):
            yield from _files(root, _called(node))


def _called(node: ast.Call) -> str:
    """The module that `import_module("…")` or `__import__("…")` imports; '' for another call, or another name."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    first = node.args[0] if node.args and name in ("import_module", "__import__") else None
    module = str(first.value) if isinstance(first, ast.Constant) else ""
    return module if all(part.isidentifier() for part in module.split(".")) else ""


def _package(root: Path, path: Path, level: int) -> str:
    """What a relative import of that many dots begins with."""
    return ".".join(path.relative_to(root).parts[:-level]) if level else ""


def _bare(text: str) -> str:
    """The text without its comments, and without the lines that hold nothing else."""
    lines: list[str | None] = [*text.split("\n")]  # as the tokenizer counts them: no form feed ends a line
    try:
        tokens = [*tokenize.generate_tokens(io.StringIO(text).readline)]
    except (tokenize.TokenError, SyntaxError, ValueError):
        return text
    for token in tokens:
        line = lines[token.start[0] - 1] if token.type == tokenize.COMMENT else None
        if line is not None:
            lines[token.start[0] - 1] = line[: token.start[1]].rstrip() or None
    return "\n".join(line for line in lines if line is not None)
