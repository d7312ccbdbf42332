"""viztracer: when the program is traced, its workers are. A stand-in with its documented names."""

from __future__ import annotations

import os
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from loky_reusable import get_reusable_executor
from support import executor_tasks as tasks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 30

STAND_IN = """
import os
_current = None

def get_tracer():
    return _current

class VizTracer:
    def __init__(self, **kwargs):
        global _current
        self.init_kwargs = kwargs
        self.enable = False
        _current = self

    def register_exit(self):
        os.environ["STAND_IN_EXIT"] = "registered"

    def start(self):
        self.enable = True
        os.environ["STAND_IN"] = repr(sorted(self.init_kwargs.items()))
"""


@pytest.fixture
def viztracer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Put a stand-in for viztracer where this process and its workers find it."""
    (tmp_path / "viztracer.py").write_text(textwrap.dedent(STAND_IN))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "viztracer", raising=False)
    import viztracer  # type: ignore[import-not-found,unused-ignore]

    yield viztracer
    for name in ("STAND_IN", "STAND_IN_EXIT"):
        os.environ.pop(name, None)
    sys.modules.pop("viztracer", None)


def test_workers_are_traced_like_their_parent(viztracer: object) -> None:
    """With the parent's settings, a file for each process, and the initializer after it."""
    tracer = viztracer.VizTracer(output_file="out.json", min_duration=3)  # type: ignore[attr-defined]
    tracer.enable = True
    executor = get_reusable_executor(1, initializer=tasks.prepare, initargs=(1, 2))
    settings = executor.submit(tasks.environment_value, "STAND_IN").result(SECONDS)
    assert settings is not None
    assert {"output_file": "out.json", "min_duration": 3, "pid_suffix": True}.items() <= dict(
        eval(settings)
    ).items()
    assert executor.submit(tasks.environment_value, "STAND_IN_EXIT").result(SECONDS) == "registered"
    assert executor.submit(tasks.prepared).result(SECONDS) == [(1, 2)]


def test_tracing_that_begins_later_has_an_executor_of_its_own(viztracer: object) -> None:
    """Workers that are not traced are not reused by a program that is; and the other way round."""
    before = get_reusable_executor(1)
    tracer = viztracer.VizTracer()  # type: ignore[attr-defined]
    tracer.enable = True
    during = get_reusable_executor(1)
    assert during is not before
    assert get_reusable_executor(1) is during
    tracer.enable = False
    after = get_reusable_executor(1)
    assert after is not during
    assert (before.traced, during.traced, after.traced) == (False, True, False)
    for executor in (before, during):
        executor.shutdown()


def test_without_viztracer_nothing_is_added() -> None:
    """No initializer, no import."""
    executor = get_reusable_executor(1)
    assert executor.submit(tasks.environment_value, "STAND_IN").result(SECONDS) is None
    assert not executor.traced
