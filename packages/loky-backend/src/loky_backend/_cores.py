"""How many physical cores there are: one small function for each system, and its parser.

Facts:
- Linux numbers cores within a socket, so a core is the pair (socket, core id). sysfs has it on
  every architecture (``topology/physical_package_id``, ``core_id``); /proc/cpuinfo on some.
- FreeBSD, smp(4): ``kern.sched.topology_spec`` is XML; a group with the flag THREAD or SMT is one
  core.
- Windows, GetLogicalProcessorInformationEx: records of variable size, each begins with its kind
  and its size (two 32-bit numbers); kind 0 (RelationProcessorCore) is one core.
"""

from __future__ import annotations

import os
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_RELATION_PROCESSOR_CORE = 0
_SYSCTL_SECONDS = 10.0


class CoresUnknownError(Exception):
    """The system does not say which processors share a core."""


def physical_cores(allowed: Collection[int] | None = None) -> int:
    """Return the number of physical cores.

    Args:
        allowed: the processors that count (Linux only); None for all.

    Raises:
        CoresUnknownError: nothing on this system tells; its message says what was tried.
    """
    try:
        if sys.platform == "linux":
            return cores_of_linux("/", allowed)
        if sys.platform == "darwin":
            return checked(int(_sysctl("hw.physicalcpu")))
        if sys.platform == "win32":
            return cores_of_windows(_processor_information())
        if sys.platform.startswith("freebsd"):
            return cores_of_freebsd(_sysctl("kern.sched.topology_spec"))
    except (OSError, ValueError) as error:
        raise CoresUnknownError(f"{type(error).__name__}: {error}") from error
    raise CoresUnknownError(f"there is no way known on {sys.platform}")


def checked(count: int) -> int:
    """Return a count that makes sense, else raise."""
    if count < 1:
        raise CoresUnknownError(f"the system says {count}")
    return count


def cores_of_linux(root: str, allowed: Collection[int] | None) -> int:
    """Count the cores of the allowed processors, by sysfs, else by /proc/cpuinfo."""
    base = root.rstrip("/")
    places = _from_sysfs(f"{base}/sys/devices/system/cpu")
    if not places:
        with open(f"{base}/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            places = places_of_cpuinfo(file)
    if not places:
        raise CoresUnknownError("neither /sys nor /proc/cpuinfo names sockets and cores")
    mine = {place for number, place in places.items() if allowed is None or number in allowed}
    return checked(len(mine))


def _from_sysfs(folder: str) -> dict[int, tuple[str, str]]:
    """Return processor number -> (socket, core id)."""
    places = {}
    try:
        names = os.listdir(folder)
    except OSError:  # no sysfs in this container
        return {}
    for name in names:
        if name.startswith("cpu") and name[3:].isdecimal():
            topology = f"{folder}/{name}/topology"
            try:
                place = (_line(f"{topology}/physical_package_id"), _line(f"{topology}/core_id"))
            except OSError:  # an offline processor has no topology
                continue
            places[int(name[3:])] = place
    return places


def _line(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read().strip()


def places_of_cpuinfo(lines: Iterable[str]) -> dict[int, tuple[str, str]]:
    """Return processor number -> (socket, core id) for those that name both."""
    places: dict[int, tuple[str, str]] = {}
    facts: dict[str, str] = {}
    for line in (*lines, ""):
        key, _, value = line.partition(":")
        if key.strip():
            facts[key.strip()] = value.strip()
            continue
        if {"processor", "physical id", "core id"} <= facts.keys():
            places[int(facts["processor"])] = (facts["physical id"], facts["core id"])
        facts = {}
    return places


def cores_of_freebsd(xml: str) -> int:
    """Count the cores in a topology: a group of hardware threads is one, a lone processor too."""
    from xml.etree import ElementTree as ET

    try:
        top = ET.fromstring(xml)
    except ET.ParseError as error:
        raise CoresUnknownError(f"kern.sched.topology_spec: {error}") from error
    processors = top.find("group/cpu")
    if processors is None:
        raise CoresUnknownError("kern.sched.topology_spec names no processors")
    count = int(processors.get("count", "0"))
    for group in top.iter("group"):
        flags = {flag.get("name") for flag in group.findall("flags/flag")}
        threads = group.find("cpu")
        if flags & {"THREAD", "SMT"} and threads is not None:
            count -= int(threads.get("count", "1")) - 1
    return checked(count)


def cores_of_windows(records: bytes) -> int:
    """Count the records of cores in what GetLogicalProcessorInformationEx filled."""
    count = place = 0
    while place + 8 <= len(records):
        kind, size = struct.unpack_from("<II", records, place)
        if size < 8:
            raise CoresUnknownError(f"a record of {size} bytes at {place}")
        count += kind == _RELATION_PROCESSOR_CORE
        place += size
    return checked(count)


def _processor_information() -> bytes:
    if sys.platform != "win32":
        raise AssertionError("a call of Windows")
    import ctypes

    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    call = kernel32.GetLogicalProcessorInformationEx
    size = ctypes.c_ulong(0)
    call(_RELATION_PROCESSOR_CORE, None, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    if not call(_RELATION_PROCESSOR_CORE, buffer, ctypes.byref(size)):
        raise ctypes.WinError(ctypes.get_last_error())
    return buffer.raw[: size.value]


def _sysctl(name: str) -> str:
    import subprocess

    line = ["/sbin/sysctl" if os.path.exists("/sbin/sysctl") else "sysctl", "-n", name]
    limit = _SYSCTL_SECONDS
    try:
        done = subprocess.run(line, capture_output=True, text=True, check=True, timeout=limit)
    except subprocess.SubprocessError as error:
        raise CoresUnknownError(f"{' '.join(line)}: {error}") from error
    return done.stdout.strip()
