"""Limits on size: what does not fit is split by responsibility."""

from __future__ import annotations

import ast

from support.sources import FunctionNode, Source, other_sources, package_sources

FILE_LINES = 400
FUNCTION_LINES = 50
POSITIONAL_PARAMETERS = 5


def test_the_packages_were_found() -> None:
    """The limits below are checked on real files, not on an empty list."""
    found = {source.path.parent.name for source in package_sources()}
    assert found >= {"loky", "loky_backend", "loky_executor", "loky_reusable", "loky_spawn"}


def test_no_file_is_too_long() -> None:
    """A file has at most 400 lines, in the packages and around them."""
    lengths = {
        str(source): len(source.text.splitlines())
        for source in (*package_sources(), *other_sources())
    }
    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES} == {}


def test_no_function_is_too_long() -> None:
    """A function has at most 50 lines without its docstring."""
    lengths = {
        f"{source.where(function)} {function.name}": _lines(function)
        for source in package_sources()
        for function in source.functions()
    }
    assert {name: lines for name, lines in lengths.items() if lines > FUNCTION_LINES} == {}


# Code written for loky 3.7 gives these by position, in this order.
OF_LOKY = {"__init__": 9, "get_reusable_executor": 10}


def test_no_function_takes_too_many_positional_parameters() -> None:
    """At most five parameters can be given by position; the others have names."""
    counts = {
        f"{source.where(function)} {function.name}": _positional(source, function)
        for source in package_sources()
        for function in source.functions()
    }
    too_many = {name: count for name, count in counts.items() if count > POSITIONAL_PARAMETERS}
    assert {name.rpartition(" ")[2]: count for name, count in too_many.items()} == OF_LOKY


def _lines(function: FunctionNode) -> int:
    total = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return total
    docstring = function.body[0]
    return total - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def _positional(source: Source, function: FunctionNode) -> int:
    parameters = [*function.args.posonlyargs, *function.args.args]
    methods = {
        id(member)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef)
        for member in node.body
    }
    decorators = {node.id for node in function.decorator_list if isinstance(node, ast.Name)}
    bound = id(function) in methods and "staticmethod" not in decorators
    return len(parameters) - bound
