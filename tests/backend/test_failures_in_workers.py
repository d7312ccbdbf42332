"""A task that fails in any way fails alone: the worker answers, and the next task runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from loky_backend import DecodingError, EncodingError, FrameArrived, RemoteTraceback
from support import backend_tasks as tasks
from support import still_clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.backend_owner import Owner


@pytest.mark.parametrize(
    ("fail", "arguments", "kind", "words"),
    [
        (tasks.fail_with, (KeyError("x"),), KeyError, "KeyError: 'x'"),
        (tasks.fail_two_arguments, (), DecodingError, "TwoArgumentsError: nothing at here"),
        (tasks.exit_with, (3,), SystemExit, "SystemExit: 3"),
        (tasks.fail_with, (KeyboardInterrupt(),), KeyboardInterrupt, "KeyboardInterrupt"),
        (tasks.fail_with_note, (), ValueError, "ValueError: noted"),
        (tasks.echo, (tasks.Poison(),), LookupError, "LookupError: this cannot be rebuilt"),
        (tasks.lock, (), EncodingError, "cannot pickle"),
        (tasks.Poison, (), LookupError, "cannot be rebuilt"),
    ],
)
def test_a_failure_is_an_answer(
    owner: Owner,
    fail: Callable[..., object],
    arguments: tuple[object, ...],
    kind: type[BaseException],
    words: str,
) -> None:
    """The exception arrives with the worker's traceback; the worker goes on."""
    worker = owner.ready()
    error = owner.error(owner.send(worker, fail, *arguments))
    if fail is not tasks.Poison:  # that one fails where the result is decoded, here
        assert isinstance(error.__cause__, RemoteTraceback)
        assert words in str(error.__cause__)
    assert type(error) is kind
    assert owner.run(worker, tasks.echo, "next") == "next"


@pytest.mark.parametrize("how", [ValueError, SystemExit])
@pytest.mark.parametrize("where", ["__str__", "__repr__", "__reduce__"])
def test_hostile_exceptions_end_no_worker(
    owner: Owner, where: str, how: type[BaseException]
) -> None:
    """An exception whose methods raise or exit is an answer, too."""
    worker = owner.ready()
    error = owner.error(owner.send(worker, tasks.fail_hostile, where, how))
    assert "HostileError" in f"{type(error).__name__} {error.__cause__}"
    assert owner.run(worker, tasks.echo, "next") == "next"


@pytest.mark.parametrize(
    ("fail", "arguments", "times"),
    [
        (tasks.echo, (still_clock.UnpickledSlowly(),), (3, 0, 0)),
        (still_clock.advance_and_fail, (3.0,), (0, 3, 0)),
        (still_clock.PickledSlowly, (), (0, 0, 3)),
    ],
)
def test_the_time_is_that_of_the_stage_that_failed(
    owner: Owner,
    fail: Callable[..., object],
    arguments: tuple[object, ...],
    times: tuple[float, float, float],
) -> None:
    """Unpickling, running or pickling, also where the clock shows no time for the others."""
    worker = owner.ready((still_clock.time_tasks_by_it,))
    task = owner.send(worker, fail, *arguments)
    told = owner.wait_for(lambda e: isinstance(e, FrameArrived) and e.frame.task == task)
    assert told.frame.times == times


def test_notes_come_from_the_worker(owner: Owner) -> None:
    """Notes stand on the exception as they did there."""
    error = owner.error(owner.send(owner.ready(), tasks.fail_with_note))
    assert error.__notes__ == ["first note", "second note"]


def test_a_module_that_only_the_parent_has(
    owner: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that the worker cannot import fails with the import's own error and traceback."""
    worker = owner.ready()
    (tmp_path / "only_here.py").write_text("def task():\n    return 1\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    import only_here  # type: ignore[import-not-found]

    error = owner.error(owner.send(worker, only_here.task))
    del sys.modules["only_here"]
    assert type(error) is ModuleNotFoundError
    assert "only_here" in str(error)
    assert "ModuleNotFoundError" in str(error.__cause__)
    assert owner.run(worker, tasks.echo, "next") == "next"


def test_one_bad_task_in_a_batch(owner: Owner) -> None:
    """The tasks around one that cannot be decoded are answered."""
    worker = owner.ready()
    before = owner.send(worker, tasks.echo, 1, claim=True)
    bad = owner.send(worker, tasks.echo, tasks.Poison(), claim=True)
    after = owner.send(worker, tasks.echo, 2, claim=True)
    assert (owner.answer(before), owner.answer(after)) == (1, 2)
    assert type(owner.error(bad)) is LookupError


def test_odd_notes_end_no_worker(owner: Owner) -> None:
    """An exception with notes that are no list is an answer."""
    worker = owner.ready()
    task = owner.send(worker, tasks.fail_with_odd_notes)
    owner.stop(worker)
    owner.death(worker)
    assert [event.frame.task for event in owner.told(worker)[1:-1]] == [task]


def test_a_task_that_used_up_all_descriptors_can_fail(owner: Owner) -> None:
    """An error such as "Too many open files" is a failure like any other, the first one, too."""
    worker = owner.ready()
    owner.run(worker, tasks.use_up_descriptors)
    task = owner.send(worker, tasks.fail_with, OSError(24, "Too many open files"))
    owner.send(worker, tasks.give_descriptors_back)
    owner.stop(worker)
    owner.death(worker)
    answered = [event.frame.task for event in owner.told(worker)[1:-1]]
    assert task in answered
