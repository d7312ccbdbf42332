"""One run: a fresh process that measures one thing, with a limit of time, ended with its family."""

from __future__ import annotations

import json
import os
import platform
import select
import signal
import statistics
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from suite.catalog import SNIPPETS

SCRIPT = Path(__file__).resolve().parents[1] / "measure_one.py"


class RunError(Exception):
    """A run gave no number; the message is the reason, in one line."""


def _end(process: subprocess.Popen[Any]) -> None:
    """End a run that is late: first as Ctrl-C would, so that it ends what it started."""
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(5)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run(
    python: str, contender: str, probe: str, argument: int, *, timeout: float, workers: int = 2
) -> dict[str, Any]:
    """Measure once, and return the numbers.

    Raises:
        RunError: it failed, or was not done in time.
    """
    if probe == "first_result":
        return first_result(python, contender, timeout)
    command = [python, str(SCRIPT), contender, probe, str(argument), str(workers)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        _end(process)
        raise RunError(f"not done after {timeout:.0f} s") from None
    except BaseException:
        _end(process)
        raise
    for line in reversed(out.splitlines()):
        if line.startswith("{"):
            numbers: dict[str, Any] = json.loads(line)
            return numbers
    lines = err.strip().splitlines() or [f"exit code {process.returncode}"]
    raise RunError(lines[-1][:160])


def first_result(python: str, contender: str, timeout: float) -> dict[str, float]:
    """Start a bare program, wait for the byte that it writes when it has a result."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [python, "-c", SNIPPETS[contender]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    if process.stdout is None:
        raise RunError("no pipe")
    with process.stdout as pipe:
        ready, _, _ = select.select([pipe], [], [], timeout)
        told = os.read(pipe.fileno(), 1) if ready else b""
        seconds = time.perf_counter() - start
        try:
            process.wait(timeout if told else 0.1)
        except subprocess.TimeoutExpired:
            _end(process)
    if not told:
        raise RunError("ended without a result" if ready else f"nothing after {timeout:.0f} s")
    whole = time.perf_counter() - start
    return {"seconds": whole if contender == "bare" else seconds, "exit_s": whole}


def summary(values: list[float]) -> dict[str, float]:
    """Return median, least, most and number of some values."""
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "runs": len(values),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def machine() -> dict[str, Any]:
    """Name the machine that everything ran on, without anything that identifies it."""
    return {
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "processor": _processor(),
        "processors": os.cpu_count(),
        "memory_gb": round(
            os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
            if hasattr(os, "sysconf")
            else 0
        ),
        "python": platform.python_version(),
    }


def commit() -> str:
    """Name the commit that was measured, and say if the packages differ from it."""
    git = ["git", "-C", str(SCRIPT.parent)]
    done = subprocess.run(
        [*git, "rev-parse", "--short", "HEAD"], check=False, capture_output=True, text=True
    )
    changed = subprocess.run(
        [*git, "diff", "--quiet", "HEAD", "--", "../packages"], check=False
    ).returncode
    return done.stdout.strip() + (" with changes that are not committed" if changed else "")
