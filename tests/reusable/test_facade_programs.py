"""The same small programs print the same with the facade as with the released loky 3.7.0."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from scripts.compare_facade import programs, run

if TYPE_CHECKING:
    from typing import Any

RECORD = Path(__file__).with_name("loky_3_7.json")
PRINTED: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))["programs"]
# What the released one prints on Windows instead: there are fewer start methods and signals.
WINDOWS = {
    "contexts.py": ("'fork', 'forkserver', ", ""),
    "reducers.py": ("SIGKILL(-9)", "UNKNOWN(-9)"),
}


@pytest.mark.slow
@pytest.mark.parametrize("program", programs(), ids=lambda path: str(path.stem))
def test_it_prints_what_the_released_one_does(program: Path) -> None:
    """What a program written for loky 3.7 prints has not changed."""
    expected = PRINTED[program.name]
    if sys.platform == "win32" and program.name in WINDOWS:
        expected = expected.replace(*WINDOWS[program.name])
    assert run(sys.executable, program) == expected


def test_every_program_has_its_record() -> None:
    """None is left out, none is recorded that is gone."""
    assert sorted(PRINTED) == [path.name for path in programs()]
