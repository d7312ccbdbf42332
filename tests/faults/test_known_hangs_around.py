"""What is known to hang or to harm users of loky 3.7, of the kind that comes from around it.

Forks, warnings that are errors, fault handlers that are switched off, log handlers that raise.
Each runs in a program of its own: a hang there is a failure here.
"""

from __future__ import annotations

import pytest

from support.executor_scripts import run_code
from support.fault_programs import A_LIFE, ITS_OUTPUT

pytestmark = [pytest.mark.faults, pytest.mark.slow]


@pytest.mark.parametrize(
    "flags",
    [["-W", "error"], ["-X", "dev", "-W", "error"], ["-bb", "-W", "error"]],
    ids=["-W error", "-X dev -W error", "-bb -W error"],
)
def test_a_life_with_warnings_as_errors(flags: list[str]) -> None:
    """Work, crashes, time limits, reuse, garbage and the end: no warning is given, no word."""
    assert run_code(A_LIFE, flags=flags) == ITS_OUTPUT


@pytest.mark.parametrize("value", ["0", ""])
def test_a_fault_handler_that_is_switched_off(value: str) -> None:
    """With PYTHONFAULTHANDLER=0 crashes are told, with the stacks, and nothing is in the way."""
    program = """
    import ctypes, faulthandler, sys
    from loky import ProcessPoolExecutor

    def crash_natively():
        ctypes.c_int.from_address(8).value  # Windows guards calls of ctypes

    with ProcessPoolExecutor(1) as executor:
        error = executor.submit(crash_natively).exception()
        print(type(error).__name__, "crash_natively" in str(error))
    """
    environment = {"PYTHONFAULTHANDLER": value}
    assert run_code(program, env=environment) == "TerminatedWorkerError True\n"


HOSTILE = """
    import logging, os, pickle, sys, time, warnings
    os.environ["LOKY_MAX_MEMORY_LEAK_SIZE"] = "20e6"

    class Refuses(logging.Handler):
        def emit(self, record):
            records.append(record.getMessage())
            raise SystemExit("no logging today")

    def refuse(*_, **__):
        raise ZeroDivisionError("no warnings today")

    records = []
    logging.basicConfig(level=0, handlers=[Refuses()])
    logging.getLogger().addFilter(refuse)
    warnings.showwarning = refuse
    warnings.simplefilter("always")
    from loky import ProcessPoolExecutor
    kept = []
"""


def test_a_log_handler_that_raises() -> None:
    """Neither the callback thread nor the one that looks at memory is ended by it."""
    program = """
    def leak():
        import builtins
        builtins.kept = b"x" * 60_000_000
        return os.getpid()

    def fail(future):
        raise ValueError("a callback that fails")

    with ProcessPoolExecutor(1) as executor:
        first = executor.submit(abs, -1)
        try:
            first.add_done_callback(fail)
        except BaseException:  # it was done already: then it is called, and logged, right here
            pass
        first.result()
        pid = executor.submit(os.getpid).result()
        deadline = time.monotonic() + 15
        while executor._pool._staff._memory is None:
            executor.submit(abs, -1).result()
        while not executor._pool._staff._memory.peak(1):
            executor.submit(abs, -1).result()
        executor.submit(leak).result()
        while executor.submit(os.getpid).result() == pid and time.monotonic() < deadline:
            time.sleep(0.01)
        print(executor.submit(os.getpid).result() != pid, executor.usable)
    print(any("callback" in text for text in records), any("replaced" in text for text in records))
    """
    assert run_code(HOSTILE + program) == "True True\nTrue True\n"


def test_a_warning_filter_that_raises() -> None:
    """Tasks whose pickling warns in the executor's own threads fail alone, and nothing hangs."""
    program = """
    class Warns:
        def __reduce__(self):
            warnings.warn("pickled")
            return int, (5,)

    with ProcessPoolExecutor(1) as executor:
        blocked = [executor.submit(time.sleep, 0.2) for _ in range(3)]
        warned = [executor.submit(abs, Warns()) for _ in range(200)]
        after = executor.submit(abs, -3)
        errors = [future.exception() for future in warned]
        print({type(error.__cause__).__name__ for error in errors}, after.result())
        print({isinstance(error, pickle.PicklingError) for error in errors})
    """
    assert run_code(HOSTILE + program) == "{'ZeroDivisionError'} 3\n{True}\n"


FORKED = """
    import os, sys, time, warnings
    warnings.simplefilter("ignore", DeprecationWarning)
    from concurrent.futures import as_completed, wait
    from loky import ProcessPoolExecutor, get_reusable_executor

    def in_a_child(act):
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            act()
        print("child:", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)

    def word(action, *args):
        try:
            return action(*args)
        except Exception as error:
            return type(error).__name__
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("executor", ["ProcessPoolExecutor(2)", "get_reusable_executor(2)"])
def test_a_fork_with_tasks_pending(executor: str) -> None:
    """The copy is told that nobody answers there, and can end; the parent gets every answer."""
    program = f"""
    executor = {executor}
    done = executor.submit(abs, -1)
    done.result()
    futures = [executor.submit(time.sleep, 0.4) for _ in range(2)]
    futures += [executor.submit(abs, -number) for number in range(500)]

    def act():
        told = [word(future.result) for future in futures]
        told += [type(futures[0].exception()).__name__, word(executor.submit, abs, 1)]
        told.append(done.result())
        print(set(told[:500]), told[-3:], flush=True)
        executor.shutdown(wait=True, kill_workers=True)
        sys.exit(7)  # runs what is registered for the end, and waits for threads

    in_a_child(act)
    print(sum(future.result() or 0 for future in futures), executor.usable)
    executor.shutdown()
    """
    refused = "ShutdownExecutorError"
    told = f"{{'{refused}'}} ['{refused}', '{refused}', 1]\n"
    assert run_code(FORKED + program) == f"{told}child: 7\n124750 True\n"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_waiting_in_a_fork_for_what_is_pending() -> None:
    """`wait` and `as_completed` in the copy of a process do not wait for ever."""
    program = """
    executor = ProcessPoolExecutor(1)
    futures = [executor.submit(time.sleep, 0.4), executor.submit(abs, -1)]

    def act():
        not_done = wait(futures, timeout=10).not_done
        print(len(not_done), len(list(as_completed(futures, timeout=10))), flush=True)
        os._exit(0)

    in_a_child(act)
    print([future.result() for future in futures])
    executor.shutdown()
    """
    assert run_code(FORKED + program) == "0 2\nchild: 0\n[None, 1]\n"
