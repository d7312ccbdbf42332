#!/usr/bin/env python3
"""Find the supported Pythons of this machine. Run as a script it lists them.

Facts this module leans on:

- pyenv puts a folder of shims on the PATH. A shim of a version that is not switched on exists and
  fails, so every candidate is run; and what it says of itself is taken, not the shim's path.
- pyenv keeps its interpreters in `$PYENV_ROOT/versions`, by default `~/.pyenv/versions`. A CI job
  may have an empty HOME: the user database knows the home folder too.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SUPPORTED = ((3, 10), (3, 11), (3, 12), (3, 13), (3, 14), (3, 15))
SECONDS = 60

# What a candidate says of itself. A free-threaded build is tested by a command of its own.
QUESTION = """
import json, sys, sysconfig
free = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
print(json.dumps([sys.implementation.name, sys.version_info[:2], free, sys.executable]))
"""


@dataclass(frozen=True, order=True)
class Interpreter:
    """A CPython of this machine: its version, and the path of its executable."""

    version: tuple[int, ...]
    path: Path

    @property
    def name(self) -> str:
        """Return the version as hatch's matrix spells it."""
        return ".".join(map(str, self.version))


def find_interpreters() -> list[Interpreter]:
    """Return one interpreter for each supported version that is here, the oldest first.

    The one that runs this is taken for its version; of others the first of the PATH, then the
    newest of pyenv.
    """
    own = Interpreter(tuple(sys.version_info[:2]), Path(sys.executable))
    found = {own.version: own}
    for candidate in _candidates():
        version = _version_in(candidate)
        if version in found or version not in SUPPORTED:
            continue
        interpreter = _ask(candidate)
        if interpreter is not None and interpreter.version == version:
            found[version] = interpreter
    return [found[version] for version in SUPPORTED if version in found]


def _candidates() -> list[Path]:
    """Return paths named like `python3.12`, the preferred first."""
    folders = [Path(name) for name in os.environ.get("PATH", os.defpath).split(os.pathsep) if name]
    for root in _pyenv_roots():
        folders += sorted(root.glob("versions/3.*/bin"), key=_numbers, reverse=True)
    names = [f"python{major}.{minor}" for major, minor in SUPPORTED]
    return [folder / name for folder in folders for name in names if (folder / name).is_file()]


def _pyenv_roots() -> list[Path]:
    named = [os.environ.get("PYENV_ROOT"), os.environ.get("HOME")]
    roots = [Path(named[0])] if named[0] else []
    if named[1]:
        roots.append(Path(named[1], ".pyenv"))
    if sys.platform != "win32":
        import pwd

        roots.append(Path(pwd.getpwuid(os.getuid()).pw_dir, ".pyenv"))
    return list(dict.fromkeys(roots))


def _numbers(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path.parent.name)]


def _version_in(path: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", path.name))


def _ask(candidate: Path) -> Interpreter | None:
    """Return what a candidate is; None if it does not run, or is not what is looked for."""
    try:
        answer = subprocess.run(
            [str(candidate), "-c", QUESTION],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
        ).stdout
        implementation, version, free, executable = json.loads(answer)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    if implementation != "cpython" or free:
        return None
    return Interpreter(tuple(version), Path(executable))


if __name__ == "__main__":
    for each in find_interpreters():
        print(each.name, each.path)
