"""`share`: one copy in sealed memory, mapped once per worker, freed with the last who needs it."""

from __future__ import annotations

import errno
import gc
import os
import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from loky_executor import (
    PicklingError,
    ProcessPoolExecutor,
    SharedMemoryError,
    TerminatedWorkerError,
)
from support import shared_tasks as tasks
from support.executor_waiting import eventually

if TYPE_CHECKING:
    from support.executor_gate import Gate

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="memfd is a thing of Linux")


def array_of(count: int = 100_000) -> np.ndarray:
    """Return an array that is worth sharing."""
    return np.arange(count, dtype=np.float64)


def shared_descriptors() -> list[int]:
    """Return the descriptors of shared memory in this process."""
    found = []
    for entry in list(Path("/proc/self/fd").iterdir()):
        try:
            target = str(entry.readlink())
        except FileNotFoundError:
            continue  # it was closed meanwhile
        if "loky-shared" in target:
            found.append(int(entry.name))
    return found


def test_a_shared_array_arrives_read_only(executor: ProcessPoolExecutor) -> None:
    """Tasks read it by `get`; they cannot change what others read."""
    array = array_of()
    total, writeable, _ = executor.submit(tasks.look, executor.share(array)).result()
    assert (total, writeable) == (array.sum(), False)


def test_later_changes_are_not_seen(executor: ProcessPoolExecutor) -> None:
    """What is shared is the object as it was."""
    array = array_of()
    before = float(array.sum())
    handle = executor.share(array)
    array[:] = 0
    assert executor.submit(tasks.look, handle).result()[0] == before
    assert float(handle.get().sum()) == before


@ON_LINUX
def test_it_is_mapped_once_per_worker(single: ProcessPoolExecutor) -> None:
    """However many tasks name it, a worker has one mapping and one object."""
    handle = single.share(array_of())
    seen = {single.submit(tasks.same_object, handle).result() for _ in range(5)}
    assert len(seen) == 1
    assert single.submit(tasks.mapped).result() == 1


@ON_LINUX
def test_a_task_with_a_handle_is_small(executor: ProcessPoolExecutor) -> None:
    """The price is a name, not the object."""
    handle = executor.share(array_of(1_000_000))
    executor.submit(tasks.look, handle).result()
    before = executor.stats().bytes_sent
    executor.submit(tasks.look, handle).result()
    assert executor.stats().bytes_sent - before < 1000


@ON_LINUX
def test_the_last_handle_frees_it_everywhere(single: ProcessPoolExecutor) -> None:
    """Without a handle the descriptor is closed here, and the mapping in the worker is gone."""
    handle = single.share(array_of())
    single.submit(tasks.look, handle).result()
    assert len(shared_descriptors()) == 1
    del handle
    gc.collect()
    assert shared_descriptors() == []
    assert single.submit(tasks.mapped).result() == 0


@ON_LINUX
def test_closing_a_handle_frees_it(executor: ProcessPoolExecutor) -> None:
    """`close` and `with` do not wait for the garbage collector."""
    with executor.share(array_of()) as handle:
        assert len(shared_descriptors()) == 1
    assert shared_descriptors() == []
    assert handle.closed
    assert repr(handle) == "<Shared closed>"
    with pytest.raises(ValueError, match="closed"):
        handle.get()


def test_a_closed_handle_fails_the_task_that_names_it(executor: ProcessPoolExecutor) -> None:
    """And no other."""
    handle = executor.share(array_of())
    handle.close()
    with pytest.raises(ValueError, match="closed"):
        executor.submit(tasks.look, handle).result()
    assert executor.submit(abs, -1).result() == 1


def test_a_task_that_waits_holds_the_memory(single: ProcessPoolExecutor, gate: Gate) -> None:
    """The user may let go of the handle as soon as the task is submitted."""
    array = array_of()
    first = single.submit(tasks.look_behind_gate, gate.port, single.share(array))
    second = single.submit(tasks.look, single.share(array))
    gc.collect()
    gate.arrivals()
    gate.open()
    assert (first.result(), second.result()[0]) == (array.sum(), array.sum())


@ON_LINUX
def test_a_cancelled_task_lets_go(single: ProcessPoolExecutor, gate: Gate) -> None:
    """What never runs holds nothing."""
    blocker = single.submit(tasks.pass_gate, gate.port)
    gate.arrivals()
    future = single.submit(tasks.look, single.share(array_of()))
    assert future.cancel()
    gate.open()
    blocker.result()
    gc.collect()
    assert eventually(lambda: shared_descriptors() == [])


