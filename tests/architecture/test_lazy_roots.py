"""The root of each package is its only door, and opening it costs nothing."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest

from support.sources import IMPORT_PACKAGES

# Rule 9: each costs 5 to 70 ms of start and 1 to 5 MB.
HEAVY = (
    "cloudpickle",
    "concurrent.futures",
    "logging",
    "multiprocessing",
    "numpy",
    "psutil",
)

IMPORT_ROOT = """
import importlib, json, sys
before = set(sys.modules)
root = importlib.import_module(sys.argv[1])
print(json.dumps(sorted(set(sys.modules) - before)))
"""


@pytest.mark.parametrize("package", IMPORT_PACKAGES)
def test_importing_a_root_loads_no_other_module_of_ours(package: str) -> None:
    """`import package` loads the root alone; a public name brings what it needs when first used."""
    ours = [name for name in _loaded_by_import(package) if name.split(".")[0] in IMPORT_PACKAGES]
    assert ours == [package]


@pytest.mark.parametrize("package", IMPORT_PACKAGES)
def test_importing_a_root_loads_nothing_heavy(package: str) -> None:
    """`import package` loads none of the modules that a plain worker must not pay for."""
    assert sorted(set(_loaded_by_import(package)) & set(HEAVY)) == []


@pytest.mark.parametrize("package", IMPORT_PACKAGES)
def test_all_is_sorted_and_complete(package: str) -> None:
    """`__all__` is sorted (constants, classes, functions) without doubles; each name exists."""
    root = importlib.import_module(package)
    names = list(root.__all__)
    assert names == sorted(set(names), key=_rank)
    assert [name for name in names if not hasattr(root, name)] == []


@pytest.mark.parametrize("package", IMPORT_PACKAGES)
def test_an_unknown_name_is_an_ordinary_error(package: str) -> None:
    """The lazy root answers an unknown name with the AttributeError that any module gives."""
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'no_such_name'"):
        _ = importlib.import_module(package).no_such_name


def _loaded_by_import(package: str) -> list[str]:
    line = [sys.executable, "-c", IMPORT_ROOT, package]
    answer = subprocess.run(line, check=True, capture_output=True, text=True)
    loaded: list[str] = json.loads(answer.stdout)
    return loaded


def _rank(name: str) -> tuple[int, str]:
    """Order names as ruff's RUF022 does: CONSTANTS, Classes, the rest."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2, name)
