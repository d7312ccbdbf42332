"""Frozen applications: a program that PyInstaller packed starts itself as its child."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import loky_spawn
from loky_spawn import _frozen
from support.spawn_tools import PATIENCE, wait_until_gone

PROGRAM = """
import os, signal, socket, sys
import loky_spawn

if __name__ == "__main__":
    loky_spawn.freeze_support()
    import job
    ours, its = socket.socketpair()
    with loky_spawn.spawn("job:run", payload=b"from the frozen parent", channels=[its]) as child:
        its.close()
        answer = ours.recv(1000)
        child.check(60)
        print(answer.decode(), child.exitcode, child.pid == int(answer.split()[-1]), flush=True)
    with loky_spawn.spawn("job:fail") as child:
        try:
            child.check(60)
        except loky_spawn.ChildFailedError as error:
            print(error.stage, "failed on purpose" in error.traceback, flush=True)
    ours, its = socket.socketpair()
    child = loky_spawn.spawn("job:sleep", channels=[its])
    print(ours.recv(1000).decode(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
JOB = """
import os, sys, time
def run(handover):
    words = [handover.payload.decode().upper(), *sys.argv[1:], str(os.getpid())]
    handover.channels[0].sendall(" ".join(words).encode())
def fail(handover):
    raise ValueError("failed on purpose")
def sleep(handover):
    handover.channels[0].sendall(str(os.getpid()).encode())
    time.sleep(3600)
"""
HAS_LIBRARY = """
from PyInstaller.depend.bindepend import get_python_library_path
assert get_python_library_path()
"""


@pytest.fixture(scope="module")
def pyinstaller(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the command of a PyInstaller in an environment of its own."""
    place = tmp_path_factory.mktemp("pyinstaller") / "venv"
    venv.create(place, with_pip=True)
    python = str(place / "bin" / "python")
    line = [python, "-m", "pip", "install", "--quiet", "pyinstaller"]
    if subprocess.run(line, capture_output=True, check=False).returncode:
        pytest.skip("PyInstaller cannot be installed here")
    if subprocess.run([python, "-c", HAS_LIBRARY], capture_output=True, check=False).returncode:
        pytest.skip("PyInstaller needs a Python with a shared library, and this one has none")
    return [python, "-m", "PyInstaller"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["--onedir", "--onefile"])
def test_a_frozen_program_starts_itself(kind: str, pyinstaller: list[str], tmp_path: Path) -> None:
    """A packed program gets children that work, fail and end with it as any others do."""
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "job.py").write_text(JOB)
    package = Path(loky_spawn.__file__).parents[1]
    line = [*pyinstaller, kind, "--noconfirm", "--log-level=ERROR", f"--paths={package}"]
    subprocess.run([*line, "program.py"], cwd=tmp_path, check=True, capture_output=True)
    program = tmp_path / "dist" / ("program" if kind == "--onefile" else "program/program")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    pipe = subprocess.PIPE
    done = subprocess.run(
        [program, "word"], env=environment, stdout=pipe, stderr=pipe, check=False, timeout=PATIENCE
    )
    first, second, third = done.stdout.decode().splitlines()
    assert first.startswith("FROM THE FROZEN PARENT word ")
    assert first.endswith(" 0 True")
    assert second == "call True"
    assert wait_until_gone([int(third)], 1.0) == []


def test_freeze_support_does_nothing_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a program that is no child it returns, whatever the program's arguments are."""
    monkeypatch.setattr(sys, "argv", ["program"])
    loky_spawn.freeze_support()
    monkeypatch.setattr(sys, "argv", ["program", "--loky", "1", "2"])
    loky_spawn.freeze_support()
    assert not _frozen.is_frozen()
