"""Measure the channel between parent and worker against what the system can do at best.

    empty frame, there and back     the frame layer alone, against a bare socket ping-pong
    100 MB buffer to the worker     against one write(2) of as much into a fresh memfd
    descriptors                     what one worker costs its parent
    idle wake-ups                   voluntary context switches of all threads but this one

Both sides are Python processes; the variants take turns, so that a slow moment of the machine
strikes all of them; medians are printed, and `--json FILE` writes them. The targets are those of
the issue. A ping-pong takes ten times as long between two processors as on one, and the kernel
moves processes as it likes: each is measured in both ways, pinned. A pool has several processors.

    python benchmarks/channel.py [--rounds N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import platform
import socket
import statistics
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from loky_backend import (
    FrameArrived,
    FrameKind,
    Reactor,
    SegmentPool,
    Worker,
    encode,
    encode_frame,
    start_worker,
)
from loky_backend._frames import HEADER, FrameReader
from loky_backend._platform import Wire
from loky_spawn import spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loky_backend import Event, Frame
    from loky_spawn import ChildProcess, Handover

TRIPS = 2000
LARGE = 100_000_000
IDLE_SECONDS = 5.0


# -- what the children run -------------------------------------------------------------------


def echo_bytes(handover: Handover) -> None:
    """Send back what comes: the bare ping-pong."""
    fd = handover.descriptors[0]
    while data := os.read(fd, 4096):
        os.write(fd, data)


def echo_frames(handover: Handover) -> None:
    """Send an empty result back for each frame, with the worker's own reader and wire."""
    wire, reader = Wire(handover), FrameReader()
    while count := wire.receive(reader.target()):
        for frame in reader.advance(count):
            wire.send(encode_frame(FrameKind.RESULT, frame.task))


# -- ping-pong ---------------------------------------------------------------------------------


