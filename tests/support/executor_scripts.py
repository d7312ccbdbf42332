"""Running a whole program in an interpreter of its own, the way a user starts one."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SECONDS = 20.0


def run_code(
    source: str,
    *,
    seconds: float = SECONDS,
    flags: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    wrapper: Sequence[str] = (),
) -> str:
    """Run a program with `python -c`; return what it printed. Fails on an error or a hang.

    `flags` go to the interpreter, `env` changes the environment, `wrapper` is a command that
    executes another one (`setpriv`, `unshare`).
    """
    words = [*wrapper, sys.executable, *flags, "-c", textwrap.dedent(source)]
    return _finish(words, None, seconds, env)


def run_stdin(source: str, *, seconds: float = SECONDS) -> str:
    """Run a program that the interpreter reads from standard input; return what it printed."""
    return _finish([sys.executable, "-"], textwrap.dedent(source), seconds)


def run_script(folder: Path, source: str, *, seconds: float = SECONDS) -> str:
    """Run a program as a script file in `folder`; return what it printed."""
    path = folder / "program.py"
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    return _finish([sys.executable, str(path)], None, seconds)


def start_code(source: str) -> subprocess.Popen[str]:
    """Start a program with `python -c`, its standard output a pipe; the caller ends it."""
    words = [sys.executable, "-c", textwrap.dedent(source)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=_environment())


def _finish(
    words: list[str],
    given: str | None,
    seconds: float,
    changes: Mapping[str, str] | None = None,
) -> str:
    done = subprocess.run(
        words,
        input=given,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        env={**_environment(), **(changes or {})},
    )
    assert (done.returncode, done.stderr) == (0, ""), f"{done.stdout}\n{done.stderr}"
    return done.stdout


def _environment() -> dict[str, str]:
    """Have warnings be errors there too, but for those of packages not ours."""
    return {**os.environ, "PYTHONFAULTHANDLER": "1"}
