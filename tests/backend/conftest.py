"""What the backend tests share: an owner of workers, and named pipes to meet them at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.backend_owner import Owner
from support.backend_post import Post

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def owner() -> Iterator[Owner]:
    """Give an owner of workers; what it was told is checked at the end."""
    with Owner() as owner:
        yield owner


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    """Give a named pipe."""
    post = Post(tmp_path)
    yield post
    post.close()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Post]:
    """Give another named pipe."""
    gate = Post(tmp_path, "gate")
    yield gate
    gate.close()