def _child(entry: str) -> tuple[ChildProcess, socket.socket, tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    claims = socket.socketpair()
    child = spawn(f"channel:{entry}", channels=(theirs, claims[1]))
    theirs.close()
    return child, ours, claims


@contextmanager
def pinned(child: ChildProcess, processors: int) -> Iterator[None]:
    """Keep this process on one processor and the child on the same or on another one."""
    usable = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(child.pid, {usable[:processors][-1]})
    os.sched_setaffinity(0, {usable[0]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, usable)
        os.sched_setaffinity(child.pid, usable)


def bare_trips(child: ChildProcess, channel: socket.socket, processors: int) -> float:
    """Return the seconds of one round trip of a header's worth of bytes."""
    with pinned(child, processors):
        return _bare_trips(channel)


def frame_trips(worker: Worker, processors: int) -> float:
    """Return the seconds of one round trip of an empty frame."""
    with pinned(worker.child, processors):
        return _frame_trips(worker)


def _bare_trips(channel: socket.socket) -> float:
    message, memory = bytes(HEADER.size), bytearray(4096)
    start = time.perf_counter()
    for _ in range(TRIPS):
        channel.send(message)
        channel.recv_into(memory)
    return (time.perf_counter() - start) / TRIPS


def _frame_trips(worker: Worker) -> float:
    start = time.perf_counter()
    for number in range(TRIPS):
        worker.queue(FrameKind.TASK, number)
        worker.flush()
        worker.receive()
    return (time.perf_counter() - start) / TRIPS


def task_trips(worker: Worker) -> float:
    """Return the seconds of one empty task, two processors: encode, there, run, back."""
    with pinned(worker.child, 2):
        return _task_trips(worker)


def _task_trips(worker: Worker) -> float:
    start = time.perf_counter()
    for number in range(TRIPS):
        worker.queue(FrameKind.TASK, number, encode((abs, (-1,), {})))
        worker.flush()
        worker.receive()
    return (time.perf_counter() - start) / TRIPS


# -- large buffers -----------------------------------------------------------------------------


def fresh_memfd(data: bytearray) -> float:
    """Return the seconds of writing data into a fresh memfd."""
    fd = os.memfd_create("benchmark")
    start = time.perf_counter()
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    seconds = time.perf_counter() - start
    os.close(fd)
    return seconds


def to_worker(worker: Worker, data: bytearray, pool: SegmentPool | None) -> float:
    """Return the seconds until a worker has answered what came with a buffer."""
    start = time.perf_counter()
    content = encode((len, (pickle.PickleBuffer(data),), {}))
    if pool is not None:
        content.segment = pool.place(content.buffers, "task")
    worker.queue(FrameKind.TASK, 1, content)
    worker.flush()
    while worker.wants_write:
        worker.flush()
    assert _answer(worker).kind == FrameKind.RESULT
    seconds = time.perf_counter() - start
    if pool is not None and content.segment is not None:
        pool.release(content.segment[0], "task")
    return seconds


def _answer(worker: Worker) -> Frame:
    while True:
        for frame in worker.receive():
            if frame.kind in (FrameKind.RESULT, FrameKind.FAILURE):
                return frame


def _ready(worker: Worker) -> Worker:
    """Wait until a worker that no reactor watches is ready; its socket blocks from then on."""
    worker.socket.setblocking(True)
    while not any(frame.kind == FrameKind.READY for frame in worker.receive()):
        pass
    return worker


# -- descriptors and rest ------------------------------------------------------------------------


def descriptors_per_worker() -> int:
    """Return how many descriptors a worker costs this process."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    worker = start_worker(9)
    count = len(list(Path("/proc/self/fd").iterdir())) - before
    worker.close()
    return count


def _switches(pid: int | str) -> int:
    """Return the voluntary context switches of all threads of a process, but of this one."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        if pid != "self" or int(task.name) != os.getpid():
            text = (task / "status").read_text()
            total += int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return total


def idle_wakeups(seconds: float) -> int:
    """Return the wake-ups of an owner with two idle workers, and of these."""
    answers: list[Event] = []
    reactor = Reactor(answers.extend, lambda error: sys.exit(str(error)))
    reactor.start()
    workers = [start_worker(number) for number in (1, 2)]
    for worker in workers:
        reactor.add(worker)
        worker.queue(FrameKind.TASK, 1, encode((abs, (-1,), {})))
        worker.flush()
    while sum(isinstance(event, FrameArrived) for event in answers) < len(workers):
        time.sleep(0.01)
    time.sleep(0.2)
    processes = ["self", *(worker.child.pid for worker in workers)]
    before = sum(map(_switches, processes))
    time.sleep(seconds)
    wakeups = sum(map(_switches, processes)) - before
    reactor.stop()
    reactor.join()
    return wakeups


# -- the run -------------------------------------------------------------------------------------


def measure(rounds: int) -> dict[str, float]:
    """Return the median seconds of each variant over so many interleaved rounds."""
    bare_child, bare_channel, _bare_claims = _child("echo_bytes")
    child, channel, claims = _child("echo_frames")
    frames = Worker(1, child, channel, claims, None)
    worker = _ready(start_worker(2))
    pool = SegmentPool(lambda _receiver, number: worker_of_segments.forget(number))
    worker_of_segments = _ready(start_worker(3, segments=pool))
    data = bytearray(os.urandom(1 << 20) * (LARGE >> 20))
    variants: dict[str, Callable[[], float]] = {
        "bare ping-pong": lambda: bare_trips(bare_child, bare_channel, 2),
        "empty frame": lambda: frame_trips(frames, 2),
        "bare ping-pong, one processor": lambda: bare_trips(bare_child, bare_channel, 1),
        "empty frame, one processor": lambda: frame_trips(frames, 1),
        "empty task": lambda: task_trips(worker),
        "write(2) into a fresh memfd": lambda: fresh_memfd(data),
        "100 MB to the worker": lambda: to_worker(worker_of_segments, data, pool),
        "100 MB to the worker, by stream": lambda: to_worker(worker, data, None),
    }
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds + 2):
        for name, variant in variants.items():
            seconds[name].append(variant())
    for each in (frames, worker, worker_of_segments):
        each.close()
    bare_child.close()
    bare_channel.close()
    pool.close()
    medians = {name: statistics.median(values[2:]) for name, values in seconds.items()}
    return {**medians, "100 MB to the worker, first": seconds["100 MB to the worker"][0]}


ROWS = [  # measure, what it is compared with, the ratio to reach
    ("bare ping-pong", "", None),
    ("empty frame", "bare ping-pong", 1.3),
    ("empty task", "bare ping-pong", None),
    ("bare ping-pong, one processor", "", None),
    ("empty frame, one processor", "bare ping-pong, one processor", None),
    ("write(2) into a fresh memfd", "", None),
    ("100 MB to the worker", "write(2) into a fresh memfd", 1.5),
    ("100 MB to the worker, first", "write(2) into a fresh memfd", None),
    ("100 MB to the worker, by stream", "write(2) into a fresh memfd", None),
]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9, help="rounds that count (default 9)")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    figures = measure(options.rounds)
    figures["descriptors per worker"] = descriptors_per_worker()
    figures["idle wake-ups"] = idle_wakeups(IDLE_SECONDS)
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    for name, base, target in ROWS:
        line = f"{name:<34} {figures[name] * 1e6:10.1f} us"
        if base:
            line += f"  {figures[name] / figures[base]:5.2f} x {base}"
        print(line + (f"  (target {target})" if target else ""))
    print(f"{'descriptors per worker':<34} {figures['descriptors per worker']:10}  (target 6)")
    print(f"{f'idle wake-ups in {IDLE_SECONDS:g} s':<34} {figures['idle wake-ups']:10}  (target 0)")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
