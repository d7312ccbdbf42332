"""Physical cores, on recorded inputs of each system."""

from __future__ import annotations

import struct
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from loky_backend import _cores

if TYPE_CHECKING:
    from pathlib import Path

# Two sockets with two cores of two threads each; core ids repeat in the second socket.
CPUINFO = "".join(
    f"processor\t: {number}\nmodel name\t: Xeon\nphysical id\t: {socket}\nsiblings\t: 4\n"
    f"core id\t\t: {core}\ncpu cores\t: 2\n\n"
    for number, (socket, core) in enumerate(
        [(0, 0), (0, 1), (1, 0), (1, 1), (0, 0), (0, 1), (1, 0), (1, 1)]
    )
)

FREEBSD_SMT = """<groups>
 <group level="1" cache-level="0">
  <cpu count="8" mask="ff,0,0,0">0, 1, 2, 3, 4, 5, 6, 7</cpu>
  <children>
   <group level="2" cache-level="2">
    <cpu count="4" mask="f,0,0,0">0, 1, 2, 3</cpu>
    <children>
     <group level="3" cache-level="1">
      <cpu count="2" mask="3,0,0,0">0, 1</cpu>
      <flags><flag name="THREAD">THREAD group</flag><flag name="SMT">SMT group</flag></flags>
     </group>
     <group level="3" cache-level="1">
      <cpu count="2" mask="c,0,0,0">2, 3</cpu>
      <flags><flag name="THREAD">THREAD group</flag><flag name="SMT">SMT group</flag></flags>
     </group>
    </children>
   </group>
   <group level="2" cache-level="2"><cpu count="4" mask="f0,0,0,0">4, 5, 6, 7</cpu></group>
  </children>
 </group>
</groups>"""


def test_cpuinfo(tmp_path: Path) -> None:
    """Threads of one core count once; core 0 of two sockets are two cores."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cpuinfo").write_text(CPUINFO)
    assert _cores.cores_of_linux(str(tmp_path), None) == 4
    assert _cores.cores_of_linux(str(tmp_path), {0, 4}) == 1
    assert _cores.cores_of_linux(str(tmp_path), {0, 1, 2}) == 3


def test_cpuinfo_without_cores(tmp_path: Path) -> None:
    """An architecture that names no cores there (ARM) is unknown, not one core."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cpuinfo").write_text("processor\t: 0\nBogoMIPS\t: 48.0\n")
    with pytest.raises(_cores.CoresUnknownError, match="neither"):
        _cores.cores_of_linux(str(tmp_path), None)


def test_sysfs_comes_first(tmp_path: Path) -> None:
    """The files of sysfs are asked first; offline processors and other folders are skipped."""
    for number, (socket, core) in enumerate([(0, 0), (0, 0), (0, 4), (36, 0)]):
        topology = tmp_path / f"sys/devices/system/cpu/cpu{number}/topology"
        topology.mkdir(parents=True)
        (topology / "physical_package_id").write_text(f"{socket}\n")
        (topology / "core_id").write_text(f"{core}\n")
    for name in ("cpu4", "cpufreq", "cpuidle"):
        (tmp_path / "sys/devices/system/cpu" / name).mkdir()
    assert _cores.cores_of_linux(str(tmp_path), None) == 3
    assert _cores.cores_of_linux(str(tmp_path), {0, 1}) == 1


def test_freebsd() -> None:
    """Groups of threads count once, processors outside of such groups each."""
    assert _cores.cores_of_freebsd(FREEBSD_SMT) == 6
    plain = '<groups><group level="1"><cpu count="4" mask="f">0, 1, 2, 3</cpu></group></groups>'
    assert _cores.cores_of_freebsd(plain) == 4


@pytest.mark.parametrize("text", ["", "<groups>", "<groups/>", "no xml"])
def test_freebsd_nonsense(text: str) -> None:
    """A topology that cannot be read is unknown."""
    with pytest.raises(_cores.CoresUnknownError, match="topology_spec"):
        _cores.cores_of_freebsd(text)


def test_windows() -> None:
    """Each record of a core counts, whatever its size; records of other kinds do not."""

    def record(kind: int, size: int) -> bytes:
        return struct.pack("<II", kind, size) + bytes(size - 8)

    assert _cores.cores_of_windows(record(0, 48) * 3 + record(3, 80) + record(0, 64)) == 4


@pytest.mark.parametrize("records", [b"", b"\0" * 8, struct.pack("<II", 3, 8)])
def test_windows_nonsense(records: bytes) -> None:
    """Records without a core, or without a size, are unknown and end the reading."""
    with pytest.raises(_cores.CoresUnknownError):
        _cores.cores_of_windows(records)


@pytest.mark.parametrize(
    ("platform", "name", "answer", "expected"),
    [
        ("darwin", "hw.physicalcpu", "10\n", 10),
        ("freebsd14", "kern.sched.topology_spec", FREEBSD_SMT, 6),
    ],
)
def test_sysctl(
    monkeypatch: pytest.MonkeyPatch, platform: str, name: str, answer: str, expected: int
) -> None:
    """Both macOS and FreeBSD are asked with sysctl, without a shell, for the right name."""
    lines = []

    def run(line: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        lines.append(line[1:])
        return subprocess.CompletedProcess(line, 0, stdout=answer)

    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(subprocess, "run", run)
    assert _cores.physical_cores() == expected
    assert lines == [["-n", name]]


@pytest.mark.parametrize(
    "failure",
    [
        FileNotFoundError("sysctl"),
        subprocess.TimeoutExpired(["sysctl"], 10),
        subprocess.CalledProcessError(1, ["sysctl"]),
    ],
)
def test_sysctl_fails(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    """A sysctl that is missing, hangs or refuses makes the cores unknown."""

    def run(line: list[str], **options: Any) -> object:
        raise failure

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(_cores.CoresUnknownError, match="sysctl"):
        _cores.physical_cores()


def test_an_unknown_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without a known way says so."""
    monkeypatch.setattr(sys, "platform", "plan9")
    with pytest.raises(_cores.CoresUnknownError, match="plan9"):
        _cores.physical_cores()
