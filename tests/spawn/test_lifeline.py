"""A child ends with its parent, however the parent ends; a copy of the parent holds nothing."""

from __future__ import annotations

import os
import signal
import time

import pytest

from support.interpreter import HAS_GIL
from support.spawn_tools import PATIENCE, output_of, parent, running, wait_until_gone

_PARENT = """
    import os, time
    from support.spawn_tools import running
    with running({entry!r}) as (child, channel):
        assert channel.recv(1) == b"!"
        print(child.pid, flush=True)
        {then}
    """
_SECOND = 1.0


def _pid_of_a_grandchild(entry: str, then: str, lacking: str) -> tuple[int, float]:
    """Start a parent, end it as told, and return the pid of its child and when it was ended."""
    script = _PARENT.format(entry=entry, then=then)
    with parent(script, env={"LOKY_WITHOUT": lacking}) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        if then.startswith("time"):
            process.kill()
        process.wait(PATIENCE)
        return pid, time.monotonic()


@pytest.mark.slow
@pytest.mark.parametrize("entry", ["sleep", "compute", "read_for_ever", "hold_the_gil"])
@pytest.mark.parametrize("lacking", ["", "pidfd", "setsig", "pidfd,memfd,setsig"])
def test_a_child_dies_within_a_second_of_its_parent(entry: str, lacking: str) -> None:
    """Asleep, computing or in a C call: SIGKILL of the parent ends it."""
    if entry == "hold_the_gil" and "setsig" in lacking and HAS_GIL:
        pytest.skip("without F_SETSIG a thread of the child watches, and that needs the GIL")
    pid, _ = _pid_of_a_grandchild(entry, "time.sleep(3600)", lacking)
    assert wait_until_gone([pid], _SECOND) == []


@pytest.mark.slow
@pytest.mark.parametrize("end", ["os._exit(0)", "os.abort()", "os.execv('/bin/true', ['true'])"])
def test_other_ends_of_a_parent(end: str) -> None:
    """A parent that exits without cleaning up, crashes or becomes another program is as dead."""
    pid, _ = _pid_of_a_grandchild("hold_the_gil", end, "")
    assert wait_until_gone([pid], _SECOND) == []


@pytest.mark.slow
@pytest.mark.parametrize("lacking", ["", "setsig"])
def test_what_the_child_started_dies_too(lacking: str) -> None:
    """Grandchildren in the child's process group end with it when the parent is killed."""
    script = """
        import time
        from support.spawn_tools import read_line, running
        with running("parent_of_sleepers") as (child, channel):
            print(child.pid, read_line(channel).decode(), flush=True)
            time.sleep(3600)
        """
    with parent(script, env={"LOKY_WITHOUT": lacking}) as process:
        assert process.stdout is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        process.kill()
        process.wait(PATIENCE)
    assert len(pids) == 5
    assert wait_until_gone(pids, _SECOND) == []


@pytest.mark.slow
@pytest.mark.parametrize("lacking", ["", "setsig"])
def test_a_fork_of_the_parent_keeps_no_child_alive(lacking: str) -> None:
    """A copy of the parent made by `os.fork` lives on; the child does not."""
    script = """
        import os, time
        from support.spawn_tools import running
        with running("sleep") as (child, channel):
            assert channel.recv(1) == b"!"
            copy = os.fork()
            if copy == 0:
                time.sleep(3600)
            print(child.pid, copy, flush=True)
            time.sleep(3600)
        """
    with parent(script, env={"LOKY_WITHOUT": lacking}) as process:
        assert process.stdout is not None
        pid, copy = map(int, process.stdout.readline().split())
        process.kill()
        process.wait(PATIENCE)
        assert wait_until_gone([pid], _SECOND) == []
        os.kill(copy, signal.SIGKILL)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # fork with threads: the point here
def test_a_fork_of_the_parent_cannot_touch_the_child() -> None:
    """In a copy of the parent every method returns at once and does nothing to the child."""
    with running("sleep") as (child, channel):
        assert channel.recv(1) == b"!"
        copy = os.fork()
        if copy == 0:
            child.kill()
            child.kill_tree()
            answers = (child.poll(), child.wait(), child.exitcode, child.report())
            child.close()
            os._exit(0 if answers == (False, False, None, b"") else 1)
        assert os.waitpid(copy, 0)[1] == 0
        assert not child.poll()
        channel.settimeout(None)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # fork with threads: the point here
def test_a_fork_while_another_thread_holds_the_lock() -> None:
    """A copy made at the moment another thread looked at the child does not hang on its lock."""
    with running("sleep") as (child, channel):
        assert channel.recv(1) == b"!"
        lock = child._handle._lock
        import threading

        held, done = threading.Event(), threading.Event()

        def hold() -> None:
            with lock:
                held.set()
                done.wait(PATIENCE)

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(PATIENCE)
        copy = os.fork()
        if copy == 0:
            signal.alarm(30)
            child.poll()
            child.close()
            os._exit(0)
        done.set()
        thread.join()
        assert os.waitpid(copy, 0)[1] == 0


def test_an_interrupt_reaches_the_parent_alone() -> None:
    """Ctrl-C at the terminal goes to the parent's process group; the child has its own."""
    with running("sleep") as (child, channel):
        assert channel.recv(1) == b"!"
        assert os.getpgid(child.pid) == child.pid
    with running("sleep", new_group=False) as (child, channel):
        assert channel.recv(1) == b"!"
        assert os.getpgid(child.pid) == os.getpgrp()


@pytest.mark.slow
def test_an_interrupt_at_any_moment() -> None:
    """A Ctrl-C in the middle of `spawn` or `close` raises in the parent, and leaves nothing."""
    script = """
        import gc, os, signal
        import loky_spawn
        from support.spawn_tools import child_pids, open_descriptors
        def start_and_end():
            with loky_spawn.spawn("support.spawn_entries:nothing"):
                pass
        start_and_end()
        before = open_descriptors()
        armed = False
        def interrupt(number, frame):
            global armed
            if armed:  # once, and only where it is caught
                armed = False
                raise KeyboardInterrupt
        signal.signal(signal.SIGINT, interrupt)
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
        struck = 0
        for number in range(300):
            signal.setitimer(signal.ITIMER_REAL, 0.000_05 + number * 0.000_02)
            try:
                armed = True
                start_and_end()
                armed = False
            except KeyboardInterrupt:
                struck += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
        gc.collect()
        while child_pids():
            start_and_end()  # reaps those that were killed without a wait
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        print(struck > 0, mask, open_descriptors() - before, child_pids())
        """
    assert output_of(script) == "True set() 0 []\n"
