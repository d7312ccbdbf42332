"""What a Windows child inherits: the pipe it boots from, then its lifeline, and the report pipe.

Facts:
- The handles come inheritable, which is what lets them come at all; the first thing done to them is
  to end that, or what this process starts would hold them as well.
- After the record the parent writes nothing more into the boot pipe. It reads as ended when the
  parent's only write end closes, however the parent ends.
- The report pipe never blocks its writer (`_kernel32.never_block`): what does not fit is lost.
"""

from __future__ import annotations

import marshal
import msvcrt
import os
import sys

assert sys.platform == "win32"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SIZE_BYTES = 8  # before the record: its length, little endian
REPORT_BYTES = 1 << 16  # what the report pipe holds
_TRACEBACK_BYTES = REPORT_BYTES - (1 << 13)
_PIECE = 1 << 11  # a full pipe takes a piece as a whole or not at all


def receive(boot: int, report: int) -> tuple[dict[str, Any], int]:
    """Read the record from an inherited handle; return it and the descriptor of the report.

    Ends the process if the parent ends meanwhile, and from then on when the parent does: by the
    job this process is in, else by a thread that waits for the end of the pipe.
    """
    os.set_handle_inheritable(boot, False)
    os.set_handle_inheritable(report, False)
    fd = msvcrt.open_osfhandle(boot, os.O_RDONLY)
    with open(fd, "rb", closefd=False) as file:
        size = int.from_bytes(file.read(SIZE_BYTES), "little")
        data = file.read(size)
    if not size or len(data) < size:  # the parent ended
        os._exit(1)
    record: dict[str, Any] = marshal.loads(data)
    if record["job"]:
        os.close(fd)
    else:
        import threading

        threading.Thread(target=_end_with, args=(fd,), daemon=True, name="loky-lifeline").start()
    return record, msvcrt.open_osfhandle(report, os.O_WRONLY)


def _end_with(fd: int) -> None:
    try:
        os.read(fd, 1)
    finally:
        os._exit(1)


def leave(report: int, stage: str, traceback: str) -> None:
    """Write a failure into the report pipe, after a NUL: what came before it no longer counts."""
    text = traceback.encode("utf-8", "backslashreplace")[-_TRACEBACK_BYTES:]
    data = b"\0" + stage.encode() + b"\n" + text
    try:
        for start in range(0, len(data), _PIECE):
            os.write(report, data[start : start + _PIECE])
    except OSError:  # the pipe is full, or the parent has let go of it: nobody left to tell
        pass
