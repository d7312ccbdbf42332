"""What is measured of whom, which numbers come out, and what DESIGN section 7 asks of them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Metric(NamedTuple):
    """One number of a measure.

    Attributes:
        key: its name in the results.
        title: what it is, for a reader.
        unit: of the number, after scaling.
        scale: what the raw number is multiplied with.
        less: whether less is better.
    """

    key: str
    title: str
    unit: str
    scale: float = 1.0
    less: bool = True


class Measure(NamedTuple):
    """One probe, its argument, who takes part, and what it yields.

    Attributes:
        key: its name in the results.
        probe: the function of `probes`, or "first_result".
        argument: a size or a count.
        contenders: who takes part; the reason for those left out is `absent`.
        metrics: the numbers.
        timeout: seconds after which a run counts as failed.
        absent: why the others do not take part.
        fewer: smaller arguments for those that need minutes; the numbers are rates.
    """

    key: str
    probe: str
    argument: int
    contenders: tuple[str, ...]
    metrics: tuple[Metric, ...]
    timeout: float = 60.0
    absent: str = ""
    fewer: Mapping[str, int] = MappingProxyType({})


# Those in the targets: they have all their rounds before the others have a second one.
CORE = frozenset({"bare", "bare-one", "ours", "loky", "joblib", "ray", "cf-spawn"})
SUBMITTING = (
    "ours", "loky", "cf-spawn", "cf-forkserver", "pebble", "deadpool", "mpire", "ray", "dask",
)  # fmt: skip
EVERYBODY = (*SUBMITTING, "joblib")
LARGE = 100_000_000
FEWER = {"ray": 2000, "dask": 2000}
FEW = "Ray and dask were given 2,000 of them: they need half a minute for 20,000."
NO_SUBMIT = "joblib has no `submit`."

MEASURES = (
    Measure(
        "round_trip", "round_trip", 2000, ("bare", "bare-one", *EVERYBODY),
        (Metric("us", "Empty task, round trip, warm", "us"),),
    ),
    Measure(
        "submit", "submit_many", 20_000, SUBMITTING,
        (
            Metric("submitted_per_s", "20,000 empty tasks: the submit loop", "tasks/s", 1, False),
            Metric("done_per_s", "20,000 empty tasks: until all are done", "tasks/s", 1, False),
        ),
        absent=f"{NO_SUBMIT} {FEW}",
        fewer=FEWER,
    ),
    Measure(
        "map", "map_many", 20_000, EVERYBODY,
        (Metric("items_per_s", "`map` of 20,000 items, default arguments", "items/s", 1, False),),
        absent=FEW,
        fewer=FEWER,
    ),
    Measure(
        "first_result", "first_result", 0, ("bare", *EVERYBODY),
        (
            Metric("seconds", "First result from nothing, import included", "ms", 1e3),
            Metric("exit_s", "The same until the program has ended", "ms", 1e3),
        ),
    ),
    Measure(
        "array_trip", "array_trip", LARGE, EVERYBODY,
        (
            Metric("seconds", "100 MB array there and back", "ms", 1e3),
            Metric("first_s", "100 MB array there and back, first time", "ms", 1e3),
        ),
    ),
    Measure(
        "array_argument", "array_argument", LARGE,
        ("ours", "loky", "cf-spawn", "mpire", "joblib", "ray"),
        (Metric("seconds", "The same 100 MB array as argument of 50 tasks", "s"),),
        90,
        absent="Those left out pickle each argument anew, as Python does; each run takes longer.",
    ),
    Measure(
        "array_handle", "array_handle", LARGE, ("ours", "ray", "dask"),
        (Metric("seconds", "The same by a shared handle, placing it included", "s"),),
        absent="Only ours (`share`), Ray (`put`) and dask (`scatter`) have such handles.",
    ),
    Measure(
        "pending", "pending", 100_000, ("ours", "loky", "cf-spawn", "pebble", "mpire"),
        (
            Metric("total_us_per_task", "100,000 pending tasks: submit and run, per task", "us"),
            Metric("bytes_per_task", "100,000 pending tasks: parent memory, each", "bytes"),
        ),
        90,
        absent=(
            f"{NO_SUBMIT} deadpool's `submit` blocks while 1,000 tasks wait. Ray and dask would "
            "need minutes, see the rate above; Python with forkserver is as with spawn."
        ),
    ),
    Measure(
        "pending_million", "pending", 1_000_000, ("ours",),
        (
            Metric("total_us_per_task", "1,000,000 pending tasks: submit and run, per task", "us"),
            Metric("bytes_per_task", "1,000,000 pending tasks: parent memory, each", "bytes"),
        ),
        180,
        absent="The others need minutes for it.",
    ),
    Measure(
        "crash", "crash", 0, EVERYBODY,
        (
            Metric("error_s", "Crash of a worker: until the error is in hand", "ms", 1e3),
            Metric("next_s", "Crash of a worker: until the next good result", "ms", 1e3),
        ),
    ),
    Measure(
        "idle", "idle", 0, EVERYBODY,
        (
            Metric("worker_mb", "Idle worker, unique memory", "MB"),
            Metric("extra", "Processes beyond the two workers", "processes"),
        ),
    ),
    Measure(
        "mixed", "mixed", 5000, ("ours", "loky", "cf-spawn", "pebble", "mpire", "joblib"),
        (Metric("ratio", "One task of 5 s among 10,000 of 100 us: makespan / ideal", "x"),),
        absent="Left out: those that the rates above show to need longer for the 10,000 alone.",
    ),
)  # fmt: skip


class Target(NamedTuple):
    """One comparison: a number of ours against a limit that is a multiple of somebody's.

    Attributes:
        measure, metric: which number.
        against: whose number, or "" for a limit that is absolute.
        factor: the limit, as a multiple of theirs.
        at_most: whether ours has to stay below the limit, or reach it.
    """

    measure: str
    metric: str
    against: str
    factor: float
    at_most: bool = True


TARGETS = (
    Target("round_trip", "us", "loky", 0.25),
    Target("round_trip", "us", "bare", 2.5),
    Target("submit", "submitted_per_s", "loky", 20, at_most=False),
    Target("submit", "done_per_s", "loky", 20, at_most=False),
    Target("map", "items_per_s", "joblib", 2, at_most=False),
    Target("map", "items_per_s", "loky", 40, at_most=False),
    Target("first_result", "seconds", "loky", 0.35),
    Target("first_result", "seconds", "bare", 3),
    Target("array_trip", "seconds", "loky", 1 / 12),
    Target("array_trip", "seconds", "ray", 1 / 2),
    Target("array_argument", "seconds", "loky", 1 / 20),
    Target("array_handle", "seconds", "ray", 1),
    Target("pending_million", "bytes_per_task", "", 1500),
    Target("crash", "error_s", "loky", 0.1),
    Target("crash", "next_s", "loky", 0.3),
    Target("idle", "worker_mb", "loky", 0.5),
    Target("idle", "extra", "", 0),
    Target("mixed", "ratio", "", 1.1),
)

_FIRST = "from {0} import {1}\npool = {1}({2})\nassert pool.submit(abs, -1).result() == 1\n"
_TOLD = "import os; os.write(1, b'x')\n"
_MAIN = "import multiprocessing as m\n"
_STANDARD = "concurrent.futures", "ProcessPoolExecutor"
SNIPPETS = {
    "bare": _TOLD,
    "ours": _FIRST.format("loky", "get_reusable_executor", "2") + _TOLD,
    "loky": _FIRST.format("loky", "get_reusable_executor", "2") + _TOLD,
    "cf-spawn": _MAIN + _FIRST.format(*_STANDARD, "2, mp_context=m.get_context('spawn')") + _TOLD,
    "cf-forkserver": (
        _MAIN + _FIRST.format(*_STANDARD, "2, mp_context=m.get_context('forkserver')") + _TOLD
    ),
    "pebble": (
        _MAIN
        + "from pebble import ProcessPool\n"
        + "pool = ProcessPool(max_workers=2, context=m.get_context('spawn'))\n"
        + "assert pool.submit(abs, None, -1).result() == 1\n"
        + _TOLD
        + "pool.close(); pool.join()\n"
    ),
    "deadpool": _FIRST.format("deadpool", "Deadpool", "2") + _TOLD + "pool.shutdown()\n",
    "mpire": (
        "from mpire import WorkerPool\npool = WorkerPool(n_jobs=2, start_method='spawn')\n"
        "assert pool.apply(abs, (-1,)) == 1\n" + _TOLD + "pool.stop_and_join()\n"
    ),
    "joblib": (
        "from joblib import Parallel, delayed\n"
        "assert Parallel(n_jobs=2)([delayed(abs)(-1)]) == [1]\n" + _TOLD
    ),
    "ray": (
        "import ray\n"
        "ray.init(num_cpus=2, include_dashboard=False, logging_level='ERROR')\n"
        "assert ray.get(ray.remote(lambda: 1).remote()) == 1\n" + _TOLD
    ),
    "dask": (
        "from distributed import Client\n"
        "pool = Client(n_workers=2, threads_per_worker=1, dashboard_address=None)\n"
        "assert pool.submit(abs, -1).result() == 1\n" + _TOLD + "pool.shutdown()\n"
    ),
}

GROWTH = {
    "pending": (
        ("ours", "loky"), (1_000, 10_000, 100_000, 1_000_000), "total_us_per_task",
        "Pending tasks: cost of each, submit and run", "pending tasks", "us per task",
    ),
    "memory": (
        ("ours", "loky"), (1_000, 10_000, 100_000, 1_000_000), "bytes_per_task",
        "Pending tasks: memory of each in the parent", "pending tasks", "bytes per task",
    ),
    "growth_workers": (
        ("ours", "loky"), (1, 2, 4, 8, 16, 32, 64), "seconds",
        "Workers started at once: seconds until all have run a task", "workers", "s",
    ),
    "growth_payload": (
        ("ours", "loky"), tuple(10**k for k in range(10)), "us",
        "Payload there and back", "bytes", "us",
    ),
}  # fmt: skip
