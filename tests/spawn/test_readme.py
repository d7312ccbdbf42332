"""The examples of the package's README, run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import loky_spawn
from support.spawn_tools import PATIENCE

README = Path(__file__).resolve().parents[2] / "packages" / "loky-spawn" / "README.md"
EXAMPLE = re.compile(r"```python\n# (\w+\.py)\n(.*?)```\n+```text\n(.*?)```", re.DOTALL)


def _examples() -> dict[str, tuple[str, str]]:
    found = EXAMPLE.findall(README.read_text(encoding="utf-8"))
    return {name: (source, output) for name, source, output in found}


@pytest.mark.slow
@pytest.mark.parametrize("name", _examples())
def test_an_example_prints_what_the_readme_says(name: str, tmp_path: Path) -> None:
    """Saved under its name and run, the example prints the text below it."""
    source, expected = _examples()[name]
    (tmp_path / name).write_text(source, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(Path(loky_spawn.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, name],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    assert expected == done.stdout


def test_no_example_is_left_out() -> None:
    """Every Python block of the README is one of those that are run; there are three."""
    text = README.read_text(encoding="utf-8")
    assert len(_examples()) == text.count("```python") == 3
