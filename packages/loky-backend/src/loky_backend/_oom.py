"""Whether the kernel's out-of-memory killer struck: counters before and after a death.

Facts:
- cgroup v2, memory.events: a line ``oom_kill N``, counting this group and those below it.
- cgroup v1, memory.oom_control: a line ``oom_kill N`` (Linux 4.13).
- ``/proc/vmstat`` has ``oom_kill`` for the whole machine (Linux 4.13).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def oom_kills(root: str = "") -> int | None:
    """Return how many processes the kernel killed for memory, as far as can be told.

    Args:
        root: a folder that stands for ``/``, for tests.

    Returns:
        The counter of the nearest group that has one, else the machine's; None if none is readable.
    """
    for path in _candidates(root):
        try:
            with open(path, encoding="ascii") as file:
                for line in file:
                    name, _, count = line.partition(" ")
                    if name == "oom_kill":
                        return int(count)
        except (OSError, ValueError):
            continue
    return None


def _candidates(root: str) -> Iterator[str]:
    try:
        with open(f"{root}/proc/self/cgroup", encoding="utf-8") as file:
            groups = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        groups = []
    for _, controllers, path in (group for group in groups if len(group) == 3):
        if not controllers:
            yield f"{root}/sys/fs/cgroup{path.rstrip('/')}/memory.events"
            yield f"{root}/sys/fs/cgroup/unified{path.rstrip('/')}/memory.events"
        elif "memory" in controllers.split(","):
            yield f"{root}/sys/fs/cgroup/memory{path.rstrip('/')}/memory.oom_control"
    yield f"{root}/proc/vmstat"
