"""The executor on Windows: many workers, consoles, exit codes, odd paths, handles."""

from __future__ import annotations

import ctypes
import gc
import json
import subprocess
import sys
from pathlib import Path

import pytest

from loky_executor import ProcessPoolExecutor, TerminatedWorkerError
from support.executor_gate import Gate, pass_gate
from support.executor_scripts import run_code, run_script
from support.executor_waiting import all_gone

pytestmark = [
    pytest.mark.slow,
    pytest.mark.windows,
    pytest.mark.skipif(sys.platform != "win32", reason="consoles, handles and exit codes"),
]

SECONDS = 60
WHILE_MANY_START = 100.0  # seconds a worker waits for the last of a hundred
ACCESS_VIOLATION = 0xC0000005


def test_a_hundred_workers() -> None:
    """More workers than one wait call of Windows takes (63) run at once and are all seen to die."""
    gate = Gate(WHILE_MANY_START)
    with ProcessPoolExecutor(100) as executor:
        futures = [
            executor.submit(pass_gate, gate.port, number, WHILE_MANY_START) for number in range(100)
        ]
        pids = gate.arrivals(100)
        assert len(set(pids)) == 100
        gate.open()
        assert [future.result(SECONDS) for future in futures] == list(range(100))
    assert all_gone(pids)


def test_more_workers_than_select_takes() -> None:
    """`select` of Windows takes 512 sockets: there are never more than 500 workers."""
    with ProcessPoolExecutor(10_000) as executor:
        assert executor.max_workers == 500
        executor.resize(501, None)
        assert executor.max_workers == 500


def test_a_worker_ends_without_a_warning() -> None:
    """Its channel is a socket object there, which is left open until the process has ended."""
    program = """
    from loky_executor import ProcessPoolExecutor
    with ProcessPoolExecutor(1) as executor:
        print(executor.submit(abs, -1).result())
    """
    assert run_code(program, flags=["-W", "error"]) == "1\n"


def test_the_exit_code_of_a_crash_is_named(single: ProcessPoolExecutor) -> None:
    """An access violation is called by its name, and the Python stack is there."""

    def crash() -> None:
        ctypes.c_int.from_address(8).value  # noqa: B018 - the crash

    error = single.submit(crash).exception(SECONDS)
    assert isinstance(error, TerminatedWorkerError)
    assert error.obituary is not None
    assert error.obituary.exitcode == ACCESS_VIOLATION
    assert "0xC0000005 (access violation)" in str(error)
    assert "in crash" in error.obituary.stacks


@pytest.mark.faults
def test_what_a_task_started_ends_with_its_worker(single: ProcessPoolExecutor) -> None:
    """Killing the workers ends the programs their tasks have started."""

    def start_a_program() -> int:
        words = [sys.executable, "-c", "import time; time.sleep(60)"]
        return subprocess.Popen(words, stdin=subprocess.DEVNULL).pid

    pid = single.submit(start_a_program).result(SECONDS)
    single.shutdown(kill_workers=True)
    assert all_gone([pid])


def test_a_program_in_a_folder_with_blanks_and_umlauts(tmp_path: Path) -> None:
    """Its functions and its working directory reach the workers."""
    folder = tmp_path / "Größe & Maß"
    folder.mkdir()
    program = """
        import os
        from loky import ProcessPoolExecutor
        os.chdir(os.path.dirname(__file__))
        def größe(wert):
            return ascii((wert, os.path.basename(os.getcwd())))
        with ProcessPoolExecutor(1) as executor:
            print(executor.submit(größe, "ä").result())
    """
    assert run_script(folder, program) == ascii(("ä", "Größe & Maß")) + "\n"


def test_no_handle_leaks_over_many_executors() -> None:
    """The parent has as many handles after 20 executors as before, garbage apart."""
    from support.windows_handles import count_handles

    before = 0
    for number in range(23):
        if number == 3:  # what is loaded and opened once is there by now
            gc.collect()
            before = count_handles()
        with ProcessPoolExecutor(2) as executor:
            assert list(executor.map(abs, [-1, -2])) == [1, 2]
    gc.collect()
    assert 10 < count_handles() <= before + 4


def test_ctrl_c_reaches_the_program_and_no_worker(tmp_path: Path) -> None:
    """It interrupts the wait for a result within moments; workers and executor go on."""
    flags = subprocess.CREATE_NEW_CONSOLE if sys.platform == "win32" else 0
    told = told_by_a_program(tmp_path, "interrupted", sys.executable, flags)
    assert told == ["KeyboardInterrupt", True, 1, []]


def test_workers_of_a_program_without_console_have_no_window(tmp_path: Path) -> None:
    """The workers of a program without console, whose children would each open one, have none."""
    program = str(Path(sys.executable).with_name("pythonw.exe"))
    flags = subprocess.DETACHED_PROCESS if sys.platform == "win32" else 0
    assert told_by_a_program(tmp_path, "windowless", program, flags) == [0, 0, 0]


CONSOLE = """\
import ctypes, json, pathlib, signal, sys, threading, time, traceback
sys.path[:0] = sys.argv[3:]
from loky_executor import ProcessPoolExecutor
from support import executor_tasks as tasks
from support.executor_waiting import alive

def look(_=None):
    return ctypes.WinDLL("kernel32").GetConsoleWindow()

def interrupted():
    kernel32 = ctypes.WinDLL("kernel32")
    executor = ProcessPoolExecutor(2)
    pids = list({pid for _, pid in executor.map(tasks.with_pid, range(20))})
    late = executor.submit(time.sleep, 60)
    answer = ["no interrupt"]
    started = time.monotonic()
    threading.Timer(0.5, kernel32.GenerateConsoleCtrlEvent, (signal.CTRL_C_EVENT, 0)).start()
    try:
        late.result(30)
    except KeyboardInterrupt:
        answer = ["KeyboardInterrupt"]
    answer.append(time.monotonic() - started < 10)
    answer.append(executor.submit(abs, -1).result(30))
    answer.append([pid for pid in pids if not alive(pid)])
    executor.shutdown(kill_workers=True)
    return answer

def windowless():
    with ProcessPoolExecutor(2) as executor:
        return [look(), *executor.map(look, range(2))]

pathlib.Path(sys.argv[2]).write_text(json.dumps(globals()[sys.argv[1]]()))
"""


def told_by_a_program(folder: Path, what: str, program: str, flags: int) -> object:
    """Return what a program saw that was started with these creation flags."""
    file = folder / "answer.json"
    words = [program, "-c", CONSOLE, what, str(file), *sys.path]
    subprocess.run(
        words, stdin=subprocess.DEVNULL, creationflags=flags, check=True, timeout=2 * SECONDS
    )
    return json.loads(file.read_text())
