"""One face for every pool: `submit`, `result`, `map`, `share`, `renew`, `close`.

Only what each project documents is used, with its defaults, but for the number of workers and two
things: pools that would fork on Linux are told to spawn, as forking a program with threads is
unsafe; and what tries a crashed task again is told not to.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

from suite import tasks


class Futures:
    """A pool whose `submit` gives a future: `concurrent.futures` and what follows it."""

    submits = True
    workers_are_children = True
    ends_of_handle = staticmethod(tasks.ends)  # what reads an array that came as a handle

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.pool: Any = self.make()

    def make(self) -> Any:
        """Build the pool."""
        raise NotImplementedError

    def submit(self, fn: Any, *args: Any) -> Any:
        """Start one task."""
        return self.pool.submit(fn, *args)

    def result(self, handle: Any) -> Any:
        """Wait for one task."""
        return handle.result()

    def map(self, fn: Any, items: Any) -> list[Any]:
        """Map with default arguments."""
        return list(self.pool.map(fn, items))

    def share(self, value: Any) -> Any:
        """Place a value once, and return what tasks get instead of it."""
        raise NotImplementedError(f"{type(self).__name__} has no shared handles")

    def renew(self) -> None:
        """Do what a user has to do after a crash before the next task."""
        self.pool = self.make()

    def close(self) -> None:
        """End the pool."""
        self.pool.shutdown()


class Loky(Futures):
    """`get_reusable_executor`: ours or the released one, as the environment has it."""

    def make(self) -> Any:
        """Ask for the reusable executor."""
        from loky import get_reusable_executor

        return get_reusable_executor(max_workers=self.workers)


class Ours(Loky):
    """Ours also has handles."""

    ends_of_handle = staticmethod(tasks.ends_of_shared)

    def share(self, value: Any) -> Any:
        """Place the value in read-only memory."""
        return self.pool.share(value)


class StandardSpawn(Futures):
    """`concurrent.futures.ProcessPoolExecutor`, fresh processes."""

    method = "spawn"

    def make(self) -> Any:
        """Build it with its start method."""
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        return ProcessPoolExecutor(self.workers, mp_context=get_context(self.method))


class StandardForkserver(StandardSpawn):
    """The same with forkserver."""

    method = "forkserver"


class Pebble(Futures):
    """Pebble's `ProcessPool`; it goes on after a crash."""

    def make(self) -> Any:
        """Build it, spawning."""
        from multiprocessing import get_context

        from pebble import ProcessPool

        return ProcessPool(max_workers=self.workers, context=get_context("spawn"))

    def submit(self, fn: Any, *args: Any) -> Any:
        """Start one task; the second argument is its time limit."""
        return self.pool.submit(fn, None, *args)

    def map(self, fn: Any, items: Any) -> list[Any]:
        """Map; the results are in an iterator inside a future."""
        return list(self.pool.map(fn, items).result())

    def renew(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Close and join."""
        self.pool.close()
        self.pool.join()


class Deadpool(Futures):
    """deadpool-executor, with its own start method (forkserver); it goes on after a crash."""

    def make(self) -> Any:
        """Build it."""
        from deadpool import Deadpool as Pool

        return Pool(max_workers=self.workers)

    def renew(self) -> None:
        """Nothing to do."""


class Mpire(Futures):
    """mpire's `WorkerPool`, spawning, kept alive between calls."""

    def make(self) -> Any:
        """Build it."""
        from mpire import WorkerPool

        return WorkerPool(n_jobs=self.workers, start_method="spawn", keep_alive=True)

    def submit(self, fn: Any, *args: Any) -> Any:
        """Start one task."""
        return self.pool.apply_async(fn, args)

    def result(self, handle: Any) -> Any:
        """Wait for one task."""
        return handle.get()

    def close(self) -> None:
        """Stop and join."""
        self.pool.stop_and_join()


class Joblib(Futures):
    """joblib's `Parallel` with its default backend; it has no `submit`."""

    submits = False

    def make(self) -> Any:
        """Build it; workers start with the first call and stay."""
        from joblib import Parallel

        return Parallel(n_jobs=self.workers)

    def submit(self, fn: Any, *args: Any) -> Any:
        """Run one task to its end: there is no other way."""
        from joblib import delayed

        return self.pool([delayed(fn)(*args)])[0]

    def result(self, handle: Any) -> Any:
        """Return what `submit` had."""
        return handle

    def map(self, fn: Any, items: Any) -> list[Any]:
        """Run one call per item."""
        from joblib import delayed

        call = delayed(fn)
        return list(self.pool(call(item) for item in items))

    def close(self) -> None:
        """Leave it to the interpreter's end, as its users do."""


class Ray(Futures):
    """Ray on this machine, without dashboard and without retries."""

    workers_are_children = False

    def make(self) -> Any:
        """Start it."""
        os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0")
        import ray

        self.remote: dict[Any, Any] = {}
        ray.init(
            num_cpus=self.workers,
            include_dashboard=False,
            logging_level="ERROR",
            log_to_driver=False,
        )
        return ray

    def submit(self, fn: Any, *args: Any) -> Any:
        """Start one task."""
        if fn not in self.remote:
            self.remote[fn] = self.pool.remote(max_retries=0)(fn)
        return self.remote[fn].remote(*args)

    def result(self, handle: Any) -> Any:
        """Wait for one task."""
        return self.pool.get(handle)

    def map(self, fn: Any, items: Any) -> list[Any]:
        """Start a task per item, get them all."""
        return list(self.pool.get([self.submit(fn, item) for item in items]))

    def share(self, value: Any) -> Any:
        """Put it into the object store."""
        return self.pool.put(value)

    def renew(self) -> None:
        """Nothing to do."""


class Dask(Futures):
    """dask.distributed on this machine: a process per worker, one thread each, no dashboard."""

    workers_are_children = False

    def make(self) -> Any:
        """Start it."""
        import dask
        from distributed import Client

        dask.config.set({"distributed.scheduler.allowed-failures": 0})
        return Client(
            n_workers=self.workers, threads_per_worker=1, processes=True, dashboard_address=None
        )

    def submit(self, fn: Any, *args: Any) -> Any:
        """Start one task, also when an equal one was seen."""
        return self.pool.submit(fn, *args, pure=False)

    def map(self, fn: Any, items: Any) -> list[Any]:
        """Start a task per item, gather."""
        return list(self.pool.gather(self.pool.map(fn, list(items), pure=False)))

    def share(self, value: Any) -> Any:
        """Scatter to all workers."""
        return self.pool.scatter(value, broadcast=True)

    def renew(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """End client and cluster."""
        self.pool.shutdown()


CONTENDERS: dict[str, type[Futures]] = {
    "ours": Ours,
    "loky": Loky,
    "cf-spawn": StandardSpawn,
    "cf-forkserver": StandardForkserver,
    "pebble": Pebble,
    "deadpool": Deadpool,
    "mpire": Mpire,
    "joblib": Joblib,
    "ray": Ray,
    "dask": Dask,
}

_PACKAGE = {
    "ours": "loky-executor",
    "pebble": "Pebble",
    "deadpool": "deadpool-executor",
    "dask": "distributed",
}


def version(contender: str) -> str:
    """Return the version of what is measured, in the environment that runs this."""
    if contender.startswith("cf-") or contender == "bare":
        return "standard library"
    metadata = importlib.import_module("importlib.metadata")
    try:
        return str(metadata.version(_PACKAGE.get(contender, contender)))
    except metadata.PackageNotFoundError:
        return "not installed: read from the source tree"


def open_pool(contender: str, workers: int) -> Futures:
    """Build a pool and run one task in it."""
    pool = CONTENDERS[contender](workers)
    pool.result(pool.submit(tasks.empty))
    return pool
