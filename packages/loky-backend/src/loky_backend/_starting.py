"""`start_worker`: make the channels, start the process, hand it what it needs to begin."""

from __future__ import annotations

import marshal
import socket
import sys
from contextlib import ExitStack

from loky_spawn import spawn

from ._pairs import make_pair
from ._report import dump_signal
from ._worker import Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._segments import SegmentPool

_ENTRY = "loky_backend._worker_main:main"


def start_worker(
    ident: int,
    *,
    initializer: bytes | None = None,
    reducers: bytes | None = None,
    env: Mapping[str, str | None] | None = None,
    name: str | None = None,
    segments: SegmentPool | None = None,
    start_timeout: float | None = None,
    pass_fds: Sequence[int] = (),
) -> Worker:
    """Start a worker process.

    Args:
        ident: a number above 0 of the caller's choice; names the worker in events.
        initializer: `encode_whole((function, arguments))` to be called before the first task; None
            for none.
        reducers: `pack_settings`: how it is to pickle its answers; None for the plain way.
        env: changes to its environment (`loky_spawn.spawn`).
        name: for messages; None means ``"worker-IDENT"``.
        start_timeout: seconds after which it is killed unless it is ready; None for never.
        pass_fds: descriptors that the initializer's arguments need (`Inheritance.descriptors`).
        segments: where large buffers for it are placed; None sends them through the stream.

    Returns:
        The worker, starting. Tasks may be sent at once.

    Raises:
        loky_spawn.SpawnError: it could not be started; nothing is left open.
        OSError: no descriptor is left for its channels.

    Blocks for about a millisecond; any thread.
    """
    settings = {
        "initializer": initializer,
        "reducers": reducers,
        "dump_signal": dump_signal(),
    }
    with ExitStack() as on_error, ExitStack() as always:
        pairs = 1 if sys.platform == "win32" else 2  # data, and claims where there are any
        ours: list[socket.socket] = []
        theirs: list[socket.socket] = []
        for _ in range(pairs):
            for end, side in zip(make_pair(), (ours, theirs), strict=True):
                on_error.callback(end.close)
                side.append(end)
        always.callback(theirs[0].close)
        for end in (*ours, *theirs[1:]):
            end.setblocking(False)
        if sys.platform == "win32":  # there a socket pair is a TCP connection
            for end in (ours[0], theirs[0]):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        child = spawn(
            _ENTRY,
            payload=marshal.dumps(settings),
            channels=theirs,
            pass_fds=pass_fds,
            env=env,
            name=name or f"worker-{ident}",
            hold_interrupt=True,  # one that strikes while it starts would end it
        )
        on_error.pop_all()
    claims = (*ours[1:], *theirs[1:])
    return Worker(ident, child, ours[0], claims, segments, start_timeout=start_timeout)
