"""Rule 7: no private CPython name outside `_cpython.py`.

Private names are what breaks a program when Python changes. Found are: imports of private modules
(`_socket`) and of private names (`from os import _x`); attributes (`threading._x`, also behind an
alias or an imported class); the same spelled with `getattr` or `import_module`; and, in a class
with a base from the standard library, names the base keeps to itself (`_state` in a `Future`).
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from typing import TYPE_CHECKING

import pytest

from support.sources import Source, package_sources

if TYPE_CHECKING:
    from collections.abc import Iterator

DOOR = "_cpython.py"

# Names with an underscore that the manual documents as public.
ALLOWED = {
    "os._exit": "documented; the only way to end a child without running its parent's clean-up",
}


def test_no_private_cpython_name_outside_its_door() -> None:
    """Only `_cpython.py` files use private names of the standard library."""
    found = [
        use
        for source in package_sources()
        if source.path.name != DOOR
        for use in private_uses(source)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("import _socket", "_socket"),
        ("from _pickle import Pickler", "_pickle"),
        ("from os import _wrap_close", "os._wrap_close"),
        ("import sys\nsys._getframe()", "sys._getframe"),
        ("import threading as t\nt._shutdown()", "threading._shutdown"),
        ("import concurrent.futures.process as p\np._x", "concurrent.futures.process._x"),
        ("from threading import Thread\nThread._bootstrap", "threading.Thread._bootstrap"),
        ("import sys\ngetattr(sys, '_xoptions', {})", "sys._xoptions"),
        ("from importlib import import_module\nimport_module('_signal')", "_signal"),
        ("from queue import Queue\nclass Q(Queue):\n  def f(self): self._qsize", "_qsize"),
        ("from threading import Thread\nclass T(Thread):\n  def f(self): self._target", "_target"),
        ("from queue import Queue\nclass Q(Queue):\n  def _init(self): ...", "_init"),
    ],
)
def test_a_private_name_is_found(code: str, name: str) -> None:
    """The check sees each way to reach a private name."""
    uses = list(private_uses(_source(code)))
    assert len(uses) == 1
    assert name in uses[0]


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos._exit(1)",
        "import sys\nsys.__stderr__\nsys.modules['__main__']",
        "from ._frames import read\nread._x",
        "from concurrent.futures import Future\nclass F(Future):\n  def f(self): self._payload = 1",
        "import __main__, __future__",
    ],
)
def test_other_names_are_not(code: str) -> None:
    """Documented names, dunders, our own modules and our own attributes are no finding."""
    assert list(private_uses(_source(code))) == []


def private_uses(source: Source) -> Iterator[str]:
    """Yield `file:line name` for each use of a private name of the standard library."""
    bound = _names_of_the_standard_library(source.tree)
    for node in ast.walk(source.tree):
        for name in (*_imports(node), *_attributes(node, bound), *_by_string(node, bound)):
            if name not in ALLOWED:
                yield f"{source.where(node)} {name}"
        if isinstance(node, ast.ClassDef):
            for inner, name in _inherited(node, bound):
                yield f"{source.where(inner)} {name}, which a standard base of {node.name} owns"


def _names_of_the_standard_library(tree: ast.Module) -> dict[str, str]:
    """Map each local name that an import binds to the dotted standard name behind it."""
    bound = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                target = alias.name if alias.asname else alias.name.split(".")[0]
                bound[alias.asname or target] = target
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                bound[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return {name: target for name, target in bound.items() if _is_standard(target)}


def _imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
        return [module for module in modules if _is_standard(module) and _has_private_part(module)]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
        if not _is_standard(node.module):
            return []
        if _has_private_part(node.module):
            return [node.module]
        names = [f"{node.module}.{alias.name}" for alias in node.names]
        return [name for name in names if _has_private_part(name)]
    return []


def _attributes(node: ast.AST, bound: dict[str, str]) -> list[str]:
    if not (isinstance(node, ast.Attribute) and _is_private(node.attr)):
        return []
    owner = _dotted(node.value, bound)
    return [f"{owner}.{node.attr}"] if owner else []


def _by_string(node: ast.AST, bound: dict[str, str]) -> list[str]:
    """Return the private name that a call spells as a string: getattr, import_module."""
    if not isinstance(node, ast.Call):
        return []
    words = [
        argument.value
        for argument in node.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]
    if isinstance(node.func, ast.Name) and node.func.id in {"getattr", "hasattr", "setattr"}:
        owner = _dotted(node.args[0], bound) if node.args else None
        return [f"{owner}.{word}" for word in words[:1] if owner and _is_private(word)]
    called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    if called in {"import_module", "__import__"}:
        return [word for word in words[:1] if _is_standard(word) and _has_private_part(word)]
    return []


def _inherited(node: ast.ClassDef, bound: dict[str, str]) -> Iterator[tuple[ast.AST, str]]:
    """Yield what a class touches of the private names that its standard bases own."""
    owned = {
        name
        for base in node.bases
        if (dotted := _dotted(base, bound)) is not None
        for name in _private_names_of(dotted)
    }
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef) and inner in node.body and inner.name in owned:
            yield inner, inner.name
        elif (
            isinstance(inner, ast.Attribute)
            and isinstance(inner.value, ast.Name)
            and inner.value.id == "self"
            and inner.attr in owned
        ):
            yield inner, inner.attr


def _private_names_of(dotted: str) -> set[str]:
    """Return the private names of a standard class, those its methods set on `self` included."""
    module, _, name = dotted.rpartition(".")
    try:
        base = getattr(importlib.import_module(module), name)
        lineage = [cls for cls in inspect.getmro(base) if cls is not object]
    except (ImportError, AttributeError, ValueError):
        return set()  # not a class of this platform
    names = {attribute for cls in lineage for attribute in vars(cls)}
    for cls in lineage:
        try:
            names.update(re.findall(r"\bself\.(_\w+)", inspect.getsource(cls)))
        except (OSError, TypeError):
            continue  # written in C: its attributes are in `vars`
    return {name for name in names if _is_private(name)} - {"_abc_impl", "_is_protocol"}


def _dotted(node: ast.expr, bound: dict[str, str]) -> str | None:
    """Return the dotted standard name of an expression, or None if it is not one."""
    if isinstance(node, ast.Name):
        return bound.get(node.id)
    if isinstance(node, ast.Subscript):  # a generic base: Future[T]
        return _dotted(node.value, bound)
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value, bound)
        return f"{owner}.{node.attr}" if owner else None
    return None


def _is_standard(dotted: str) -> bool:
    root = dotted.partition(".")[0]
    return root in sys.stdlib_module_names or root == "__main__"


def _has_private_part(dotted: str) -> bool:
    return any(_is_private(part) for part in dotted.split("."))


def _is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def _source(code: str) -> Source:
    return Source(package_sources()[0].path, code, ast.parse(code))
