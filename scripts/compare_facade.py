"""Compare the facade `loky` with the released loky 3.7.0, from the outside.

    python scripts/compare_facade.py            names, signatures and programs, live
    python scripts/compare_facade.py --record   and write down what the released one does

The released loky is installed from the package index into an environment of its own that is made
for the purpose (or ``--venv FOLDER``, which is kept). Nothing of its source is read: names and
signatures come from `inspect.signature` and `dir`, behaviour from what the programs in
`scripts/facade_programs` print. `tests/reusable/loky_3_7.json` holds the record, against which
`tests/reusable/test_facade_names.py` and `test_facade_programs.py` compare without a network.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ROOT / "scripts" / "facade_programs"
RECORD = ROOT / "tests" / "reusable" / "loky_3_7.json"
RELEASED = "loky==3.7.0"

# The public names, by module; "Class.method" for the methods that existing code calls.
NAMES = {
    "loky": "ALL_COMPLETED BrokenProcessPool CancelledError Executor FIRST_COMPLETED "
    "FIRST_EXCEPTION Future ProcessPoolExecutor TimeoutError as_completed cpu_count "
    "get_reusable_executor set_loky_pickler wait wrap_non_picklable_objects __version__ "
    "ProcessPoolExecutor.submit ProcessPoolExecutor.map ProcessPoolExecutor.shutdown",
    "loky.process_executor": "BrokenExecutor BrokenProcessPool EXTRA_QUEUED_CALLS "
    "LokyRecursionError MAX_DEPTH ProcessPoolExecutor ShutdownExecutorError TerminatedWorkerError "
    "_CURRENT_DEPTH _ExceptionWithTraceback cpu_count",
    "loky.reusable_executor": "get_reusable_executor _ReusablePoolExecutor "
    "_ReusablePoolExecutor.get_reusable_executor _ReusablePoolExecutor._resize",
    "loky.backend": "get_context",
    "loky.backend.context": "LokyContext LokyInitMainContext START_METHODS cpu_count get_context "
    "get_start_method set_start_method",
    "loky.backend.process": "LokyInitMainProcess LokyProcess",
    "loky.backend.queues": "Full Queue SimpleQueue",
    "loky.backend.synchronize": "BoundedSemaphore Condition Event Lock RLock Semaphore",
    "loky.backend.reduction": "dump dumps get_loky_pickler get_loky_pickler_name loads register "
    "set_loky_pickler",
    "loky.backend.utils": "get_exitcodes_terminated_worker kill_process_tree",
    "loky.backend.resource_tracker": "_CLEANUP_FUNCS _resource_tracker ensure_running getfd "
    "maybe_unlink register unregister",
    "loky.cloudpickle_wrapper": "CallableObjectWrapper CloudpickledObjectWrapper "
    "wrap_non_picklable_objects",
    "loky.initializers": "",
}

# What differs on purpose; docs/migration.md says why.
ON_PURPOSE = {
    "loky.backend.process.LokyProcess: init_main_module": "the context loky_init_main has it",
    "loky.backend.process.LokyProcess: env": "the environment of the parent is the child's",
    "loky.backend.process.LokyProcess: daemon": "by keyword only, as in multiprocessing",
    "loky.backend.process.LokyInitMainProcess: daemon": "by keyword only, as in multiprocessing",
    "loky.reusable_executor._ReusablePoolExecutor: executor_id default": "None: the next number",
}
if sys.version_info >= (3, 14):
    ON_PURPOSE |= {
        f"loky.backend.process.{name}: kwargs default": "None, as in multiprocessing from 3.14 on"
        for name in ("LokyProcess", "LokyInitMainProcess")
    }

# Runs in either interpreter: prints what each name is, and its parameters.
LOOK = """
import functools, importlib, inspect, json, sys

def parameters(value):
    try:
        found = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return None
    return [
        [one.name, one.kind.name, None if one.default is one.empty else repr(one.default)]
        for one in found
    ]

