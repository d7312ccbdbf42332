"""What the parent hands to a child, as the child's entry sees it."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket


class Handover:
    """The single argument of an entry: bytes and sockets from the parent.

    Sockets are built on first use, since importing `socket` costs more than half of what starting
    a bare interpreter does; code that is content with descriptors never pays for it.

    Attributes:
        payload: the bytes given to `spawn`.
        descriptors: the channels as file descriptors, in the order given; () on Windows, where a
            socket is no descriptor: use `channels`. They belong to the entry.
        extra: the further descriptors given as ``pass_fds``, under the numbers they had in the
            parent.
        report: a descriptor of an anonymous file that the parent can read when this process is
            dead (`ChildProcess.report`), the natural place for `faulthandler` output; on Windows
            a pipe that keeps the first 64 KiB and never blocks; -1 where there is none.
    """

    __slots__ = ("_channels", "descriptors", "extra", "payload", "report")

    def __init__(
        self,
        payload: bytes,
        descriptors: "tuple[int, ...]",
        extra: "tuple[int, ...]" = (),
        report: int = -1,
        channels: "tuple[socket.socket, ...] | None" = None,
    ) -> None:
        self.payload = payload
        self.descriptors = descriptors
        self.extra = extra
        self.report = report
        self._channels = channels

    @property
    def channels(self) -> "tuple[socket.socket, ...]":
        """The channels as connected sockets, in the order given; the same objects every time."""
        if self._channels is None:
            import socket

            self._channels = tuple(socket.socket(fileno=fd) for fd in self.descriptors)
        return self._channels
