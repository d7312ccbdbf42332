"""CPU quotas of control groups, on recorded files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loky_backend._cgroups import cpu_quota

if TYPE_CHECKING:
    from pathlib import Path

V2 = "29 23 0:26 {root} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "33 31 0:30 {root} /sys/fs/cgroup/cpuset rw shared:9 - cgroup cgroup rw,cpuset\n"
)


def lay_out(folder: Path, memberships: str, mounts: str, files: dict[str, str]) -> str:
    """Write what the kernel would show; return the root to read it from."""
    everything = {
        "proc/self/cgroup": memberships,
        "proc/self/mountinfo": mounts,
        **{f"sys/fs/cgroup/{name}": text for name, text in files.items()},
    }
    for name, text in everything.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("150000 100000\n", 1.5),
        ("max 100000\n", None),
        ("50000 100000\n", 0.5),
        ("nonsense", None),
        ("", None),
        ("0 0", None),
    ],
)
def test_version_2_of_a_container(tmp_path: Path, text: str, expected: float | None) -> None:
    """In a container the process's group is the root of what it sees."""
    root = lay_out(tmp_path, "0::/\n", V2.format(root="/"), {"cpu.max": text})
    assert cpu_quota(root) == expected


def test_version_2_nested(tmp_path: Path) -> None:
    """The least quota of the process's own group and all above it counts; a sibling's does not."""
    files = {
        "a.slice/cpu.max": "300000 100000",
        "a.slice/b.service/cpu.max": "200000 100000",
        "a.slice/b.service/c/cpu.max": "max 100000",
        "a.slice/other/cpu.max": "10000 100000",
    }
    root = lay_out(tmp_path, "0::/a.slice/b.service/c\n", V2.format(root="/"), files)
    assert cpu_quota(root) == 2.0


def test_version_2_without_a_namespace(tmp_path: Path) -> None:
    """A container that sees its group under the host's name, mounted as the root, is found."""
    mounts = V2.format(root="/docker/abc")
    files = {"cpu.max": "400000 100000", "inner/cpu.max": "250000 100000"}
    assert cpu_quota(lay_out(tmp_path, "0::/docker/abc\n", mounts, files)) == 4.0
    assert cpu_quota(lay_out(tmp_path, "0::/docker/abc/inner\n", mounts, files)) == 2.5


def test_version_2_outside_of_the_namespace(tmp_path: Path) -> None:
    """A path that leads out of the namespace falls back to the mount itself."""
    files = {"cpu.max": "100000 100000"}
    root = lay_out(tmp_path, "0::/../../other\n", V2.format(root="/"), files)
    assert cpu_quota(root) == 1.0


def test_version_1_nested(tmp_path: Path) -> None:
    """With version 1 the hierarchy of the cpu controller counts, every level of it."""
    memberships = "4:cpuset:/x\n3:cpu,cpuacct:/job/step\n1:name=systemd:/\n0::/\n"
    files = {
        "cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "cpu,cpuacct/job/cpu.cfs_quota_us": "250000\n",
        "cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
        "cpu,cpuacct/job/step/cpu.cfs_quota_us": "-1\n",
        "cpu,cpuacct/job/step/cpu.cfs_period_us": "100000\n",
        "cpuset/x/cpu.cfs_quota_us": "1\n",
        "cpuset/x/cpu.cfs_period_us": "100000\n",
    }
    assert cpu_quota(lay_out(tmp_path, memberships, V1.format(root="/"), files)) == 2.5


def test_version_1_of_a_container(tmp_path: Path) -> None:
    """With version 1 a container's group is mounted as the root under the host's name."""
    files = {
        "cpu,cpuacct/cpu.cfs_quota_us": "75000\n",
        "cpu,cpuacct/cpu.cfs_period_us": "50000\n",
    }
    mounts = V1.format(root="/kubepods/pod1/abc")
    assert cpu_quota(lay_out(tmp_path, "2:cpu,cpuacct:/kubepods/pod1/abc\n", mounts, files)) == 1.5


def test_both_versions_at_once(tmp_path: Path) -> None:
    """In a hybrid layout the least quota of both hierarchies counts."""
    mounts = V1.format(root="/") + V2.format(root="/").replace("/cgroup rw", "/cgroup/unified rw")
    files = {
        "unified/u/cpu.max": "500000 100000",
        "cpu,cpuacct/v/cpu.cfs_quota_us": "600000",
        "cpu,cpuacct/v/cpu.cfs_period_us": "100000",
    }
    assert cpu_quota(lay_out(tmp_path, "3:cpu,cpuacct:/v\n0::/u\n", mounts, files)) == 5.0


def test_a_mount_point_with_a_blank(tmp_path: Path) -> None:
    """The kernel's escapes in paths are understood."""
    mounts = V2.format(root="/").replace("/sys/fs/cgroup", "/sys/fs/cgroup/my\\040groups")
    root = lay_out(tmp_path, "0::/\n", mounts, {"my groups/cpu.max": "100000 50000"})
    assert cpu_quota(root) == 2.0


@pytest.mark.parametrize("mounts", ["", "garbage\n", "1 2 3 - cgroup2\n", "1 2 0:1 / /x rw\n"])
def test_nothing_to_be_read(tmp_path: Path, mounts: str) -> None:
    """Without files, mounts or sense there is no quota, and no error."""
    assert cpu_quota(str(tmp_path / "nowhere")) is None
    assert cpu_quota(lay_out(tmp_path, "0::/\ngarbage\n", mounts, {})) is None
