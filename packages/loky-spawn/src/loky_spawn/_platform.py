"""The only platform switch of this package: `start` and the handle of a child it returns."""

import sys

if sys.platform == "win32":
    from ._win32 import WindowsChild as Child
    from ._win32 import list_processes, start
else:
    from ._posix import PosixChild as Child
    from ._posix import start
    from ._processes import list_processes

__all__ = ["Child", "list_processes", "start"]
