"""What a worker leaves in its anonymous file: stacks that were asked for, and those of its crash.

Rules:
1. Stacks that were asked for are those of its death only if its parent ended it over what it was
   doing then: it has answered nothing since.

Facts:
- Parent and worker share the file and its offset, so a parent can wipe it out; a dump that is being
  written then goes on at the beginning, or after a hole of zeros.
- faulthandler begins what it writes of a crash with "Fatal Python error", a dump it does not.
"""

from __future__ import annotations

import signal
import sys

from ._obituary import clip_stacks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loky_spawn import ChildProcess

_FATAL = "Fatal Python error"


def dump_signal() -> int:
    """Return the signal on which a worker writes its stacks, one hardly ever used; 0: none."""
    if sys.platform == "win32":
        return 0
    return int(getattr(signal, "SIGRTMAX", signal.SIGUSR2 + 1)) - 1


class Report:
    """The report of one worker. Any thread.

    Attributes:
        moved_on: whether the worker has answered something since it was asked for its stacks.
    """

    def __init__(self, child: ChildProcess) -> None:
        self._child = child
        self._asked = False
        self.moved_on = False

    def ask(self) -> None:
        """Ask the worker, which must be ready, for its stacks."""
        if dump_signal():
            self._child.clear_report()
            self._asked, self.moved_on = True, False
            self._child.send_signal(dump_signal())

    def _text(self) -> str:
        return self._child.report().decode("utf-8", "replace").strip("\0")

    def stacks(self) -> str:
        """Return the stacks that are there, not too long."""
        return clip_stacks(self._text())

    def stacks_of_death(self, *, ended_by_parent: bool) -> str:
        """Return the stacks that a dead worker died in, "" if they are not there."""
        if not self._asked or (ended_by_parent and not self.moved_on):
            return self.stacks()
        text = self._text()
        crash = text.rfind(_FATAL)
        return clip_stacks(text[crash:]) if crash >= 0 else ""
