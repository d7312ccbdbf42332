"""Socket pairs: each end is the other's, also where they are made over the loopback address."""

from __future__ import annotations

import socket

import pytest

from loky_backend._pairs import make_pair


class Loopback:
    """Makes socket pairs as the standard library does where the system has none.

    Args:
        strangers: in how many of them another program connects first.
    """

    def __init__(self, strangers: int) -> None:
        self.strangers = strangers
        self.opened: list[socket.socket] = []

    def socketpair(self) -> tuple[socket.socket, socket.socket]:
        """Return the end that was accepted, and the one that connected."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            if self.strangers:
                self.strangers -= 1
                self.opened.append(socket.create_connection(listener.getsockname()))
            client = socket.create_connection(listener.getsockname())
            server, _ = listener.accept()
        self.opened += [client, server]
        return server, client

    def close(self) -> None:
        """Close everything."""
        for end in self.opened:
            end.close()


def test_the_ends_are_connected() -> None:
    """What is sent at one end arrives at the other, both ways."""
    first, second = make_pair()
    with first, second:
        first.sendall(b"there")
        second.sendall(b"back")
        assert (second.recv(9), first.recv(9)) == (b"there", b"back")


@pytest.mark.parametrize("strangers", [0, 1, 5])
def test_a_stranger_is_not_let_in(strangers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection of another program is closed, and another port is tried."""
    loopback = Loopback(strangers)
    monkeypatch.setattr(socket, "socketpair", loopback.socketpair)
    first, second = make_pair()
    try:
        assert first.getpeername() == second.getsockname()
        first.sendall(b"secret")
        assert second.recv(9) == b"secret"
        assert sum(end.fileno() < 0 for end in loopback.opened) == 2 * strangers
    finally:
        loopback.close()


def test_strangers_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is always faster gets nothing but an error that names it."""
    loopback = Loopback(1000)
    monkeypatch.setattr(socket, "socketpair", loopback.socketpair)
    with pytest.raises(ConnectionError, match="another program"):
        make_pair()
    loopback.close()
