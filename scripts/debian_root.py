"""A Debian sid in a folder: brought by debootstrap, entered by chroot, with the checkout in it.

Rules:
1. Nothing is mounted but in a mount namespace of the process that needs it: the kernel takes the
   mounts away with the process, however it ends, and no other process ever sees them.
2. A folder that exists is complete: it is made under another name and renamed.

Facts:
- debootstrap(8), mount(2), chroot(2) and unshare(2) take root, and a container may be refused them.
- Without a mirror debootstrap takes Debian's own, and leaves its address in `sources.list`.
- A mirror may be a copy of some age; apt refuses one after a week, unless told otherwise.
- unshare(1) makes the mounts below `/` private: inside, that only goes if the root is a mount.
- Names resolve and certificates are trusted as outside: both files are copied in before each run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
CACHE = CHECKOUT / ".cache" / "debian"
INSIDE = "/checkout"  # where the checkout is, inside
COPIED = ("etc/resolv.conf", "etc/ssl/certs/ca-certificates.crt")
PASSED_ON = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")

# $1 is the root, $2 the checkout; the rest is the command.
ENTER = f"""
set -e
root=$1 checkout=$2
shift 2
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/dev/shm"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mkdir -p "$root{INSIDE}"
mount --bind "$checkout" "$root{INSIDE}"
exec chroot "$root" sh -c 'cd {INSIDE} && exec "$@"' sh "$@"
"""


class Trouble(Exception):  # noqa: N818 - it is what happened to a script, told to its user
    """What keeps this machine from having a Debian sid; its text says what."""


class DebianRoot:
    """A Debian sid of its own.

    Args:
        folder: where it is, or is to be.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def bring(self) -> None:
        """Make it, if it is not there.

        Raises:
            Trouble: this machine does not allow it, or has no network.
        """
        if sys.platform != "linux" or os.geteuid() != 0:
            raise Trouble("needs root on Linux: it is a chroot with mounts")
        if self.folder.is_dir():
            return
        program = _debootstrap()
        say(f"debootstrap of Debian sid into {self.folder} (once)")
        draft = self.folder.with_name(f"{self.folder.name}.{os.getpid()}")
        draft.mkdir(parents=True)
        words = [program, "--variant=minbase", "--include=ca-certificates", "sid", str(draft)]
        try:
            _quietly(words)
            draft.rename(self.folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def install(self, *packages: str) -> None:
        """Install Debian packages, if one of them is not there.

        Raises:
            Trouble: one of them is not in Debian sid, or cannot be brought.
        """
        query = ["dpkg-query", "--show", "--showformat", "${db:Status-Status} ", *packages]
        there = subprocess.run(
            self._line(query), env=settings(), capture_output=True, text=True, check=False
        )
        if there.returncode == 0 and there.stdout.split() == ["installed"] * len(packages):
            return
        say(f"installing {', '.join(packages)}")
        self.quietly(["apt-get", "update", "-q", "-o", "Acquire::Check-Valid-Until=false"])
        self.quietly(["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages])

    def quietly(self, words: list[str], **further: str) -> None:
        """Run a command that only has something to say if it fails.

        Raises:
            Trouble: it failed; the text ends with the end of what it said.
        """
        self._refresh()
        _quietly(self._line(words), settings(**further))

    def run(self, words: list[str], **further: str) -> int:
        """Run a command whose output is wanted; return its exit code.

        Args:
            words: the command.
            further: environment variables.
        """
        self._refresh()
        line = self._line(words)
        code = subprocess.run(line, check=False, env=settings(**further)).returncode
        sys.stdout.flush()
        return code

    def _line(self, words: list[str]) -> list[str]:
        enter = ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "sh"]
        return [*enter, str(self.folder), str(CHECKOUT), *words]

    def _refresh(self) -> None:
        for name in COPIED:
            if Path("/", name).is_file():
                shutil.copyfile(Path("/", name), self.folder / name)


def settings(**further: str) -> dict[str, str]:
    """Return the environment of a command inside: nothing of ours but how to reach the network."""
    names = [name for name in os.environ if name in PASSED_ON or name.startswith("PIP_")]
    return {
        **{name: os.environ[name] for name in names},
        "DEBIAN_FRONTEND": "noninteractive",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        **further,
    }


def say(line: str) -> None:
    """Print a line of a script's own."""
    print(f"{Path(sys.argv[0]).name}: {line}", flush=True)


def _debootstrap() -> str:
    """Return the path of debootstrap; install it if it is missing."""
    found = shutil.which("debootstrap", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found:
        return found
    if not shutil.which("apt-get"):
        raise Trouble("needs debootstrap, and there is no apt-get to install it with")
    say("installing debootstrap")
    own = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _quietly(["apt-get", "update", "-q"], own)
    words = ["apt-get", "install", "-q", "-y", "--no-install-recommends"]
    _quietly([*words, "debootstrap", "debian-archive-keyring"], own)
    return "/usr/sbin/debootstrap"


def _quietly(words: list[str], env: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        words,
        check=False,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode:
        end = "\n".join(done.stdout.splitlines()[-20:])
        raise Trouble(f"`{words[0]}` failed ({done.returncode}):\n{end}")
