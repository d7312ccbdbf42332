"""Every place where a worker can come to grief, in every way: the exact error, and nothing left.

The table is in `faults/support/table.py`: what must happen in which cell.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from faults.support import verdicts
from faults.support.stage import Stage
from faults.support.stories import STORIES
from faults.support.table import ALL, CELLS, EXPECTED, MEANINGS, WITHOUT_GIL, WORDS, Cell

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.faults,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="signals, /proc and limits as Linux has"),
]

_MEMORY = 1 << 26  # bytes that processes in the control group may have


_PARAMETERS = [
    pytest.param(cell, id=str(cell), marks=[] if cell.in_core else [pytest.mark.matrix])
    for cell in CELLS
]


@pytest.fixture(scope="session")
def cgroup() -> Iterator[str]:
    """Make a control group with little memory; give its folder, "" where that is not allowed."""
    folder = _make_cgroup()
    yield str(folder or "")
    if folder is not None:
        folder.rmdir()


def _make_cgroup() -> Path | None:
    for parent, limits in (
        ("/sys/fs/cgroup/memory", ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")),
        ("/sys/fs/cgroup", ("memory.max", "memory.swap.max")),
    ):
        folder = Path(parent, f"faults-{uuid.uuid4().hex}")
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            (folder / limits[0]).write_text(str(_MEMORY), encoding="ascii")
            if (folder / limits[1]).exists():
                (folder / limits[1]).write_text(str(_MEMORY), encoding="ascii")
        except OSError:
            folder.rmdir()
        else:
            return folder
    return None


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give an empty folder; this process's temporary files go into its folder `tmp`, too."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    yield tmp_path
    shutil.rmtree(tmp_path)  # pytest keeps the last three runs of each test: too many here


@pytest.mark.parametrize("cell", _PARAMETERS)
def test_cell(cell: Cell, folder: Path, cgroup: str) -> None:
    """What happens is what the table says, and nothing is left of it."""
    if cell.way == "cgroup" and not cgroup:
        pytest.skip("no control group may be made here")
    stage = Stage(cell, folder, cgroup)
    try:
        played = STORIES[cell.place](stage)
        getattr(verdicts, cell.word)(stage, played)
        played.executor.shutdown()
        stage.nothing_is_left()
    finally:
        stage.close()


def test_the_table_is_whole() -> None:
    """Every place has a story, every word a meaning, every way its words; a gap has a reason."""
    assert set(STORIES) == set(EXPECTED)
    words = {word for row in EXPECTED.values() for word in row.values()}
    assert words | set(WITHOUT_GIL.values()) == set(MEANINGS)
    assert {tuple(row) for row in EXPECTED.values()} == {tuple(WORDS)}
    assert len({str(cell) for cell in ALL}) == len(EXPECTED) * len(WORDS) * 2 * 2 * 4
    assert all(cell.meaningless for cell in set(ALL) - set(CELLS))
