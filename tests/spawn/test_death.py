"""How a parent learns that a child is dead, and what it can still do with it."""

from __future__ import annotations

import os
import select
import signal
import threading
from multiprocessing.connection import wait as wait_for_objects

import pytest

import loky_spawn
from support.executor_waiting import eventually
from support.spawn_tools import (
    ENTRIES,
    PATIENCE,
    child_pids,
    open_descriptors,
    output_of,
    read_all,
    read_line,
    running,
    wait_until_gone,
)


def test_exit_codes(without: str) -> None:
    """The exit code is the entry's, or minus the signal."""
    with running("leave", payload=b"7") as (child, _):
        assert child.wait(PATIENCE)
        assert child.exitcode == 7
    with running("sleep") as (child, channel):
        assert channel.recv(1) == b"!"
        assert (child.poll(), child.exitcode, child.wait(0.01)) == (False, None, False)
        child.terminate()
        assert child.wait(PATIENCE)
        assert child.exitcode == -signal.SIGTERM
    assert (child.poll(), child.wait(), child.exitcode) == (True, True, -signal.SIGTERM)


def test_a_kill_cannot_be_ignored(without: str) -> None:
    """A child that ignores SIGTERM ends by `kill`."""
    with running("ignore_sigterm") as (child, channel):
        assert channel.recv(1) == b"!"
        child.terminate()
        assert not child.wait(0.01)
        child.kill()
        assert child.wait(PATIENCE)
        assert child.exitcode == -signal.SIGKILL


def test_sentinel_tells_of_the_death(without: str) -> None:
    """The sentinel is ready once the child is dead, for `select` and for `multiprocessing`."""
    with running("sleep") as (child, channel):
        assert channel.recv(1) == b"!"
        assert select.select([child.sentinel], [], [], 0)[0] == []
        child.kill()
        assert wait_for_objects([child.sentinel], PATIENCE) == [child.sentinel]
        assert child.poll()


def test_a_grandchild_that_holds_everything_hides_no_death(without: str) -> None:
    """Death is noticed although what the child started holds every descriptor it had."""
    with running("parent_of_sleepers", payload=b"return") as (child, channel):
        pids = [int(pid) for pid in read_line(channel).split()]
        assert select.select([child.sentinel], [], [], PATIENCE)[0]
        assert child.wait(PATIENCE)
        assert child.exitcode == 0
        assert select.select([channel], [], [], 0)[0] == []  # no end of the stream: it is held open
    assert wait_until_gone(pids, PATIENCE) == []


_REAPED_ELSEWHERE = """
    import os, signal, time
    from support.spawn_tools import running
    {before}
    with running("sleep") as (child, channel):
        assert channel.recv(1) == b"!"
        assert not child.poll() and child.exitcode is None
        os.kill(child.pid, 9)
        {after}
        print(child.wait(60), child.poll(), child.exitcode)
        child.kill(), child.terminate(), child.kill_tree(), child.check(0)
    print(child.wait(0), child.exitcode)
    """


@pytest.mark.slow
@pytest.mark.parametrize("lacking", ["", "pidfd", "pidfd,memfd,setsig"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "assert os.waitpid(-1, 0)[0] == child.pid"),
        ("signal.signal(signal.SIGCHLD, signal.SIG_IGN)", ""),
    ],
    ids=["waitpid(-1)", "SIGCHLD ignored"],
)
def test_a_child_that_somebody_else_reaped(lacking: str, before: str, after: str) -> None:
    """It is dead, its exit code is None, nothing hangs, and no method raises."""
    script = _REAPED_ELSEWHERE.format(before=before, after=after)
    expected = "True True None\nTrue None\n"
    assert output_of(script, env={"LOKY_WITHOUT": lacking}) == expected


@pytest.mark.slow
@pytest.mark.parametrize("lacking", ["", "pidfd"])
def test_a_loop_that_reaps_everything(lacking: str) -> None:
    """A thread that reaps all children of the process leaves every `wait` in order."""
    script = """
        import os, threading
        import loky_spawn
        stop = threading.Event()
        def reap():
            while not stop.is_set():
                try:
                    os.waitpid(-1, 0)
                except ChildProcessError:
                    stop.wait(0.0001)
        thread = threading.Thread(target=reap)
        thread.start()
        codes = set()
        for _ in range(20):
            with loky_spawn.spawn("support.spawn_entries:nothing") as child:
                assert child.wait(60) and child.poll()
                codes.add(child.exitcode)
        stop.set()
        thread.join()
        print(codes <= {0, None})
        """
    assert output_of(script, env={"LOKY_WITHOUT": lacking}) == "True\n"


