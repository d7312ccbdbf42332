"""File systems that are full, read-only or not there: a pool needs none of them."""

from __future__ import annotations

import sys

import pytest

from support.executor_scripts import run_code
from support.fault_programs import A_LIFE, ITS_OUTPUT, with_mounts

pytestmark = [
    pytest.mark.faults,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="mount namespaces are those of Linux"),
]

PLACES = {
    "/dev/shm full": (
        "mount -t tmpfs -o size=4k tmpfs /dev/shm",
        "{ head -c 8192 /dev/zero >/dev/shm/filled 2>/dev/null || true; }",
    ),
    "/dev/shm read-only": ("mount -t tmpfs -o ro tmpfs /dev/shm",),
    "/dev/shm absent": (
        "mount -t tmpfs tmpfs /mnt",
        "touch /mnt/null /mnt/zero /mnt/urandom",
        "for name in null zero urandom; do mount --bind /dev/$name /mnt/$name || exit 1; done",
        "mount --rbind /mnt /dev",
        "test ! -e /dev/shm",
    ),
    "everything read-only": (
        "mount --bind /tmp /tmp",
        "mount -o remount,bind,ro /tmp",
        "mount -o remount,bind,ro /",
        "cd /",  # the current folder may be on a disk of its own
        "! touch /tmp/writable /var/tmp/writable /writable 2>/dev/null",
    ),
    "/proc not mounted": ("mount -t tmpfs tmpfs /proc", "test ! -e /proc/self"),
    "/sys not mounted": ("mount -t tmpfs tmpfs /sys",),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_life_without(place: str) -> None:
    """Work, large data, crashes, time limits and the end are what they are elsewhere."""
    wrapper = with_mounts(*PLACES[place])
    assert run_code(A_LIFE, wrapper=wrapper, seconds=60) == ITS_OUTPUT


def test_no_place_for_a_temporary_file() -> None:
    """Where there is no memfd either, no worker can start: an error that says so."""
    program = """
    from loky import ProcessPoolExecutor
    with ProcessPoolExecutor(2) as executor:
        error = executor.submit(abs, -1).exception()
        print(type(error).__name__, "temporary directory" in str(error))
    """
    wrapper = with_mounts(*PLACES["everything read-only"])
    told = run_code(program, wrapper=wrapper, env={"LOKY_WITHOUT": "memfd"})
    assert told == "WorkerStartError True\n"
