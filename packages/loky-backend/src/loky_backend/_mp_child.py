"""The entry of a process of the `multiprocessing` contexts: from here on it is the stdlib's.

Facts:
- `multiprocessing.spawn.spawn_main` reads from the pipe what the parent prepared, then the process
  object, and runs it; the pipe's end is how the child sees that its parent is gone
  (`parent_process`).
- It asserts that the command line has the mark of such a child; what it reads has the real one.
"""

from __future__ import annotations

import marshal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loky_spawn import Handover


def main(handover: Handover) -> None:
    """Become the process that the parent's `multiprocessing` wants; ends with `SystemExit`."""
    from multiprocessing.spawn import spawn_main

    from . import _context  # so that the start methods of ours are known

    _context.get_context("loky")
    pipe, parent, tracker = marshal.loads(handover.payload)
    sys.argv[:] = ["-c", "--multiprocessing-fork"]
    if sys.platform == "win32":
        spawn_main(pipe_handle=pipe, parent_pid=parent)
    else:
        spawn_main(pipe_handle=pipe, tracker_fd=tracker)
