"""Rule 9: a worker that runs plain functions imports nothing it does not need."""

from __future__ import annotations

from loky_executor import ProcessPoolExecutor
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
