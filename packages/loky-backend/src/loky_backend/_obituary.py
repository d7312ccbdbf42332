"""How a worker died: what the parent can say of it, small enough to ride on every error."""

from __future__ import annotations

import signal
from typing import NamedTuple

_LIMIT = 16_384  # characters of stacks, and of a failure
_CUT = "\n  ... (cut)\n"
_CRASHED = "Current thread "  # how faulthandler calls it
_WINDOWS_CODES = {
    0xC0000005: "access violation",
    0xC000001D: "illegal instruction",
    0xC0000094: "integer division by zero",
    0xC00000FD: "stack overflow",
    0xC0000017: "out of memory",
    0xC000013A: "ended by Ctrl-C",
    0xC0000135: "a DLL was not found",
    0xC0000374: "heap corruption",
    0xC0000409: "abort or stack buffer overrun",
}


class Obituary(NamedTuple):
    """What is known of a dead worker. Pickles; at most some 40 KB.

    Attributes:
        pid: its process id.
        name: the worker's name.
        exitcode: exit code; -N for signal N; None if somebody else reaped it.
        stage: "starting", "running" or "stopping".
        stacks: Python stacks at the moment of the crash as faulthandler wrote them, "" if none.
        reason: why the parent ended it, "" if the parent did not.
        oom: True if the kernel's out-of-memory killer struck meanwhile, None if it cannot be told.
        peak_memory: bytes of its own it was seen with at most, None if it was not watched.
        failure: the child's own traceback if it failed to start, "" otherwise.
    """

    pid: int
    name: str
    exitcode: int | None
    stage: str
    stacks: str = ""
    reason: str = ""
    oom: bool | None = None
    peak_memory: int | None = None
    failure: str = ""

    @property
    def signal(self) -> str:
        """Name of the signal it died of, such as ``"SIGSEGV"``; "" if it was none."""
        if self.exitcode is None or self.exitcode >= 0:
            return ""
        try:
            return signal.Signals(-self.exitcode).name
        except ValueError:
            return f"signal {-self.exitcode}"

    @property
    def cause(self) -> str:
        """The death in a few words."""
        if self.reason:
            return self.reason
        if self.failure and self.stage == "starting":
            return "its initializer failed, or it could not import what it needs"
        if self.exitcode is None:
            return "its exit code is unknown (another part of this program reaped it)"
        if self.signal:
            return f"it was ended by {self.signal}{self._signal_hint()}"
        if self.exitcode > 0xFFFF:
            code = self.exitcode & 0xFFFFFFFF
            name = _WINDOWS_CODES.get(code, "unknown status")
            return f"it ended with 0x{code:08X} ({name})"
        return f"it exited with code {self.exitcode}"

    def _signal_hint(self) -> str:
        if self.signal == "SIGKILL":
            if self.oom:
                return " by the kernel's out-of-memory killer: use less memory or fewer workers"
            return " (from outside, or by the kernel when memory ran out)"
        if self.signal in ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE"):
            return ", a crash in native code (an extension module, or a stack overflow)"
        return ""

    def __str__(self) -> str:
        text = f"worker {self.name} (pid {self.pid}) died while {self.stage}: {self.cause}"
        if self.peak_memory:
            text += f" (it had up to {self.peak_memory / 1e6:,.0f} MB)"
        if self.failure:
            text += f"\n\nIn the worker:\n{self.failure.rstrip()}"
        if self.stacks:
            text += f"\n\nPython stacks at its death:\n{self.stacks.rstrip()}"
        return text


def clip_stacks(text: str) -> str:
    """Shorten faulthandler's output to what is worth carrying.

    That is its beginning (what was fatal), the thread that crashed, which may come late, and its
    end.
    """
    if len(text) <= _LIMIT:
        return text
    crashed = text.find(_CRASHED)
    parts = [(0, _LIMIT // 8), (len(text) - _LIMIT // 8, len(text))]
    if crashed < 0:
        parts[0] = (0, _LIMIT * 7 // 8)
    else:
        end = text.find("\n\n", crashed)
        end = len(text) if end < 0 else end
        parts.insert(1, (crashed, min(end, crashed + _LIMIT * 3 // 4)))
    return _joined(text, parts)


def clip_failure(text: str) -> str:
    """Shorten a traceback to its beginning and its end, which says what was raised."""
    if len(text) <= _LIMIT:
        return text
    return _joined(text, [(0, _LIMIT // 2), (len(text) - _LIMIT // 2, len(text))])


def _joined(text: str, parts: list[tuple[int, int]]) -> str:
    """Return some parts of a text, in order, with a mark where something is left out."""
    clipped = ""
    at = 0
    for begin, end in parts:
        if begin > at:
            clipped += _CUT
        clipped += text[max(begin, at) : end]
        at = max(at, end)
    return clipped if at >= len(text) else clipped + _CUT
