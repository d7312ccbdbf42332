#!/usr/bin/env python3
"""Run the tests, and a storm, on a free-threaded CPython 3.14: one without the GIL.

Usage: python3 scripts/free_threaded.py [--cache FOLDER] COMMAND [-- ARGUMENT ...]

    build              make what is missing (the other commands do that too)
    test -- ARGUMENT.. run pytest with these arguments
    storm -- ARGUMENT. run scripts/storm.py with these arguments (default: --minutes 5)
    run -- ARGUMENT..  run the interpreter with these arguments
    clean              delete the folder, and the Debian sid in it

It is built with `--disable-gil` from Debian's source package, or from CPython's same archive at
Ubuntu where Debian's is gone, in the Debian sid of `debian_pythons.py` (see `debian_root.py`: it
takes root), once, without the optimizations that take hours. The exit code is that of the last
program.

Facts this script leans on:

- The source package of Debian holds CPython's own archive, patches aside: it is unpacked alone.
- A free-threaded interpreter switches the GIL on again when it imports an extension module that
  does not say it can do without, with a RuntimeWarning: the tests make that an error.
"""

from __future__ import annotations

import shutil
import sys

from debian_pythons import PYTEST, TEST_SETTINGS, make_environment, parse
from debian_root import DebianRoot, Trouble, say

SOURCE = "python3.14"
PREFIX = "/opt/python3.14t"
TOOLS = (
    "dpkg-dev",
    "gcc",
    "libbz2-dev",
    "libc6-dev",
    "libffi-dev",
    "liblzma-dev",
    "libreadline-dev",
    "libsqlite3-dev",
    "libssl-dev",
    "make",
    "pkg-config",
    "xz-utils",
    "zlib1g-dev",
)

# CPython's own archive, as Ubuntu keeps it for years.
OTHER_SOURCE = (
    "http://archive.ubuntu.com/ubuntu/pool/main/p/python3.14/python3.14_3.14.4.orig.tar.xz"
)
OTHER_SHA256 = "d923c51303e38e249136fc1bdf3568d56ecb03214efdef48516176d3d7faaef8"

BUILD = f"""
set -e
rm -rf /tmp/build && mkdir /tmp/build && cd /tmp/build
sed 's/^deb /deb-src /' /etc/apt/sources.list > /etc/apt/sources.list.d/source.list
apt-get update -q -o Acquire::Check-Valid-Until=false
apt-get source -q --download-only --tar-only {SOURCE} || {{
    /usr/lib/apt/apt-helper download-file {OTHER_SOURCE} other.orig.tar.xz SHA256:{OTHER_SHA256}
}}
tar -xf *.orig.tar.* --strip-components 1
./configure -q --disable-gil --disable-test-modules --prefix={PREFIX}
nice -n 10 make -s -j "$(nproc)"
rm -rf {PREFIX}.draft && make -s install DESTDIR={PREFIX}.draft
mv {PREFIX}.draft{PREFIX} {PREFIX} && rm -rf {PREFIX}.draft /tmp/build
"""
CHECK = "import sys; assert not sys._is_gil_enabled(); print(sys.version)"


def main(arguments: list[str]) -> int:
    """Carry out one command line and return its exit code."""
    commands = ["build", "test", "storm", "run", "clean"]
    options = parse(arguments, __doc__ or "", commands, ())
    if options.command == "clean":
        shutil.rmtree(options.cache, ignore_errors=True)
        return 0
    root = DebianRoot(options.cache.resolve() / "sid")
    try:
        root.bring()
        _build(root)
        python = make_environment(root, f"{PREFIX}/bin/python3", "3.14t")
    except Trouble as trouble:
        say(str(trouble))
        return 2
    words: list[str] = options.words
    line = {
        "build": ["-c", CHECK],
        "run": words,
        "test": ["-m", "pytest", *PYTEST, *words],
        "storm": ["scripts/storm.py", *(words or ["--minutes", "5"])],
    }[options.command]
    return root.run([python, *line], **TEST_SETTINGS)


def _build(root: DebianRoot) -> None:
    """Build the interpreter, once; it is moved to its place when it is complete."""
    if (root.folder / PREFIX[1:]).is_dir():
        return
    root.install(*TOOLS)
    say(f"building {SOURCE} without the GIL (once; some minutes)")
    root.quietly(["sh", "-c", BUILD])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
