"""The example of the package's README, run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[2] / "packages" / "loky-backend" / "README.md"
EXAMPLE = re.compile(r"```python\n# (\w+\.py)\n(.*?)```\n+```text\n(.*?)```", re.DOTALL)


@pytest.mark.slow
def test_the_example_prints_what_the_readme_says(tmp_path: Path) -> None:
    """Saved under its name and run, the supervisor prints the text below it."""
    text = README.read_text(encoding="utf-8")
    [(name, source, expected)] = EXAMPLE.findall(text)
    assert text.count("```python") == 1
    (tmp_path / name).write_text(source, encoding="utf-8")
    command = [sys.executable, name]
    done = subprocess.run(
        command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True, timeout=30
    )
    assert done.stdout == expected
