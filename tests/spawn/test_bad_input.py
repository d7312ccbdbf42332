"""Mistakes of the caller: a typed error that names the value, and nothing left behind."""

from __future__ import annotations

import copy
import pickle
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import loky_spawn
from support.spawn_tools import (
    ENTRIES,
    PATIENCE,
    child_pids,
    holdings_become,
    open_descriptors,
    output_of,
    running,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTHING = f"{ENTRIES}:nothing"


def _closed_socket() -> socket.socket:
    ours, its = socket.socketpair()
    ours.close()
    its.close()
    return its


WRONG_CALLS: tuple[tuple[type[Exception], str, dict[str, Any]], ...] = (
    (loky_spawn.EntryError, "'no colon'", {"entry": "no colon"}),
    (loky_spawn.EntryError, "'module:'", {"entry": "module:"}),
    (loky_spawn.EntryError, "':function'", {"entry": ":function"}),
    (loky_spawn.EntryError, "'a b:c'", {"entry": "a b:c"}),
    (loky_spawn.EntryError, "5", {"entry": 5}),
    (loky_spawn.HandoverError, "payload: .*str: 'text'", {"payload": "text"}),
    (loky_spawn.HandoverError, "payload: .*bytearray", {"payload": bytearray(5)}),
    (loky_spawn.HandoverError, r"payload: .*\.\.\. \(1002 char", {"payload": "x" * 1000}),
    (loky_spawn.HandoverError, r"channels\[0\]: .*5", {"channels": [5]}),
    (loky_spawn.HandoverError, r"channels\[0\]: is closed: <socket", {"channels": "closed"}),
    (loky_spawn.HandoverError, "channels: .*5", {"channels": 5}),
    (loky_spawn.HandoverError, r"pass_fds\[0\]: 99999 is not open", {"pass_fds": [99999]}),
    (loky_spawn.HandoverError, r"pass_fds\[0\]: 'x'", {"pass_fds": ["x"]}),
    (loky_spawn.HandoverError, r"pass_fds\[0\]: 1 is a standard", {"pass_fds": [1]}),
    (loky_spawn.HandoverError, "env: 'a=b'", {"env": {"a=b": "c"}}),
    (loky_spawn.HandoverError, "env: ''", {"env": {"": "c"}}),
    (loky_spawn.HandoverError, "env: 5", {"env": {5: "c"}}),
    (loky_spawn.HandoverError, "env: NAME .* 5", {"env": {"NAME": 5}}),
    (loky_spawn.HandoverError, "env: NAME", {"env": {"NAME": "a\0b"}}),
    (loky_spawn.HandoverError, "env: .*'text'", {"env": "text"}),
    (loky_spawn.HandoverError, "cwd: .*5", {"cwd": 5}),
    (loky_spawn.HandoverError, "cwd: .*NUL", {"cwd": "/a\0b"}),
    (loky_spawn.WorkingDirectoryError, "cwd='/no/such/folder'", {"cwd": "/no/such/folder"}),
    (loky_spawn.WorkingDirectoryError, "cwd='/dev/null'.*Not a dir", {"cwd": "/dev/null"}),
    (loky_spawn.HandoverError, "python: .*5", {"python": 5.5}),
    (loky_spawn.InterpreterError, "'/no/such/python'", {"python": "/no/such/python"}),
    (loky_spawn.InterpreterError, "''", {"python": ""}),
)


@pytest.mark.parametrize(("error", "message", "wrong"), WRONG_CALLS)
def test_a_wrong_call(error: type[Exception], message: str, wrong: dict[str, Any]) -> None:
    """The error has its own type, names the value, and can be pickled with its facts."""
    call = {"entry": NOTHING, **wrong}
    if call.get("channels") == "closed":
        call["channels"] = [_closed_socket()]
    with pytest.raises(error, match=message) as caught:
        loky_spawn.spawn(**call)
    assert isinstance(caught.value, loky_spawn.SpawnError)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again), vars(again)) == (error, str(caught.value), vars(caught.value))
    assert getattr(again, "errno", None) == getattr(caught.value, "errno", None)


def test_errors_are_what_users_catch_already() -> None:
    """Each error is also the standard one of its kind."""
    assert issubclass(loky_spawn.InterpreterError, OSError)
    assert issubclass(loky_spawn.WorkingDirectoryError, OSError)
    assert issubclass(loky_spawn.EntryError, ValueError)
    assert issubclass(loky_spawn.HandoverError, TypeError)
    assert issubclass(loky_spawn.ChildFailedError, RuntimeError)


@pytest.mark.parametrize(
    ("entry", "stage", "message"),
    [
        ("no_such_module:run", "import", "No module named 'no_such_module'"),
        (f"{ENTRIES}:no_such_function", "import", "no_such_function"),
        (f"{ENTRIES}:fail", "call", "failed on purpose"),
        (f"{ENTRIES}:PATIENCE.x", "import", "PATIENCE"),
    ],
)
def test_an_entry_that_fails(entry: str, stage: str, message: str) -> None:
    """An entry that cannot be imported, or raises, is named with its traceback by `check`."""
    with (
        loky_spawn.spawn(entry) as child,
        pytest.raises(loky_spawn.ChildFailedError, match=message) as caught,
    ):
        child.check(PATIENCE)
    facts = (caught.value.entry, caught.value.stage, caught.value.pid, caught.value.exitcode)
    assert facts == (entry, stage, child.pid, 1)
    assert vars(copy.copy(caught.value)) == vars(caught.value)