def test_in_map_and_deep_in_arguments(executor: ProcessPoolExecutor) -> None:
    """Handles may sit anywhere, several of them."""
    handles = {"all": [executor.share(bytes(50_000)), executor.share(bytearray(20))]}
    assert list(executor.map(tasks.size_in_whole_list, [handles] * 4)) == [50_020] * 4


@pytest.mark.parametrize("value", [7, "x" * 100_000, {"a": [1, 2]}, None], ids=type)
def test_any_object_can_be_shared(executor: ProcessPoolExecutor, value: object) -> None:
    """Not only arrays, and not only large things."""
    assert executor.share(value).get() == value
    assert executor.submit(lambda handle: handle.get(), executor.share(value)).result() == value


def test_closures_can_be_shared(executor: ProcessPoolExecutor) -> None:
    """What needs cloudpickle is pickled by it, once."""
    factor = 3
    handle = executor.share(lambda x: x * factor)
    assert list(executor.map(lambda x: handle.get()(x) + 1, range(3))) == [1, 4, 7]


def test_what_cannot_be_pickled_is_refused_at_once(executor: ProcessPoolExecutor) -> None:
    """The error comes from `share`, with the path to the culprit."""
    with pytest.raises(PicklingError, match=r"lock"):
        executor.share({"a": [__import__("threading").Lock()]})


def test_a_handle_may_come_back(executor: ProcessPoolExecutor) -> None:
    """As a result it names the memory that is here already."""
    handle = executor.share(array_of())
    back = executor.submit(tasks.give_back, handle).result()
    assert back.get() is handle.get()


def test_it_can_be_passed_on_to_nested_workers(executor: ProcessPoolExecutor) -> None:
    """A worker is a sharer, too."""
    array = array_of()
    total, writeable, _ = executor.submit(tasks.pass_on, executor.share(array)).result()
    assert (total, writeable) == (array.sum(), False)


@ON_LINUX
@pytest.mark.faults
def test_a_worker_that_dies_with_it_harms_nobody() -> None:
    """Its mapping goes with it; the next worker opens the memory again."""
    array = array_of()
    with ProcessPoolExecutor(1, on_crash="isolate") as executor:
        handle = executor.share(array)
        with pytest.raises(TerminatedWorkerError):
            executor.submit(tasks.die_holding, handle).result()
        assert executor.submit(tasks.look, handle).result()[0] == array.sum()
        del handle
        gc.collect()
        assert shared_descriptors() == []


@ON_LINUX
def test_two_executors_share_it() -> None:
    """A handle belongs to the process, not to one executor, and both let their workers unmap it."""
    with ProcessPoolExecutor(1) as one, ProcessPoolExecutor(1) as other:
        handle = one.share(array_of())
        assert (
            one.submit(tasks.look, handle).result()[:2]
            == other.submit(tasks.look, handle).result()[:2]
        )
        handle.close()
        assert one.submit(tasks.mapped).result() == other.submit(tasks.mapped).result() == 0


@ON_LINUX
def test_nobody_can_write_to_it(executor: ProcessPoolExecutor) -> None:
    """The memory is sealed: not even its owner can change or cut it."""
    handle = executor.share(array_of())
    (fd,) = shared_descriptors()
    with pytest.raises(PermissionError):
        os.pwrite(fd, b"x", 0)
    with pytest.raises(PermissionError):
        os.ftruncate(fd, 1)
    handle.close()


def test_a_handle_pickled_by_hand_is_a_copy(executor: ProcessPoolExecutor) -> None:
    """Nobody holds the memory for bytes that lie anywhere."""
    handle = executor.share(array_of())
    data = pickle.dumps(handle, protocol=5)
    assert len(data) > 800_000
    handle.close()
    assert float(pickle.loads(data).get().sum()) == float(array_of().sum())


@ON_LINUX
def test_without_memfd_tasks_carry_a_copy(
    executor: ProcessPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slower service, the same result."""

    def refuse(*_: object) -> int:
        raise OSError(errno.EMFILE, "no descriptor is left")

    array = array_of()
    with monkeypatch.context() as patch:
        patch.setattr(os, "memfd_create", refuse)
        handle = executor.share(array)
    assert shared_descriptors() == []
    assert executor.submit(tasks.look, handle).result()[:2] == (array.sum(), False)


@ON_LINUX
def test_memory_that_is_gone_fails_that_task_alone(executor: ProcessPoolExecutor) -> None:
    """A handle whose sharer is gone says so where it is opened."""
    from loky_backend import _sharing

    with pytest.raises(SharedMemoryError, match="cannot be opened"):
        _sharing._arrive((1, 1, False), [8], (os.getpid(), 1 << 20, 1))
    with pytest.raises(SharedMemoryError, match="is gone"):
        _sharing._arrive((1, 1, False), [8], (os.getpid(), 0, -1))
