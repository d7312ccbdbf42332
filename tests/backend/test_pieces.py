"""Pieces of frames for system calls that take one or many."""

from __future__ import annotations

import pytest

from loky_backend._pieces import drop_sent, first_of, views_of


@pytest.mark.parametrize("sizes", [[1], [10] * 20_000, [70_000, 5], [5, 70_000, 5], [65_535, 2, 9]])
def test_small_pieces_go_together(sizes: list[int]) -> None:
    """Sent one after the other they are the same bytes, in few calls."""
    pieces = [bytes([number % 256]) * size for number, size in enumerate(sizes)]
    views = views_of(pieces)
    sent = []
    while views:
        sent.append(first_of(views))
        drop_sent(views, len(sent[-1]))
    assert b"".join(sent) == b"".join(pieces)
    assert len(sent) <= 2 + sum(sizes) // 60_000
