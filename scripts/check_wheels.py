"""Build the wheels of all four packages and try each as a user gets it.

Run by `python3 scripts/dev.py wheels`, which gives it a Python with hatch and virtualenv. Every
package is installed in a fresh environment. The four of ours come from the wheels just built and
from nowhere else (a constraint ties each name to its file); the others come from the package index.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT_SECONDS = 600

SPAWN = """
import loky_spawn

def greet(handover):
    print("child received", bytes(handover.payload).decode(), flush=True)

if __name__ == "__main__":
    child = loky_spawn.spawn("smoke:greet", payload=b"greetings")
    assert child.wait(timeout=60), "the child did not end"
    assert child.exitcode == 0, child.exitcode
"""

BACKEND = """
import loky_backend

for name in loky_backend.__all__:
    getattr(loky_backend, name)
print("all names load")
"""

EXECUTOR = """
from loky_executor import ProcessPoolExecutor

with ProcessPoolExecutor(2) as executor:
    offset = executor.submit(pow, 2, 5).result(timeout=60)
    print("sum", sum(executor.map(lambda x: x + offset, range(4))))
"""

REUSABLE = """
import os
from loky import get_reusable_executor
from loky_reusable import get_reusable_executor as same

executor = get_reusable_executor(max_workers=2, timeout=2)
assert executor is same(max_workers=2, timeout=2)
assert executor.submit(os.getpid).result(timeout=60) != os.getpid()
print("sum", sum(executor.map(lambda x: x * x, range(4))))
"""


@dataclass(frozen=True)
class Trial:
    """One package as its user sees it.

    Attributes:
        package: what is installed.
        brings: everything that is in the environment afterwards.
        imports: the import packages that its wheel ships.
        code: a program that uses it.
        output: a line that the program prints.
    """

    package: str
    brings: frozenset[str]
    imports: tuple[str, ...]
    code: str
    output: str


_BACKEND_BRINGS = frozenset({"loky-spawn", "loky-backend", "cloudpickle", "psutil"})
TRIALS = (
    Trial(
        "loky-spawn", frozenset({"loky-spawn"}), ("loky_spawn",), SPAWN, "child received greetings"
    ),
    Trial("loky-backend", _BACKEND_BRINGS, ("loky_backend",), BACKEND, "all names load"),
    Trial(
        "loky-executor",
        _BACKEND_BRINGS | {"loky-executor"},
        ("loky_executor",),
        EXECUTOR,
        "sum 134",
    ),
    Trial(
        "loky-reusable",
        _BACKEND_BRINGS | {"loky-executor", "loky-reusable"},
        ("loky_reusable", "loky"),
        REUSABLE,
        "sum 14",
    ),
)

LIST_INSTALLED = """
import importlib.metadata, json
print(json.dumps([found.metadata["Name"] for found in importlib.metadata.distributions()]))
"""


class WheelError(Exception):
    """A wheel is not what it should be."""


def main() -> int:
    """Build, inspect, install and run; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="wheels-") as name:
        folder = Path(name)
        try:
            wheels = _build(folder / "dist")
            constraints = folder / "constraints.txt"
            constraints.write_text(
                "".join(f"{package} @ {wheel.as_uri()}\n" for package, wheel in wheels.items())
            )
            for trial in TRIALS:
                _inspect(trial, wheels[trial.package])
                _try(trial, constraints, folder / trial.package)
        except WheelError as error:
            print(f"FAILED: {error}")
            return 1
    return 0


def _build(folder: Path) -> dict[str, Path]:
    for trial in TRIALS:  # hatchling came with hatch: nothing is downloaded to build with
        source = ROOT / "packages" / trial.package
        _run([sys.executable, "-m", "hatchling", "build", "-d", str(folder)], cwd=source)
    wheels = {
        wheel.name.split("-")[0].replace("_", "-"): wheel for wheel in sorted(folder.glob("*.whl"))
    }
    sources = list(folder.glob("*.tar.gz"))
    if set(wheels) != {trial.package for trial in TRIALS} or len(sources) != len(wheels):
        raise WheelError(f"built {sorted(path.name for path in folder.iterdir())}")
    return wheels


def _inspect(trial: Trial, wheel: Path) -> None:
    """Check that the wheel ships its import packages, their type marker and the licence."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        shipped = {name.split("/")[0] for name in names if ".dist-info/" not in name}
        licences = [name for name in names if name.endswith("licenses/LICENSE")]
        texts = {archive.read(name) for name in licences}
    if shipped != set(trial.imports):
        raise WheelError(f"{wheel.name} ships {sorted(shipped)}, not {sorted(trial.imports)}")
    missing = {f"{name}/py.typed" for name in trial.imports} - names
    if missing:
        raise WheelError(f"{wheel.name} has no {sorted(missing)}")
    if texts != {(ROOT / "LICENSE").read_bytes()}:
        raise WheelError(f"{wheel.name} does not ship the project's licence")


def _try(trial: Trial, constraints: Path, folder: Path) -> None:
    """Install one package in a fresh environment, look at what came, and run its program."""
    environment = folder / "environment"
    _run([sys.executable, "-m", "virtualenv", "--quiet", str(environment)])
    python = str(environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    install = [python, "-m", "pip", "install", "--quiet", "--constraint", str(constraints)]
    _run([*install, trial.package])

    installed = set(json.loads(_run([python, "-c", LIST_INSTALLED], cwd=folder)))
    brought = installed - {"pip", "setuptools", "wheel"}
    if brought != trial.brings:
        raise WheelError(f"{trial.package} brings {sorted(brought)}, not {sorted(trial.brings)}")

    program = folder / "smoke.py"
    program.write_text(trial.code)
    output = _run([python, str(program)], cwd=folder)
    if trial.output not in output:
        raise WheelError(f"{trial.package}: {trial.output!r} is not in its output:\n{output}")
    print(f"{trial.package}: brings {', '.join(sorted(brought))}; {trial.output!r}", flush=True)


def _run(line: list[str], *, cwd: Path | None = None) -> str:
    """Run a command and return its standard output.

    Raises:
        WheelError: it failed or took too long; carries what it printed.
    """
    settings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    try:
        ended = subprocess.run(
            line,
            cwd=cwd,
            env=settings,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        raise WheelError(f"{line}: exit code {error.returncode}\n{error.stdout}") from error
    except subprocess.TimeoutExpired as error:
        raise WheelError(f"{line}: not done after {LIMIT_SECONDS} s\n{error.stdout}") from error
    return ended.stdout


if __name__ == "__main__":
    sys.exit(main())
