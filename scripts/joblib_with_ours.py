"""Run a program, or pytest, with joblib's vendored pool replaced by the facade `loky`.

    python scripts/joblib_with_ours.py program.py [arguments]
    python scripts/joblib_with_ours.py -m pytest [arguments]

joblib carries a copy of loky under the name `joblib.externals.loky`. A finder at the front of
`sys.meta_path` answers for that name and all below it with our modules, so both names stand for the
same objects. Worker processes and other children do the same: `sitecustomize` in a folder of its
own, which is put on ``PYTHONPATH``, installs the finder in each of them.

Needs an environment with joblib and the four packages; nothing in it is changed.
"""

from __future__ import annotations

import os
import runpy
import sys
import tempfile
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

VENDORED = "joblib.externals.loky"
SITE = """
import sys
sys.path.append({folder!r})
import joblib_with_ours
joblib_with_ours.install()
sys.path.remove({folder!r})
"""


class _Alias(Loader):
    """Loads a module of ours under the vendored name."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module("loky" + spec.name[len(VENDORED) :])
        spec.loader_state = (module.__spec__, module.__loader__)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give it back its own spec: it was executed under its own name."""
        assert module.__spec__ is not None
        module.__spec__, module.__loader__ = module.__spec__.loader_state


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname != VENDORED and not fullname.startswith(VENDORED + "."):
            return None
        return ModuleSpec(
            fullname, _Alias(), is_package=fullname in (VENDORED, f"{VENDORED}.backend")
        )


def install() -> None:
    """Answer for the vendored name in this process. Imports neither joblib nor loky."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def main(words: list[str]) -> None:
    """Run what the command line says."""
    if not words:
        sys.exit(__doc__)
    install()
    here = str(Path(__file__).resolve().parent)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sitecustomize.py").write_text(SITE.format(folder=here), encoding="utf-8")
        rest = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = folder + (os.pathsep + rest if rest else "")
        if words[0] == "-m":
            sys.argv = words[1:]
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = words
            sys.path[0] = str(Path(words[0]).resolve().parent)
            runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
