"""What remains when the program ends: nothing, after everything was done."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.executor_scripts import run_code, run_script, start_code
from support.executor_waiting import all_gone

if TYPE_CHECKING:
    from pathlib import Path

HELLO = "examples/hello.py"


@pytest.mark.slow
def test_the_interpreter_waits_for_queued_tasks(tmp_path: Path) -> None:
    """Every task that was submitted has its effect, though nobody asked for a result."""
    program = f"""
        from pathlib import Path
        from loky import ProcessPoolExecutor
        executor = ProcessPoolExecutor(2)
        for number in range(30):
            executor.submit(Path({str(tmp_path)!r}, f"{{number}}.txt").touch)
    """
    assert run_code(program) == ""
    assert len(list(tmp_path.glob("*.txt"))) == 30


@pytest.mark.slow
def test_exit_with_a_reusable_executor(tmp_path: Path) -> None:
    """The same for the executor that is kept for the whole program."""
    program = f"""
        from pathlib import Path
        from loky import get_reusable_executor
        for number in range(30):
            path = Path({str(tmp_path)!r}, f"{{number}}.txt")
            get_reusable_executor(2, timeout=100).submit(path.touch)
    """
    assert run_script(tmp_path, program) == ""
    assert len(list(tmp_path.glob("*.txt"))) == 30


@pytest.mark.slow
def test_exit_runs_the_callbacks_that_are_owed() -> None:
    """A callback of the last task is called before the program ends."""
    program = """
        from loky import ProcessPoolExecutor
        ProcessPoolExecutor(1).submit(abs, -7).add_done_callback(
            lambda future: print(future.result(), flush=True)
        )
    """
    assert run_code(program) == "7\n"


@pytest.mark.slow
def test_exit_callbacks_that_run_too_early() -> None:
    """`viztracer program.py` runs them itself, with the main thread alive: workers end in peace."""
    program = """
        import atexit, time
        from loky_executor import ProcessPoolExecutor
        atexit.register(print, "then the others")
        executor = ProcessPoolExecutor(1, initializer=atexit.register, initargs=(print, "worker"))
        future = executor.submit(time.sleep, 0.1)
        atexit._run_exitfuncs()
        print(future.result(0), executor.workers())
    """
    assert run_code(program) == "worker\nthen the others\nNone []\n"


@pytest.mark.slow
def test_exit_while_workers_start() -> None:
    """A program that ends at once ends in order."""
    program = """
        from loky import ProcessPoolExecutor
        executor = ProcessPoolExecutor(4)
        futures = [executor.submit(abs, 1) for _ in range(4)]
    """
    assert run_code(program) == ""


@pytest.mark.slow
def test_exit_by_an_exception() -> None:
    """A program that fails reports its error, once, and does not hang."""
    program = "from loky import ProcessPoolExecutor as P; P(1).submit(abs, 1); raise SystemExit(7)"
    done = subprocess.run([sys.executable, "-c", program], timeout=20, check=False)
    assert done.returncode == 7


@pytest.mark.slow
def test_exit_after_a_crash() -> None:
    """A program whose pool broke ends in order."""
    program = """
        import os
        from loky import ProcessPoolExecutor
        executor = ProcessPoolExecutor(2)
        print(type(executor.submit(os._exit, 1).exception()).__name__)
    """
    assert run_code(program) == "TerminatedWorkerError\n"


@pytest.mark.slow
@pytest.mark.parametrize("task", ["time.sleep, 60", "sum, range(10**12)"])
def test_workers_do_not_survive_their_parent(task: str) -> None:
    """SIGKILL of the parent: all workers are gone within a second, whatever they do."""
    program = f"""
        import os, threading, time
        from loky import ProcessPoolExecutor
        executor = ProcessPoolExecutor(2)
        pids = set()
        while len(pids) < 2:
            pids |= set(executor.map(lambda _: (time.sleep(0.01), os.getpid())[1], range(4)))
        executor.submit({task})
        while "1 busy" not in repr(executor):
            time.sleep(0.001)
        print(*pids, flush=True)
        threading.Event().wait()
    """
    with start_code(program) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        parent.kill()
    assert len(pids) == 2
    assert all_gone(pids, within=1)


@pytest.mark.slow
def test_the_published_example(request: pytest.FixtureRequest) -> None:
    """`examples/hello.py`: four distinct workers, and none of them left 3 seconds after."""
    words = [sys.executable, str(request.config.rootpath / HELLO)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    told = re.findall(r"Hello from (\d+) with arg \d+", done.stdout)
    pids = {int(pid) for pid in told}
    assert (len(told), len(pids)) == (51, 4), done.stdout
    assert os.getpid() not in pids
    assert all_gone(pids, within=3)


def test_no_thread_imports_what_a_forked_copy_would_need() -> None:
    """Slow imports are done when `submit` returns, not by a thread that a fork cannot see."""
    program = """
    import sys
    from loky_executor import ProcessPoolExecutor

    executor = ProcessPoolExecutor(1)
    future = executor.submit(abs, -1)
    print([name in sys.modules for name in ("psutil", "loky_executor._verdict")])
    future.result()
    executor.shutdown()
    """
    assert run_code(program) == "[True, True]\n"