def _failing_calls(missing: Path) -> Iterator[dict[str, Any]]:
    locked = missing.with_name("not_executable")
    locked.write_text("")
    while True:
        yield {"entry": "no colon"}
        yield {"entry": NOTHING, "payload": "text"}
        yield {"entry": NOTHING, "channels": [_closed_socket()]}
        yield {"entry": NOTHING, "cwd": str(missing)}
        yield {"entry": NOTHING, "env": {"a=b": "c"}}
        yield {"entry": NOTHING, "python": str(missing)}
        yield {"entry": NOTHING, "python": str(locked)}


@pytest.mark.slow
def test_five_hundred_failures_leak_nothing(without: str, tmp_path: Path) -> None:
    """After 500 failures there are as many descriptors and processes as before."""
    with running("nothing"):
        pass
    before = (open_descriptors(), child_pids())
    calls = _failing_calls(tmp_path / "missing")
    for _ in range(500):
        with pytest.raises(loky_spawn.SpawnError):
            loky_spawn.spawn(**next(calls))
    assert holdings_become(before)


@pytest.mark.slow
def test_failing_children_leak_nothing() -> None:
    """Entries that cannot be imported or raise leave nothing once the child is closed."""
    with running("nothing"):
        pass
    before = (open_descriptors(), child_pids())
    for entry in ["no_such_module:run", f"{ENTRIES}:fail"] * 15:
        with loky_spawn.spawn(entry) as child, pytest.raises(loky_spawn.ChildFailedError):
            child.check(PATIENCE)
    assert holdings_become(before)


@pytest.mark.slow
@pytest.mark.parametrize("lacking", ["", "pidfd", "memfd", "setsig", "pidfd,memfd,setsig"])
def test_no_descriptors_left_at_any_step(lacking: str) -> None:
    """Whichever step finds no free descriptor: a typed error, and nothing is left behind."""
    script = f"""
        import errno, os, resource
        import loky_spawn
        from support.spawn_tools import holdings_become, open_descriptors
        def attempt():
            payload = b"x" * 100_000  # too much for a pipe: a thread has to feed it
            with loky_spawn.spawn("{NOTHING}", payload=payload) as child:
                child.check(60)
        attempt()
        before = open_descriptors()
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        refused = 0
        for limit in range(before + 1, before + 30):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            try:
                attempt()
                fine = True
            except loky_spawn.InterpreterError as error:
                assert error.errno == errno.EMFILE and "ulimit" in str(error), error
                refused += 1
                fine = False
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            assert holdings_become((before, [])), (limit, fine)
        print(fine, refused > 5)
        """
    assert output_of(script, env={"LOKY_WITHOUT": lacking}) == "True True\n"


@pytest.mark.parametrize("lacking", ["pidfd", "memfd"])
def test_no_thread_left(lacking: str) -> None:
    """Where a thread is needed and none can be started: a typed error, and nothing is left."""
    script = f"""
        import threading
        import loky_spawn
        from support.spawn_tools import holdings_become, open_descriptors
        def refuse(self):
            raise RuntimeError("can't start new thread")
        with loky_spawn.spawn("{NOTHING}") as child:
            child.check(60)
        before = open_descriptors()
        threading.Thread.start = refuse
        try:
            loky_spawn.spawn("{NOTHING}", payload=b"x" * 100_000)
        except loky_spawn.InterpreterError as error:
            print(error.errno == 11, holdings_become((before, [])))
        """
    assert output_of(script, env={"LOKY_WITHOUT": lacking}) == "True True\n"


def test_the_environment_may_be_too_large() -> None:
    """An environment that the system refuses is named as the cause."""
    with pytest.raises(loky_spawn.InterpreterError, match="environment"):
        loky_spawn.spawn(NOTHING, env={"HUGE": "x" * 4_000_000})


def test_secrets_are_not_on_the_command_line() -> None:
    """Neither the payload nor the environment shows in what other users can see."""
    secrets: dict[str, Any] = {"payload": b"secret payload", "env": {"TOKEN": "secret token"}}
    with running("sleep", **secrets) as (child, channel):
        assert channel.recv(1) == b"!"
        assert b"secret" not in Path(f"/proc/{child.pid}/cmdline").read_bytes()


def test_a_payload_over_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A payload that cannot travel is refused with its size."""
    monkeypatch.setattr("loky_spawn._order._PAYLOAD_LIMIT", 10)
    with pytest.raises(loky_spawn.HandoverError, match="11 bytes"):
        loky_spawn.spawn(NOTHING, payload=b"x" * 11)


def test_unknown_capability() -> None:
    """A capability that nobody knows is a mistake of ours, and says so."""
    from loky_spawn import _capabilities

    with pytest.raises(KeyError):
        _capabilities.has("teleport")
    assert {"pidfd", "memfd", "setsig", "kqueue"} <= set(_capabilities.NAMES)
