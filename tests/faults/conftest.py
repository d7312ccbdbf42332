"""The helpers of the matrix assert: what they compare is shown, as in a test."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("faults.support.stage", "faults.support.stories")
pytest.register_assert_rewrite("faults.support.verdicts")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the cells outside the core to those who name them: by marker or by their whole id."""
    if "matrix" in config.option.markexpr or any("[" in argument for argument in config.args):
        return
    left_out = [item for item in items if item.get_closest_marker("matrix")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("matrix")]
