"""Rule 9: nothing is imported that is not needed, in workers and where they are started."""

from __future__ import annotations

from loky_executor import ProcessPoolExecutor
from support.executor_scripts import run_code
from support.loaded_modules import loaded_modules

NOT_NEEDED = {
    "cloudpickle",
    "concurrent.futures",
    "logging",
    "multiprocessing",
    "numpy",
    "psutil",
}


def test_a_worker_that_ran_plain_functions_imported_nothing_heavy() -> None:
    """After functions found by name, a worker has loaded none of the modules that cost most."""
    with ProcessPoolExecutor(1) as executor:
        assert executor.submit(pow, 2, 10).result(timeout=60) == 1024
        assert list(executor.map(abs, [-1, -2])) == [1, 2]
        loaded = executor.submit(loaded_modules).result(timeout=60)
    assert sorted(NOT_NEEDED.intersection(loaded)) == []


def test_making_an_executor_imports_nothing_heavy() -> None:
    """What the standard library's own parts do not bring is not brought by ours."""
    printed = run_code(
        """
        import concurrent.futures.thread, selectors, socket, subprocess, sys, typing
        before = {*sys.modules}
        import loky_executor
        loky_executor.ProcessPoolExecutor(1).shutdown()
        print(sorted({"dataclasses", "inspect", "numpy", "psutil"} & ({*sys.modules} - before)))
        """
    )
    assert printed.strip() == "[]"