answer = {}
for module, names in json.loads(sys.argv[1]).items():
    there = importlib.import_module(module)
    for name in names.split():
        try:
            value = functools.reduce(getattr, name.split("."), there)
        except AttributeError:
            continue
        error = isinstance(value, type) and issubclass(value, BaseException)
        kind = "error" if error else "callable" if callable(value) else "value"
        answer[f"{module}.{name}"] = [kind, parameters(value) if kind == "callable" else None]
print(json.dumps(answer))
"""


def look(python: str) -> dict[str, Any]:
    """Return what an interpreter's loky has of `NAMES`: name -> [kind, parameters]."""
    words = [python, "-c", LOOK, json.dumps(NAMES)]
    found: dict[str, Any] = json.loads(subprocess.check_output(words, text=True))
    return found


def differences(theirs: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    """Return what code written for theirs cannot do with ours, "name: what" each."""
    found: list[str] = []
    for name, (kind, parameters) in theirs.items():
        if name not in ours:
            found.append(f"{name}: missing")
        elif ours[name][0] != kind:
            found.append(f"{name}: is a {ours[name][0]}, not a {kind}")
        elif parameters is not None and ours[name][1] is not None:
            found += [f"{name}: {what}" for what in _unlike(parameters, ours[name][1])]
    return found


def _unlike(theirs: list[list[Any]], ours: list[list[Any]]) -> list[str]:
    """Return the parameters that cannot be given as before, by position and by keyword."""
    by_position = [name for name, kind, _ in ours if kind.startswith("POSITIONAL")]
    known = {name: (kind, default) for name, kind, default in ours}
    kinds = {kind for _, kind, _ in ours}
    found = []
    for place, (name, kind, default) in enumerate(theirs):
        if kind.startswith("VAR"):
            if kind not in kinds:
                found.append(f"no {kind}")
        elif name not in known:
            further = "VAR_KEYWORD" in kinds and not by_position[place : place + 1]
            if not further or kind == "POSITIONAL_OR_KEYWORD":
                found.append(name)
        elif kind == "POSITIONAL_OR_KEYWORD" and by_position[place : place + 1] != [name]:
            found.append(name)
        elif default != known[name][1]:
            found.append(name if name == "keep_wrapper" else f"{name} default")
    return found


def run(python: str, program: Path) -> str:
    """Run a program; return what it printed. Raises if it fails."""
    return subprocess.check_output(
        [python, str(program)],
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )


def programs() -> list[Path]:
    """Return the programs that run against both."""
    return sorted(PROGRAMS.glob("*.py"))


def _python_of(folder: Path) -> str:
    return str(folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python"))


def main() -> int:
    """Compare; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="write the record")
    parser.add_argument("--venv", type=Path, help="the environment of the released loky")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.venv or Path(scratch, "released")
        if not folder.exists():
            import venv  # the embeddable CPython for Windows has none

            venv.create(folder, with_pip=True)
            subprocess.check_call([_python_of(folder), "-m", "pip", "install", "-q", RELEASED])
        released = _python_of(folder)
        theirs = {
            "names": look(released),
            "programs": {path.name: run(released, path) for path in programs()},
        }
    if options.record:
        RECORD.write_text(json.dumps(theirs, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    found = differences(theirs["names"], look(sys.executable))
    surprises = [line for line in found if line not in ON_PURPOSE]
    surprises += [
        f"{path.name} prints something else"
        for path in programs()
        if run(sys.executable, path) != theirs["programs"][path.name]
    ]
    print(f"{len(theirs['names'])} names, {len(programs())} programs")
    expected = [f"on purpose: {line} ({ON_PURPOSE[line]})" for line in found if line in ON_PURPOSE]
    print(*expected, sep="\n")
    print(*(f"DIFFERENT: {line}" for line in surprises), sep="\n")
    return bool(surprises)


if __name__ == "__main__":
    sys.exit(main())
