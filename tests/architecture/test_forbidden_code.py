"""Constructs that the packages do without, and the imports of the scheduler's machine."""

from __future__ import annotations

import ast

from support.sources import Source, package_sources

# The machine takes the clock and the ids as arguments: these are enough for a data structure.
MACHINE_MAY_IMPORT = {"__future__", "collections", "enum", "typing"}


def test_no_finalizer_method() -> None:
    """No class defines `__del__`: it may run in any thread, at any moment, under any lock."""
    found = [
        source.where(function)
        for source in package_sources()
        for function in source.functions()
        if function.name == "__del__"
    ]
    assert found == []


def test_no_bare_except() -> None:
    """Every `except` names what it catches."""
    found = [
        source.where(node)
        for source in package_sources()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert found == []


def test_the_machine_imports_data_structures_only() -> None:
    """The machine, its events and its effects can do no I/O, read no clock and start nothing."""
    folder = "packages/loky-executor/src/loky_executor"
    machine = _source(f"{folder}/_machine.py")
    assert sorted(_imported_roots(machine) - MACHINE_MAY_IMPORT) == ["."]
    parts = {"_crew", "_effects", "_endings", "_events", "_queues", "_roster", "_values"}
    assert _siblings(machine) <= parts
    for name in parts:
        sibling = _source(f"{folder}/{name}.py")
        assert sorted(_imported_roots(sibling) - MACHINE_MAY_IMPORT - {"."}) == []
        assert _siblings(sibling) <= parts


def _source(name: str) -> Source:
    return next(source for source in package_sources() if str(source) == name)


def _siblings(source: Source) -> set[str]:
    """Return the modules of its own package that a module imports."""
    return {
        alias.name if node.module is None else node.module.split(".")[0]
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    }


def _imported_roots(source: Source) -> set[str]:
    """Return the top-level names of all imports; a relative one as the dots it starts with."""
    roots = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            roots.add("." * node.level or (node.module or "").split(".")[0])
    return roots
