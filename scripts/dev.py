#!/usr/bin/env python3
"""Run the project's commands with nothing but a Python >= 3.10 that has pip.

Usage: python3 scripts/dev.py COMMAND [ARGUMENT ...]

    example   run examples/hello.py
    test      run the tests (arguments go to pytest)
    versions  run the tests on every other supported Python that is here: all of them on the oldest
              and on the newest, the quick ones on those between
    lint      ruff: rules and format
    types     mypy --strict for linux, darwin and win32
    layers    import-linter: who may import whom
    wheels    build the wheels and try each in a fresh environment
    hatch     any hatch command (arguments go to hatch)

The first call makes a folder `.tools` in the checkout, with hatch and its environments in it.
Nothing is installed anywhere else; delete the folder to start afresh.

Facts this script leans on:

- A system Python may refuse to install packages (PEP 668). It does not refuse
  `pip install --target`, which touches no environment.
- It may come without `venv` or `ensurepip` (Debian packs them apart). virtualenv needs neither.
- What `--target` installed must be on PYTHONPATH, which children inherit. So only virtualenv is
  installed that way, used once, and hatch lives in the environment it makes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from interpreters import SUPPORTED, Interpreter, find_interpreters

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
REQUIREMENT = "hatch>=1.18,<2"

# What these say belongs to another project, or to another way to start Python.
NOT_INHERITED = {"HATCH_ENV", "HATCH_ENV_ACTIVE", "HATCH_PROJECT", "PYTHONHOME", "PYTHONPATH"}

HATCH_COMMANDS = {
    "example": ["run", "hello"],
    "test": ["run", "test:test"],
    "lint": ["run", "lint:check"],
    "types": ["run", "types:check"],
    "layers": ["run", "layers:check"],
    "hatch": [],
}


def main(arguments: list[str]) -> int:
    """Carry out one command line and return its exit code."""
    if sys.version_info < (3, 10):  # noqa: UP036 (this is where a user with an older one finds out)
        return _refuse(f"needs Python 3.10 or newer; this is {sys.version.split()[0]}")
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(__doc__)
        return 0
    command, *rest = arguments
    if command not in {*HATCH_COMMANDS, "versions", "wheels"}:
        return _refuse(f"no such command: {command!r}; `{sys.argv[0]} help` lists them")
    try:
        home = _tools()
    except subprocess.CalledProcessError as error:
        return _refuse(f"could not prepare {TOOLS.name}: {error}")
    if command == "versions":
        return _versions(home, rest)
    if command == "wheels":
        line = ["scripts/check_wheels.py", *rest]
    else:
        line = ["-m", "hatch", *HATCH_COMMANDS[command], *rest]
    line = [_python(home), *line]
    return subprocess.run(line, cwd=ROOT, env=_settings(home), check=False).returncode


def _versions(home: Path, arguments: list[str]) -> int:
    """Run the tests on the Pythons that are here, but for the one that runs this script.

    That one has a command of its own, `test`. A Python that is not here is named, and no failure.
    """
    found = find_interpreters()
    oldest_and_newest = {found[0].version, found[-1].version} if found else set()
    own = sys.version_info[:2]
    verdicts = []
    for version in SUPPORTED:
        name = ".".join(map(str, version))
        there = next((one for one in found if one.version == version), None)
        if there is None:
            verdicts.append(f"{name}: not on this machine")
        elif version == own:
            verdicts.append(f"{name}: `dev.py test` runs it")
        else:
            script = "test" if version in oldest_and_newest else "quick"
            _say(f"{name}: {script}, {there.path}")
            code = _run_version(home, there, [f"versions:{script}", *arguments])
            verdicts.append(f"{name}: {script} {f'FAILED ({code})' if code else 'passed'}")
    print("\n".join(f"dev.py: {verdict}" for verdict in verdicts))
    return int(any("FAILED" in verdict for verdict in verdicts))


def _run_version(home: Path, interpreter: Interpreter, words: list[str]) -> int:
    """Run a script of the matrix `versions` on one Python; return the exit code."""
    settings = _settings(home)
    # hatch looks for `python3.12` on the PATH first of all.
    folders = [str(interpreter.path.parent), settings.get("PATH", os.defpath)]
    settings["PATH"] = os.pathsep.join(folders)
    line = [_python(home), "-m", "hatch", "run", f"+py={interpreter.name}", *words]
    return subprocess.run(line, cwd=ROOT, env=settings, check=False).returncode


def _tools() -> Path:
    """Return the folder with hatch for this interpreter; make it on the first call.

    It is made under a name of its own and renamed when complete: an interrupted call leaves nothing
    half done, and of two calls at once the second takes what the first has made.
    """
    identity = f"{Path(sys.executable).resolve()} {sys.version} {ROOT} {REQUIREMENT}"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    home = TOOLS / f"{version}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"
    if home.is_dir():
        return home
    _say(f"preparing hatch in {home.relative_to(ROOT)} (once)")
    draft = TOOLS / f"{home.name}.{os.getpid()}"
    try:
        _install(draft)
        draft.rename(home)
    except OSError:
        if not home.is_dir():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return home


def _install(home: Path) -> None:
    """Make an environment with hatch in `home`."""
    settings = _settings(home)
    seed = home / "seed"
    install = ["-m", "pip", "install", "--quiet"]
    _run([sys.executable, *install, "--target", str(seed), "virtualenv"], settings)
    with_seed = settings | {"PYTHONPATH": str(seed)}
    _run([sys.executable, "-m", "virtualenv", "--quiet", str(home / "venv")], with_seed)
    _run([_python(home), *install, REQUIREMENT], settings)
    shutil.rmtree(seed)
    (home / "hatch.toml").touch()  # the user's own settings of hatch are none of this checkout's


def _settings(home: Path) -> dict[str, str]:
    """Return the environment variables that keep every tool inside `home`."""
    inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    return inherited | {
        "HATCH_CACHE_DIR": str(home / "cache"),
        "HATCH_CONFIG": str(home / "hatch.toml"),
        "HATCH_DATA_DIR": str(home / "data"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_REQUIRE_VIRTUALENV": "0",
        "PIP_ROOT_USER_ACTION": "ignore",
        "PIP_USER": "0",
        "VIRTUALENV_NO_PERIODIC_UPDATE": "1",
        "VIRTUALENV_OVERRIDE_APP_DATA": str(home / "virtualenv"),
    }


def _python(home: Path) -> str:
    """Return the path of the interpreter of the environment in `home`."""
    return str(home / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def _run(line: list[str], settings: dict[str, str]) -> None:
    subprocess.run(line, cwd=ROOT, env=settings, check=True, stdin=subprocess.DEVNULL)


def _say(message: str) -> None:
    print(f"dev.py: {message}", file=sys.stderr, flush=True)


def _refuse(message: str) -> int:
    _say(message)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
