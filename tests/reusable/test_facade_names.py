"""The facade has what loky 3.7.0 has: every public name, called by position and by keyword."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from scripts.compare_facade import NAMES, ON_PURPOSE, differences, look

RECORD = Path(__file__).with_name("loky_3_7.json")


def recorded() -> dict[str, Any]:
    """Return what was found in the released loky (`scripts/compare_facade.py --record`)."""
    names: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))["names"]
    return names


def test_nothing_is_missing_or_called_otherwise() -> None:
    """But for what is listed as different on purpose; and that list holds nothing else."""
    assert sorted(differences(recorded(), look(sys.executable))) == sorted(ON_PURPOSE)


def test_the_record_is_not_empty() -> None:
    """The comparison is made with every name that is listed."""
    listed = {f"{module}.{name}" for module, names in NAMES.items() for name in names.split()}
    assert set(recorded()) == listed


@pytest.mark.parametrize(
    ("theirs", "ours", "found"),
    [
        ({"m.f": ["callable", []]}, {}, ["m.f: missing"]),
        ({"m.f": ["callable", []]}, {"m.f": ["value", None]}, ["m.f: is a value, not a callable"]),
        (
            {"m.f": ["callable", [["a", "POSITIONAL_OR_KEYWORD", None]]]},
            {"m.f": ["callable", [["b", "POSITIONAL_OR_KEYWORD", None]]]},
            ["m.f: a"],
        ),
        (
            {"m.f": ["callable", [["a", "POSITIONAL_OR_KEYWORD", "1"]]]},
            {"m.f": ["callable", [["a", "POSITIONAL_OR_KEYWORD", "2"]]]},
            ["m.f: a default"],
        ),
        (
            {"m.f": ["callable", [["a", "POSITIONAL_OR_KEYWORD", "1"]]]},
            {"m.f": ["callable", [["a", "KEYWORD_ONLY", "1"]]]},
            ["m.f: a"],
        ),
        ({"m.f": ["callable", [["a", "VAR_POSITIONAL", None]]]}, {"m.f": ["callable", []]},
         ["m.f: no VAR_POSITIONAL"]),
    ],
)  # fmt: skip
def test_the_comparison_sees_differences(
    theirs: dict[str, Any], ours: dict[str, Any], found: list[str]
) -> None:
    """Each way to break existing code is found."""
    assert differences(theirs, ours) == found


def test_submodules_are_attributes() -> None:
    """`import loky` is enough to write `loky.backend.context.cpu_count()`."""
    loky = importlib.import_module("loky")
    assert loky.backend.context.cpu_count() == loky.cpu_count()
    assert loky.process_executor.ProcessPoolExecutor is loky.ProcessPoolExecutor
    assert loky.reusable_executor.get_reusable_executor is loky.get_reusable_executor


@pytest.mark.parametrize("module", ["loky", "loky.backend"])
def test_an_unknown_name_is_an_ordinary_error(module: str) -> None:
    """It raises AttributeError, so `hasattr` and `from ... import` work."""
    assert not hasattr(importlib.import_module(module), "no_such_name")
