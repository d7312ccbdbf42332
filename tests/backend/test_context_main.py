"""The contexts and the main module: programs run as a user runs them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

PATIENCE = 60.0


def output_of(program: str, folder: Path, *words: str) -> list[str]:
    """Run a program; return the lines it printed."""
    script = folder / "program.py"
    script.write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script, *words],
        capture_output=True,
        check=False,
        text=True,
        timeout=PATIENCE,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout.splitlines()


MAIN_FUNCTION = """
import sys
from loky_backend import get_context
print("main module runs as", __name__, flush=True)
class Word:
    def __init__(self, text): self.text = text
def say(word, more):
    print(__name__, word.text, more(2), flush=True)
if __name__ == "__main__":
    context = get_context(sys.argv[1])
    process = context.Process(target=say, args=(Word("hello"), lambda n: n * 21))
    process.start()
    process.join()
"""


def test_loky_sends_the_main_module_by_value(tmp_path: Path) -> None:
    """With `loky`, functions and objects of a script work and the script is not run again."""
    expected = ["main module runs as __main__", "__main__ hello 42"]
    assert output_of(MAIN_FUNCTION, tmp_path, "loky") == expected


def test_loky_init_main_runs_the_main_module(tmp_path: Path) -> None:
    """With `loky_init_main`, the child runs the script under another name, as `spawn` does."""
    program = MAIN_FUNCTION.replace("lambda n: n * 21", "int")
    expected = ["main module runs as __main__", "main module runs as __mp_main__"]
    assert output_of(program, tmp_path, "loky_init_main") == [*expected, "__mp_main__ hello 2"]


def test_loky_needs_no_guard(tmp_path: Path) -> None:
    """A script without ``if __name__ == "__main__"`` works with `loky`."""
    program = """
from loky_backend import get_context
process = get_context("loky").Process(target=lambda: print("in the child"))
process.start()
process.join()
print(process.exitcode)
"""
    assert output_of(program, tmp_path) == ["in the child", "0"]


@pytest.mark.parametrize("method", ["loky", "loky_init_main"])
def test_set_start_method(tmp_path: Path, method: str) -> None:
    """`multiprocessing.set_start_method` makes it the default, in the children as well."""
    program = """
import multiprocessing, sys
import loky_backend
loky_backend.get_context()
def answer(queue):
    queue.put(multiprocessing.get_start_method())
if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    queue = multiprocessing.SimpleQueue()
    process = multiprocessing.Process(target=answer, args=(queue,))
    process.start()
    print(queue.get(), multiprocessing.get_start_method())
    process.join()
"""
    assert output_of(program, tmp_path, method) == [f"{method} {method}"]


def test_the_end_of_the_program_waits_for_processes(tmp_path: Path) -> None:
    """At exit a process is waited for, unless it is a daemon, whatever was imported first."""
    program = """
import multiprocessing.util
from loky_backend import get_context
context = get_context()
def linger(connection):
    connection.recv()
    print("finished", flush=True)
def hang():
    import time
    time.sleep(1000)
ours, theirs = context.Pipe()
context.Process(target=linger, args=(theirs,)).start()
context.Process(target=hang, daemon=True).start()
print("main ends", flush=True)
import atexit
atexit.register(ours.send, "go")
"""
    assert output_of(program, tmp_path) == ["main ends", "finished"]


def test_importing_starts_and_patches_nothing(tmp_path: Path) -> None:
    """The import adds two names to those `multiprocessing` knows, and changes nothing else."""
    program = """
import copyreg, multiprocessing, threading
from multiprocessing import context, reduction, spawn
import multiprocessing.connection, multiprocessing.managers, multiprocessing.pool
import psutil
modules = [multiprocessing, context, reduction, spawn, multiprocessing.process]
def photograph():
    classes = [value for module in modules for value in vars(module).values()
               if type(value) is type]
    state = {(module.__name__, name): id(value) for module in modules
             for name, value in vars(module).items()}
    for kind in classes:
        state |= {(kind.__qualname__, name): id(value) for name, value in vars(kind).items()
                  if not name.startswith("__") and name != "_abc_data"}
    return state, set(copyreg.dispatch_table), multiprocessing.get_start_method(allow_none=True)
before = photograph()
from loky_backend import get_context
get_context()
print(photograph() == before, threading.active_count(), psutil.Process().children())
"""
    assert output_of(program, tmp_path) == ["True 1 []"]