def test_no_signal_goes_to_a_number_that_is_free_again(
    without: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the child was reaped, neither its number nor its group's is signalled."""
    with running("leave", payload=b"0") as (child, _):
        os.waitpid(child.pid, 0)
        sent: list[tuple[int, int]] = []
        monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
        monkeypatch.setattr(os, "killpg", lambda pid, number: sent.append((pid, number)))
        child.kill()
        child.terminate()
        child.kill_tree()
        child.send_signal(signal.SIGINT)
        child.close()
        monkeypatch.undo()
    assert sent == []


def test_a_dead_child_keeps_its_number_until_it_is_closed() -> None:
    """Looking at a dead child does not reap it, so that its group can still be killed."""
    with running("nothing") as (child, _):
        assert child.wait(PATIENCE)
        assert child.pid in child_pids()
    assert child.pid not in child_pids()


def test_waiting_in_one_thread_and_closing_in_another(without: str) -> None:
    """A thread that waits for a child is woken when another thread closes it."""
    for _ in range(2):
        with running("sleep") as (child, channel):
            assert channel.recv(1) == b"!"
            answers: list[bool] = []
            threads = [
                threading.Thread(target=_append_wait, args=(child, answers)) for _ in range(3)
            ]
            for thread in threads:
                thread.start()
            child.close()
            for thread in threads:
                thread.join(PATIENCE)
            assert answers == [True, True, True]


def _append_wait(child: loky_spawn.ChildProcess, answers: list[bool]) -> None:
    answers.append(child.wait())


def test_a_child_that_nobody_holds_ends() -> None:
    """When the last reference goes, so does the child, without a warning."""
    with running("sleep") as (first, _):
        before = open_descriptors()
        child = loky_spawn.spawn(f"{ENTRIES}:nothing")
        pid = child.pid
        del child
        assert wait_until_gone([pid], PATIENCE) == []
        assert first.poll() is False
    with running("nothing"):  # a start reaps those that nobody waited for
        assert pid not in child_pids()
    assert open_descriptors() <= before


def test_a_child_that_was_let_go_of_counts_as_dead() -> None:
    """What the interpreter's exit does to it; who still looks at it must not look for ever."""
    with running("sleep") as (child, channel):
        assert channel.recv(1) == b"!"
        child._finalizer()
        assert (child.poll(), child.wait(), child.wait(0)) == (True, True, True)
        assert channel.recv(1) == b""

    def reaped() -> bool:
        with running("leave", payload=b"0") as (other, _):  # who starts the next one reaps it
            assert other.wait(PATIENCE)
        return child.pid not in child_pids()

    assert eventually(reaped)


def test_very_long_timeouts(without: str) -> None:
    """A timeout beyond what poll(2) can express waits like one without end."""
    with running("nothing") as (child, _):
        assert child.wait(1e12)


def test_a_failed_entry_leaves_its_traceback(
    without: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """`check` raises with the child's traceback, which is on standard error as well."""
    with running("fail", payload=b"a clear reason") as (child, _):
        with pytest.raises(loky_spawn.ChildFailedError, match="a clear reason") as caught:
            child.check(PATIENCE)
        assert child.report().startswith(b"call\nTraceback")
    assert (caught.value.stage, caught.value.exitcode) == ("call", 1)
    assert "ValueError: a clear reason" in caught.value.traceback
    assert "a clear reason" in capfd.readouterr().err


def test_check_has_a_timeout_and_knows_other_ends() -> None:
    """`check` raises TimeoutError for a child that runs, and the exit code of one that left."""
    with running("sleep") as (child, channel):
        assert channel.recv(1) == b"!"
        with pytest.raises(TimeoutError):
            child.check(0.01)
        child.kill()
        with pytest.raises(loky_spawn.ChildFailedError, match="exit code -9") as caught:
            child.check(PATIENCE)
        assert caught.value.stage == "exit"


def test_the_report_is_for_the_child_to_write() -> None:
    """What a child writes into its report file can be read by the parent, and nothing else is."""
    with running("sleep") as (child, channel):
        assert channel.recv(1) == b"!"
        assert child.report() == b""
    source = b"import os; os.write(handover.report, b'last words'); os.kill(os.getpid(), 9)"
    with running("run", payload=source) as (child, channel):
        assert read_all(channel) == b""
        assert child.wait(PATIENCE)
        assert child.report() == b"last words"
    assert child.report() == b""


def test_repr_says_how_it_is() -> None:
    """The repr names the child, its entry and its state."""
    with running("leave", payload=b"3", name="worker 5") as (child, _):
        assert child.wait(PATIENCE)
        text = f"<ChildProcess worker 5 pid={child.pid} {ENTRIES}:leave (dead, exit code 3)>"
        assert repr(child) == text
    with running("sleep") as (child, channel):
        assert channel.recv(1) == b"!"
        assert repr(child).endswith(f"child-{child.pid} pid={child.pid} {ENTRIES}:sleep (running)>")


def test_a_signal_handler_may_kill_the_child() -> None:
    """A handler that kills the child while the same thread looks at it does not deadlock."""
    script = """
        import signal
        from support.spawn_tools import running
        with running("sleep") as (child, channel):
            def strike(number, frame):
                child.kill()
            signal.signal(signal.SIGALRM, strike)
            signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0001)
            while not child.poll():
                pass
            signal.setitimer(signal.ITIMER_REAL, 0)
            print(child.exitcode)
        """
    assert output_of(script) == "-9\n"
