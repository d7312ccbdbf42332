#!/usr/bin/env python3
"""A storm: threads do everything at once, at random, and every task must be accounted for.

    python scripts/storm.py --minutes 30 [--seed SEED] [--threads 6]

Tasks of all sizes that return, raise, crash, hang or cannot be pickled; callbacks, cancels, kills
of tasks and of random workers, SIGSTOP, SIGINT, resizes, `map`, forks of this process, and
executors that are shut down in every way, or dropped, while others use them.

It fails (exit code 1) if a task, a callback or a shutdown does not end within --patience seconds
(then with the stacks of all threads), if the sum of the endings is not the number of tasks
submitted, if a task ends in a way or with a value that it must not, or if a process, thread or
descriptor is left at the end. The seed repeats the choices of each thread, not their timing.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import random
import signal
import sys
import time
import warnings
from pathlib import Path

from storm_threads import Storm, Thrower, inside

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from support.leaks import Snapshot, leaked_since  # found by the line above

_TICK = 0.5  # seconds between two looks at the threads
_REPORT_EVERY = 60.0


def main() -> int:
    """Run a storm as the command line says; return the exit code."""
    options = _options()
    warnings.simplefilter(
        "ignore", DeprecationWarning
    )  # fork in a process with threads: on purpose
    faulthandler.register(signal.SIGALRM, chain=True)  # a fork that hangs shows where
    print(f"seed {options.seed}, {options.minutes:g} minutes, pid {os.getpid()}", flush=True)
    before = Snapshot.take()
    storm = Storm(options.seed, options.minutes * 60, options.patience)
    throwers = [Thrower(storm, number) for number in range(options.threads)]
    for thrower in throwers:
        thrower.start()
    _watch(storm, throwers)
    _end(storm, throwers)
    left = leaked_since(before, patience=20)
    return _verdict(storm, left, options.seed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, required=True, help="how long to go on")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--threads", type=int, default=6)
    parser.add_argument("--patience", type=float, default=300.0, help="seconds until it is a hang")
    return parser.parse_args()


def _watch(storm: Storm, throwers: list[Thrower]) -> None:
    """Wait for all threads to end; end the program with all stacks if one hangs."""
    started = reported = time.monotonic()
    while not all(thrower.over for thrower in throwers):
        # If not even this thread can run:
        faulthandler.dump_traceback_later(3 * storm.patience, exit=True)
        time.sleep(_TICK)
        now = time.monotonic()
        for thrower in throwers:
            # What waits with a timeout says itself that it did in vain.
            if not thrower.over and now - thrower.since > 1.5 * storm.patience:
                _hang(f"{thrower.name} hangs in {thrower.doing}", storm)
        if storm.hung:
            _hang(storm.hung, storm)
        if now - reported >= _REPORT_EVERY:
            reported = now
            _report(storm, now - started)


def _end(storm: Storm, throwers: list[Thrower]) -> None:
    """Shut everything down and wait for what is owed."""
    faulthandler.dump_traceback_later(3 * storm.patience, exit=True)
    while storm.executors:
        storm.executors.pop().shutdown()
    deadline = time.monotonic() + storm.patience
    while storm.called < storm.owed:  # callbacks of executors that nobody waited for
        if time.monotonic() > deadline:
            _hang(f"{storm.owed} callbacks are owed, {storm.called} were called", storm)
        time.sleep(0.01)
    for thrower in throwers:
        thrower.settle(None)
    storm.recent.clear()
    faulthandler.cancel_dump_traceback_later()


def _hang(what: str, storm: Storm) -> None:
    """Say what hangs and where, and end this process at once."""
    print(f"HANG, seed {storm.seed}: {what}", flush=True)
    for executor in storm.executors:
        print(inside(executor), flush=True)
    faulthandler.dump_traceback(all_threads=True)
    os._exit(1)


def _report(storm: Storm, seconds: float) -> None:
    """Print one line on how it goes."""
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    print(
        f"{seconds:6.0f} s: {storm.submitted:,} tasks, {len(storm.problems)} problems, "
        f"{resident / 1e6:.0f} MB, {descriptors} descriptors",
        flush=True,
    )


def _verdict(storm: Storm, left: list[str], seed: int) -> int:
    """Print the figures; return the exit code."""
    ended = sum(storm.endings.values())
    print(f"seed {seed}: {storm.submitted:,} tasks submitted, {ended:,} ended:")
    for how, count in storm.endings.most_common():
        print(f"  {count:>9,} {how}")
    print(f"{storm.owed:,} callbacks owed, {storm.called:,} called; actions:")
    print("  " + ", ".join(f"{count:,} {name}" for name, count in storm.actions.most_common()))
    for line in left:
        storm.complain(f"left behind: {line}")
    if ended != storm.submitted:
        storm.complain(f"{storm.submitted - ended} tasks are not accounted for")
    if storm.called != storm.owed:
        storm.complain(f"{storm.owed - storm.called} callbacks are not accounted for")
    failed = bool(storm.problems)
    print("failed" if failed else "nothing lost, nothing left, nothing hung", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
