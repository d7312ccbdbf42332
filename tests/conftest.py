"""What every test runs under: nothing it starts may outlive it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.leaks import Snapshot, leaked_since

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTLE_SECONDS = 5.0


@pytest.fixture(autouse=True)
def _leak_check(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test that leaves processes, threads, descriptors or shared memory behind."""
    marker = request.node.get_closest_marker("leaks_allowed")
    if marker is not None:
        if not (marker.args or marker.kwargs.get("reason")):
            pytest.fail("leaks_allowed needs a reason")
        yield
        return
    before = Snapshot.take()
    yield
    leaked = leaked_since(before, patience=SETTLE_SECONDS)
    if leaked:
        listing = "\n".join(f"  {line}" for line in leaked)
        pytest.fail(f"left behind, {SETTLE_SECONDS:g} s after the test:\n{listing}", pytrace=False)
