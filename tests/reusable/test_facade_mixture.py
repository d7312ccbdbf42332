"""Two distributions that both bring a package `loky`: importing says so instead of mixing them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import loky

IMPORT = "import sys; sys.path.insert(0, sys.argv[1]); import loky; print(loky.__file__)"


def import_from(folder: Path) -> subprocess.CompletedProcess[str]:
    """Import a copy of the facade that lies in a folder."""
    shutil.copytree(Path(str(loky.__file__)).parent, folder / "loky")
    words = [sys.executable, "-c", IMPORT, str(folder)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_the_released_loky_in_the_same_folder(tmp_path: Path) -> None:
    """Its metadata lie beside ours: the import fails, names both and says what to do."""
    metadata = tmp_path / "loky-3.7.0.dist-info"
    metadata.mkdir()
    (metadata / "RECORD").write_text("loky/__init__.py,,\nloky/_base.py,,\n")
    done = import_from(tmp_path)
    assert done.returncode == 1
    for word in ("ImportError", "loky-3.7.0.dist-info", "loky-reusable", "pip uninstall"):
        assert word in done.stderr


@pytest.mark.parametrize("name", ["loky_reusable-0.1.0.dist-info", "loky-3.7.0.dist-info"])
def test_metadata_that_own_no_file_of_ours(name: str, tmp_path: Path) -> None:
    """Our own metadata, and an empty distribution that only satisfies a requirement, are fine."""
    metadata = tmp_path / name
    metadata.mkdir()
    owned = "loky/__init__.py,,\n" if name.startswith("loky_") else "elsewhere.py,,\n"
    (metadata / "RECORD").write_text(owned)
    done = import_from(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert Path(done.stdout.strip()).parent == tmp_path / "loky"
