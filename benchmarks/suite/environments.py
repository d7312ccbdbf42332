"""The two environments: ours and the peers', which cannot be one, as both import as `loky`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEERS = (
    "loky==3.7.*", "Pebble", "deadpool-executor", "mpire", "joblib", "ray", "distributed",
    "numpy", "psutil",
)  # fmt: skip
OURS = ("loky-spawn", "loky-backend", "loky-executor", "loky-reusable")


def has(python: str, *modules: str) -> bool:
    """Say whether that interpreter can import these modules."""
    code = "import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, sys.argv[1:])))"
    return subprocess.run([python, "-c", code, *modules], check=False).returncode == 0


def _build(name: str) -> str:
    """Make a fresh environment under `.cache`, or return the one that is there."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = ROOT / ".cache" / "bench" / f"{name}-{version}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        print(f"making the environment {folder.relative_to(ROOT)}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    return str(python)


def _install(python: str, *what: str) -> str:
    """Install; return the reason if that fails, else nothing."""
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    lines = done.stderr.strip().splitlines()
    return "" if done.returncode == 0 else (lines[-1] if lines else "pip failed")


def ours() -> str:
    """Return an interpreter with our packages, numpy and psutil: this one if it has them."""
    wanted = ("loky_reusable", "numpy", "psutil")
    if has(sys.executable, *wanted):
        return sys.executable
    python = _build("ours")
    if not has(python, *wanted):
        editable = [part for name in OURS for part in ("-e", str(ROOT / "packages" / name))]
        reason = _install(python, *editable, "numpy", "psutil")
        if reason:
            sys.exit(f"our own packages cannot be installed: {reason}")
    return python


def compile_ours(python: str) -> None:
    """Write the byte code of our packages, as pip does for what it installs from wheels.

    Packages that are only on the path get theirs at the first import, or never, if
    ``PYTHONDONTWRITEBYTECODE`` is set: then every process compiles all of ours and none of a peer.
    """
    code = (
        "import compileall as c, importlib.util as u, sys\n"
        "homes = [u.find_spec(name).submodule_search_locations[0] for name in sys.argv[1:]]\n"
        "sys.exit(not all(c.compile_dir(home, quiet=1) for home in homes))"
    )
    names = [name.replace("-", "_") for name in OURS]
    subprocess.run([python, "-c", code, *names, "loky"], check=True)


def peers() -> tuple[str, dict[str, str]]:
    """Return an interpreter with the peers, and for each that cannot be installed the reason."""
    python = _build("peers")
    failed = {}
    if not has(python, "loky", "pebble", "deadpool", "mpire", "joblib", "ray", "distributed"):
        for peer in PEERS:
            reason = _install(python, peer)
            if reason:
                failed[peer.split("=")[0]] = reason
    return python, failed
