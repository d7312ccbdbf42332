"""The project's own source files, parsed, for the tests of the architecture."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMPORT_PACKAGES = ("loky", "loky_backend", "loky_executor", "loky_reusable", "loky_spawn")

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One Python file."""

    path: Path
    text: str
    tree: ast.Module

    def where(self, node: ast.AST) -> str:
        """Return `file:line` of a node, relative to the checkout."""
        return f"{self}:{getattr(node, 'lineno', 1)}"

    def functions(self) -> list[FunctionNode]:
        """Return every function and method, nested ones too."""
        return [node for node in ast.walk(self.tree) if isinstance(node, FunctionNode)]

    def __str__(self) -> str:
        return self.path.relative_to(ROOT).as_posix()


@cache
def package_sources() -> tuple[Source, ...]:
    """Return every file that ships in a wheel."""
    return _parsed("packages/*/src/**/*.py")


@cache
def other_sources() -> tuple[Source, ...]:
    """Return tests, scripts, benchmarks and examples."""
    folders = ("tests", "scripts", "benchmarks", "examples", "typing_tests")
    return tuple(source for folder in folders for source in _parsed(f"{folder}/**/*.py"))


def _parsed(pattern: str) -> tuple[Source, ...]:
    sources = []
    for path in sorted(ROOT.glob(pattern)):
        text = path.read_text(encoding="utf-8")
        sources.append(Source(path, text, ast.parse(text, filename=str(path))))
    return tuple(sources)
