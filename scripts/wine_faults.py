#!/usr/bin/env python3
"""Show what wine itself does wrong, without any code of this project.

Usage: python3 scripts/windows_env.py run -- scripts/wine_faults.py

Each check runs in a process of its own, since some faults end it. On Windows every line says
`fine`. One fault is not shown, as it comes and goes: once in some thousand calls CreateProcess
fails with `[WinError 1359] Internal error`.
"""

from __future__ import annotations

import subprocess
import sys

CHECKS = {
    "CopyFile2 exists": """
import ctypes, os, tempfile
folder = tempfile.mkdtemp()
source, target = os.path.join(folder, "a"), os.path.join(folder, "b")
open(source, "w").close()
assert ctypes.WinDLL("kernel32").CopyFile2(source, target, None) == 0
""",
    "os.getppid works (it calls PssCaptureSnapshot)": """
import nt
assert nt.getppid() > 0
""",
    "GetProcessHandleCount counts": """
import ctypes
count = ctypes.c_ulong()
kernel32 = ctypes.WinDLL("kernel32")
kernel32.GetCurrentProcess.restype = ctypes.c_void_p
this = ctypes.c_void_p(kernel32.GetCurrentProcess())
assert kernel32.GetProcessHandleCount(this, ctypes.byref(count)) and count.value > 0
""",
    "Ctrl-Break reaches a process group": """
import signal, subprocess, sys
words = [sys.executable, "-c", "import time; print(flush=True); time.sleep(20)"]
group = subprocess.CREATE_NEW_PROCESS_GROUP
with subprocess.Popen(words, stdout=subprocess.PIPE, creationflags=group) as child:
    child.stdout.readline()
    try:
        child.send_signal(signal.CTRL_BREAK_EVENT)
        child.wait(5)
    finally:
        child.kill()
""",
    "the C runtime has crealf (numpy 2.2 and later call it)": """
import ctypes
ctypes.CDLL("ucrtbase").crealf(0, 0)
""",
}


def main() -> int:
    """Run the checks; the exit code is the number of faults."""
    faults = 0
    for name, code in CHECKS.items():
        words = [sys.executable, "-c", code]
        flags = getattr(subprocess, "CREATE_NEW_CONSOLE", 0)
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, check=False, creationflags=flags
        )
        said = done.stderr.decode(errors="replace").strip().splitlines() or [""]
        faults += done.returncode != 0
        print(f"{name}: {'fine' if done.returncode == 0 else 'FAULT'} {said[-1][:120]}")
    return faults


if __name__ == "__main__":
    sys.exit(main())
