r"""The CPU quota that control groups put on this process (Linux).

Facts:
- /proc/self/cgroup (cgroups(7)): ``0::PATH`` is the unified hierarchy (version 2),
  ``N:cpu,cpuacct:PATH`` one of version 1. PATH is seen from the process's cgroup namespace.
- /proc/self/mountinfo: ``id parent dev ROOT MOUNTPOINT options ... - TYPE source OPTIONS``;
  ROOT is the part of the hierarchy that this mount shows. A blank in a path is written ``\040``.
- A quota binds the group and all below it, so every group from the process's own up to the root
  of the mount counts. Version 2: ``cpu.max`` holds ``QUOTA PERIOD`` or ``max PERIOD``; version 1:
  ``cpu.cfs_quota_us`` (-1 for none) and ``cpu.cfs_period_us``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def cpu_quota(root: str = "/") -> float | None:
    """Return how many processors' worth of time this process may use.

    Args:
        root: the folder that holds ``proc`` and all mounts; tests put recorded files elsewhere.

    Returns:
        The least quota of all groups this process is in, such as 1.5; None if there is none, or
        nothing can be read.
    """
    base = root.rstrip("/")
    memberships = _read(f"{base}/proc/self/cgroup")
    mounts = _read(f"{base}/proc/self/mountinfo")
    if memberships is None or mounts is None:
        return None
    quotas = [
        quota
        for version, folder, top in _groups(memberships, mounts)
        for group in _upwards(folder, top)
        if (quota := _quota_of(base + group, version)) is not None
    ]
    return min(quotas, default=None)


def _groups(memberships: str, mounts: str) -> Iterator[tuple[int, str, str]]:
    """Yield (version, the process's group as a folder, mount point) for each CPU hierarchy."""
    paths = dict(_memberships(memberships))
    for version, shown, mount_point in _cpu_mounts(mounts):
        if version in paths:
            below = _below(paths[version], shown)
            yield version, mount_point.rstrip("/") + below, mount_point.rstrip("/")


def _memberships(text: str) -> Iterator[tuple[int, str]]:
    """Yield (version, path) for the hierarchies that can limit the processor."""
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            yield 2, path
        elif "cpu" in controllers.split(","):
            yield 1, path


def _cpu_mounts(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield (version, root, mount point) of the mounted hierarchies that have CPU quotas."""
    for line in text.splitlines():
        left, dash, right = line.partition(" - ")
        fields, kind = left.split(), right.split()
        if not dash or len(fields) < 5 or not kind:
            continue
        if kind[0] == "cgroup2":
            yield 2, _unescaped(fields[3]), _unescaped(fields[4])
        elif kind[0] == "cgroup" and "cpu" in kind[-1].split(","):
            yield 1, _unescaped(fields[3]), _unescaped(fields[4])


def _unescaped(path: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(code, character)
    return path


def _below(path: str, shown: str) -> str:
    """Return the path of a group below the part of the hierarchy that a mount shows."""
    path, shown = path.rstrip("/"), shown.rstrip("/")
    if ".." in path.split("/"):  # outside of this process's cgroup namespace
        return ""
    if path == shown or path.startswith(f"{shown}/"):
        return path[len(shown) :]
    return ""  # a container that is shown its own group as the root, under the host's name


def _upwards(folder: str, top: str) -> Iterator[str]:
    while True:
        yield folder
        if len(folder) <= len(top):
            return
        folder = folder.rpartition("/")[0]


def _quota_of(folder: str, version: int) -> float | None:
    if version == 2:
        text = _read(f"{folder}/cpu.max") or ""
    else:
        text = f"{_read(f'{folder}/cpu.cfs_quota_us')} {_read(f'{folder}/cpu.cfs_period_us')}"
    try:
        quota, period = (int(word) for word in text.split())
    except ValueError:  # "max", a missing file, something unknown: no quota
        return None
    return quota / period if quota > 0 and period > 0 else None


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:  # no such file, not permitted, not Linux
        return None
