"""Children of a frozen application: the program itself, told by its command line to be a child.

A frozen program (PyInstaller, cx_Freeze) has no interpreter that could run ``-c``: `sys.executable`
is the program. It is started again with a marker as its first argument, and calls
`freeze_support` first thing, which boots the child and never returns there.
"""

import sys

MARKER = "--loky-spawn-child"


def is_frozen() -> bool:
    """Say whether this program was frozen."""
    return bool(getattr(sys, "frozen", False))


def freeze_support() -> None:
    """Become a child if this process was started as one by `spawn`; else do nothing.

    Call it as the first thing of a program that is to be frozen. Does not return in a child: it
    raises `SystemExit` when the entry is done. Costs nothing in a program that is not frozen.
    """
    if len(sys.argv) > 1 and sys.argv[1] == MARKER:
        boot, report = int(sys.argv[2]), int(sys.argv[3])
        from ._child import boot_from

        boot_from(boot, report)
        sys.exit(0)
