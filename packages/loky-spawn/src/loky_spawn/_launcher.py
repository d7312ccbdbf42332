r"""The interpreter behind the launcher of a virtual environment on Windows.

Facts:
- ``Scripts\python.exe`` of a virtual environment is a small program that starts the interpreter of
  the base installation and waits for it. The process it gives is not the Python: to kill it, to
  hand it a socket or a handle would hit the wrong one.
- It finds the base in the key ``home`` of ``pyvenv.cfg`` (PEP 405), beside itself or one folder up,
  and says in a variable of the environment which file it is, so that the interpreter takes the
  virtual environment for its own (`_cpython.LAUNCHER_VARIABLE`).
"""

from __future__ import annotations

import os
from contextlib import suppress


def real_interpreter(python: str) -> tuple[str, str | None]:
    """Return the program to run for an interpreter, and the launcher it stands for.

    Args:
        python: path of an interpreter or of a launcher.

    Returns:
        The same path and None if it is no launcher; else the interpreter of the base installation
        and the launcher's path.
    """
    folder = os.path.dirname(python)
    if not folder:
        return python, None
    for place in (folder, os.path.dirname(folder)):
        with suppress(OSError, UnicodeDecodeError):
            home = _home(os.path.join(place, "pyvenv.cfg"))
            real = os.path.join(home, os.path.basename(python)) if home else python
            if os.path.isfile(real) and not os.path.samefile(real, python):
                return real, python
    return python, None


def _home(settings: str) -> str:
    with open(settings, encoding="utf-8") as file:
        pairs = (line.partition("=") for line in file)
        found = {key.strip().lower(): value.strip() for key, _, value in pairs}
    return found.get("home", "")
