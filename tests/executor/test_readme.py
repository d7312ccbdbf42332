"""The examples of the package's README run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.executor_scripts import run_code

README = Path(__file__).parents[2] / "packages" / "loky-executor" / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "printed"), [(0, "[0, 1, 4, 9, 16, 25, 36, 49, 64, 81]\n"), (-1, "3\n")]
)
def test_the_examples_run(number: int, printed: str) -> None:
    """Each prints what a reader would expect."""
    assert run_code(EXAMPLES[number]) == printed
