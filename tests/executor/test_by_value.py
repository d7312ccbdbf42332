"""Functions and classes defined anywhere, in every way a program can be started."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.executor_scripts import run_code, run_script, run_stdin

if TYPE_CHECKING:
    from pathlib import Path

    from loky_executor import ProcessPoolExecutor

PROGRAM = """
    import os
    from loky import get_reusable_executor

    class Point:
        def __init__(self, x, y):
            self.x, self.y = x, y

        def mirrored(self):
            return Point(self.y, self.x)

    class PointError(Exception):
        pass

    def mirror(point):
        assert isinstance(point, Point)
        return point.mirrored()

    def complain(point):
        raise PointError(point.x)

    offset = 10
    executor = get_reusable_executor(max_workers=2, timeout=2)
    result = executor.submit(mirror, Point(1, 2)).result()
    assert type(result) is Point, type(result)
    assert (result.x, result.y) == (2, 1)
    error = executor.submit(complain, Point(7, 8)).exception()
    assert type(error) is PointError, type(error)
    assert error.args == (7,)
    assert executor.submit(lambda: offset + 1).result() == 11
    assert executor.submit(os.getpid).result() != os.getpid()
    print("fine")
"""


@pytest.mark.slow
def test_a_script_without_a_main_guard(tmp_path: Path) -> None:
    """A plain script's own classes travel both ways and are the script's classes again."""
    assert run_script(tmp_path, PROGRAM) == "fine\n"


@pytest.mark.slow
def test_python_dash_c() -> None:
    """The same program works as `python -c`."""
    assert run_code(PROGRAM) == "fine\n"


@pytest.mark.slow
def test_standard_input() -> None:
    """The same program works when the interpreter reads it from standard input."""
    assert run_stdin(PROGRAM) == "fine\n"


@pytest.mark.slow
def test_ipython(tmp_path: Path) -> None:
    """The same program works in IPython."""
    pytest.importorskip("IPython", reason="IPython is not installed")
    path = tmp_path / "program.ipy"
    path.write_text("\n".join(line[4:] for line in PROGRAM.splitlines()), encoding="utf-8")
    settings = ["--quick", "--no-banner", "--no-confirm-exit", "--HistoryManager.enabled=False"]
    done = subprocess.run(
        [sys.executable, "-m", "IPython", *settings, f"--ipython-dir={tmp_path}", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr


@pytest.mark.slow
def test_a_script_that_is_a_module(tmp_path: Path) -> None:
    """A program with a module beside it: the worker finds that module too."""
    (tmp_path / "beside.py").write_text("def double(x):\n    return 2 * x\n", encoding="utf-8")
    program = """
        from beside import double
        from loky import ProcessPoolExecutor
        with ProcessPoolExecutor(1) as executor:
            print(executor.submit(double, 21).result())
    """
    assert run_script(tmp_path, program) == "42\n"


def test_a_lambda(single: ProcessPoolExecutor) -> None:
    """A lambda is a task like any other."""
    assert single.submit(lambda number: number + 1, 41).result() == 42


def test_a_closure(single: ProcessPoolExecutor) -> None:
    """A function brings what it closes over."""
    factor = 6

    def multiply(number: int) -> int:
        return factor * number

    assert single.submit(multiply, 7).result() == 42


def test_a_local_class_comes_back_as_itself(single: ProcessPoolExecutor) -> None:
    """An instance of a local class comes back as an instance of that very class."""

    class Box:
        def __init__(self, content: object) -> None:
            self.content = content

    box = single.submit(lambda given: Box([given.content]), Box(3)).result()
    assert type(box) is Box
    assert box.content == [3]


def test_a_function_comes_back(single: ProcessPoolExecutor) -> None:
    """A result may be a function that only exists in the worker."""
    add_five = single.submit(lambda: lambda number: number + 5).result()
    assert add_five(37) == 42


def test_a_bound_method_and_keywords(single: ProcessPoolExecutor) -> None:
    """Methods of objects are tasks, and keywords arrive, also those named like our own."""
    assert single.submit("a-b-c".split, "-", maxsplit=1).result() == ["a", "b-c"]
    assert single.submit(dict, fn=1, self=2, timeout=3).result() == {
        "fn": 1,
        "self": 2,
        "timeout": 3,
    }


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 65_535, 65_536, 5_000_000])
def test_bytes_of_any_size_there_and_back(single: ProcessPoolExecutor, size: int) -> None:
    """Arguments and results of any size arrive whole."""
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    assert single.submit(lambda given: given[::-1], data).result() == data[::-1]
