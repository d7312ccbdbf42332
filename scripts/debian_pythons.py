#!/usr/bin/env python3
"""Run the tests on Pythons that Debian sid has and this machine has not: 3.14 and 3.15.

Usage: python3 scripts/debian_pythons.py [OPTION ...] COMMAND [-- ARGUMENT ...]

    build              make what is missing (the other commands do that too)
    test -- ARGUMENT.. run pytest with these arguments on each
    run -- ARGUMENT..  run the interpreter with these arguments, each
    clean              delete the folder

    --python VERSION   only on this one (may be given several times)

Debian sid comes by debootstrap into `.cache/debian` of the checkout (`--cache` names another
folder), which takes root; see `debian_root.py`. Each Python has an environment in it with what the
tests need; the packages are those of the checkout. The exit code is 0 if all went well.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from debian_root import CACHE, CHECKOUT, INSIDE, DebianRoot, Trouble, say

VERSIONS = ("3.14", "3.15")
# What the environment `test` of pyproject.toml has, and what the packages depend on.
REQUIREMENTS = (
    "cloudpickle>=3",
    "hypothesis>=6.100",
    "ipython>=8.12",
    "numpy>=1.26",
    "pandas>=2",
    "psutil>=5.9",
    "pyarrow>=14",
    "pytest>=9",
)
OPTIONAL = ("ipython", "numpy", "pandas", "pyarrow")


def main(arguments: list[str]) -> int:
    """Carry out one command line and return its exit code."""
    options = parse(arguments, __doc__ or "", ["build", "test", "run", "clean"], VERSIONS)
    if options.command == "clean":
        shutil.rmtree(options.cache, ignore_errors=True)
        return 0
    root = DebianRoot(options.cache.resolve() / "sid")
    codes = {}
    try:
        root.bring()
        for version in options.python or VERSIONS:
            codes[version] = _carry_out(root, version, options.command, options.words)
    except Trouble as trouble:
        say(str(trouble))
        return 2
    for version, code in codes.items():
        say(f"{version}: {options.command} {f'FAILED ({code})' if code else 'passed'}")
    return int(any(codes.values()))


def _carry_out(root: DebianRoot, version: str, command: str, words: list[str]) -> int:
    # PyInstaller, which one test packs a program with, needs the last two.
    root.install(f"python{version}", f"python{version}-venv", f"libpython{version}", "binutils")
    python = make_environment(root, f"/usr/bin/python{version}", version)
    line = {"build": ["-VV"], "run": words, "test": ["-m", "pytest", *PYTEST, *words]}[command]
    return root.run([python, *line], **TEST_SETTINGS)


# The tree stays as it is: what the tests of this and of another Python write must not mix.
PYTEST = ["-p", "no:cacheprovider"]
TEST_SETTINGS = {
    "HYPOTHESIS_STORAGE_DIRECTORY": "/tmp/hypothesis",
    "PYTHONPATH": ":".join(
        f"{INSIDE}/{folder.relative_to(CHECKOUT)}" for folder in CHECKOUT.glob("packages/*/src")
    ),
    "PYTHONPYCACHEPREFIX": "/tmp/pycache",
}


def make_environment(root: DebianRoot, interpreter: str, name: str) -> str:
    """Return the path of a Python with what the tests need, inside; make it on the first call.

    What there are no wheels for is named and left out where tests can do without.
    """
    folder = f"/opt/environments/{name}"
    python, done = f"{folder}/bin/python", root.folder / folder[1:] / "made-of.txt"
    ingredients = "\n".join(REQUIREMENTS)
    if done.is_file() and done.read_text(encoding="utf-8") == ingredients:
        return python
    say(f"{name}: installing {len(REQUIREMENTS)} packages")
    root.quietly([interpreter, "-m", "venv", "--clear", folder])
    install = [python, "-m", "pip", "install", "-q", "--only-binary", ":all:"]
    needed = [one for one in REQUIREMENTS if not one.startswith(OPTIONAL)]
    root.quietly([*install, *needed])
    for one in REQUIREMENTS:
        if one not in needed:
            try:
                root.quietly([*install, one])
            except Trouble as trouble:
                say(f"{name}: without {one}: {str(trouble).splitlines()[-1]}")
    done.write_text(ingredients, encoding="utf-8")
    return python


def parse(
    arguments: list[str], description: str, commands: list[str], versions: tuple[str, ...]
) -> argparse.Namespace:
    """Read a command line; what follows `--` is `words`."""
    place = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, default=CACHE, help="where it is built")
    if versions:
        parser.add_argument("--python", action="append", choices=versions, help="only this one")
    parser.add_argument("command", choices=commands)
    options = parser.parse_args(arguments[:place])
    options.words = arguments[place + 1 :]
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
