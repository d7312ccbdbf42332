"""What other systems lack: the sets of capabilities that tests switch off on this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loky_spawn import _capabilities

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

EVERYTHING = "pidfd,memfd,scm_rights,setsig,epoll,poll,kqueue"
NO_SELECTOR = "epoll,poll,kqueue"


def describe(names: str) -> str:
    """Return the id of a test that runs without some capabilities."""
    special = {"": "nothing", EVERYTHING: "everything", NO_SELECTOR: "all but select"}
    return f"without {special.get(names, names.replace(',', ' and '))}"


def switch_off(names: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Do without some capabilities, here and in children, until the fixture ends."""
    monkeypatch.setenv("LOKY_WITHOUT", names)
    _capabilities._known.clear()
    yield names
    _capabilities._known.clear()
