"""Programs that are run where something is missing, and the commands that take it away."""

from __future__ import annotations

import os
import random
import shutil
import subprocess

import pytest

A_LIFE = """
    import os, pickle, time
    from concurrent.futures import as_completed, wait
    from loky import ProcessPoolExecutor, get_reusable_executor
    from loky_executor import TaskTimeoutError, TerminatedWorkerError

    with ProcessPoolExecutor(2, on_crash="isolate", timeout=0.05) as executor:
        print(sum(executor.map(abs, range(-100, 0))))
        block = pickle.PickleBuffer(bytearray(3_000_000))
        print([len(executor.submit(bytearray, block).result()) for _ in range(3)])
        print(type(executor.submit(os._exit, 1).exception()).__name__)
        print(type(executor.options(timeout=0.1).submit(time.sleep, 60).exception()).__name__)
        print(type(executor.submit(int, "x").exception()).__name__)
        print(type(executor.submit(lambda: (n for n in "ab")).exception()).__name__)
        futures = [executor.submit(lambda n=n: n) for n in range(20)]
        print(len(wait(futures).done), len(list(as_completed(futures))))
    print(get_reusable_executor(1).submit(abs, -7).result())
    print(get_reusable_executor(2).submit(abs, -8).result())
    broken = ProcessPoolExecutor(1)
    suicide = (os.kill, 0, 9) if os.name == "posix" else (os._exit, 9)  # 0: with its group
    print(type(broken.submit(*suicide).exception()).__name__)
    dropped = ProcessPoolExecutor(1)
    last = dropped.submit(abs, -9)
    del dropped, broken
    print(last.result())
"""
ITS_OUTPUT = (
    "5050\n[3000000, 3000000, 3000000]\nTerminatedWorkerError\nTaskTimeoutError\nValueError\n"
    "EncodingError\n20 20\n7\n8\nTerminatedWorkerError\n9\n"
)


def as_another_user() -> list[str]:
    """Return a command that runs another as a user without processes, for whom limits hold.

    That user may read every file, since the interpreter may lie in the home of root.
    """
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can become a user who has no other processes, by setpriv")
    may = "-all,+dac_override,+dac_read_search"
    number = random.randrange(50_000, 60_000)
    words = ["setpriv", f"--reuid={number}", "--clear-groups"]
    words += [f"--inh-caps={may}", f"--ambient-caps={may}"]
    done = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"becoming another user is not permitted here: {done.stderr}")
    return words


def with_mounts(*commands: str) -> list[str]:
    """Return a command that runs another in a mount namespace of its own, after these commands."""
    script = " && ".join([*commands, 'exec "$@"'])
    told = "there is no unshare"
    for rights in (["-m"], ["-r", "-m"]) if shutil.which("unshare") else ():
        words = ["unshare", *rights, "sh", "-c", script, "sh"]
        done = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return words
        told = done.stderr
    pytest.skip(f"mounting is not permitted here: {told}")
