"""What a child is given: bytes, sockets, path, arguments, folder, streams."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import loky_spawn
from support.spawn_tools import ENTRIES, PATIENCE, TESTS, ask, output_of, read_all, running

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER_OF_PACKAGE = Path(loky_spawn.__file__).parents[1]


def test_bytes_go_in_and_come_back(without: str) -> None:
    """A child gets the payload and answers through its channel; its return is exit code 0."""
    with running("shout", payload=b"hello") as (child, channel):
        assert read_all(channel) == b"HELLO"
        assert child.wait(PATIENCE)
        assert child.exitcode == 0
        child.check(0)


@pytest.mark.slow
def test_a_large_payload_arrives_whole(without: str) -> None:
    """A payload larger than any pipe arrives; `spawn` does not wait for it to be read."""
    with running("shout", payload=b"a" * 3_000_000) as (_, channel):
        assert read_all(channel) == b"A" * 3_000_000


def test_several_channels_come_in_order() -> None:
    """Channels arrive as connected sockets in the order given, and as descriptors."""
    pairs = [socket.socketpair() for _ in range(3)]
    payload = b"""
for number, channel in enumerate(handover.channels):
    channel.sendall(b"%d" % number)
assert handover.channels is handover.channels
assert handover.descriptors == tuple(channel.fileno() for channel in handover.channels)
assert not any(channel.get_inheritable() for channel in handover.channels)
"""
    its = [pair[1] for pair in pairs]
    with loky_spawn.spawn(f"{ENTRIES}:run", payload=payload, channels=its) as child:
        assert child.wait(PATIENCE)
        received = [ours.recv(1) for ours, _ in pairs]
    for ours, theirs in pairs:
        ours.close()
        theirs.close()
    assert received == [b"0", b"1", b"2"]


def test_further_descriptors_keep_their_numbers() -> None:
    """`pass_fds` arrive under the parent's numbers, and are not inheritable any more."""
    read_end, write_end = os.pipe()
    answer = ask(
        """
        import os
        os.write(handover.extra[0], b"x")
        answer = [handover.extra, os.get_inheritable(handover.extra[0])]
        """,
        pass_fds=[write_end],
    )
    assert [[write_end], False] == answer
    assert os.read(read_end, 2) == b"x"
    os.close(read_end)
    os.close(write_end)


def test_path_and_arguments_are_those_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """`sys.path` and `sys.argv` are the parent's at the moment of the call, '' included."""
    monkeypatch.setattr(sys, "argv", ["program", "--flag", "ü"])
    monkeypatch.setattr(sys, "path", ["", "/no/such/folder", "/no/archive.zip", *sys.path])
    assert [sys.argv, sys.path] == ask("import sys; answer = [sys.argv, sys.path]")


def test_a_module_in_an_archive_on_the_path_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A zip file put on `sys.path` at run time serves the child as well."""
    archive = tmp_path / "modules.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("only_in_archive.py", "VALUE = 7\n")
    monkeypatch.syspath_prepend(str(archive))
    assert ask("import only_in_archive; answer = only_in_archive.VALUE") == 7


def test_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child works where its parent does, or in `cwd`; relative path entries then stay right."""
    home = tmp_path / "home"
    other = tmp_path / "other"
    home.mkdir()
    other.mkdir()
    (home / "found_by_relative_path.py").write_text("")
    monkeypatch.chdir(home)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    source = "import os, found_by_relative_path; answer = os.getcwd()"
    assert [str(home), str(other)] == [ask(source), ask(source, cwd=other)]


def test_working_directory_that_was_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A parent whose folder is gone can still start children."""
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.delenv("PYTHONPATH", raising=False)  # no Python starts here if it is relative
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert ask("answer = 1") == 1


def test_environment_is_the_parents_with_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """`env` sets and removes variables; what it does not name is inherited."""
    monkeypatch.setenv("SPAWN_KEPT", "kept")
    monkeypatch.setenv("SPAWN_GONE", "gone")
    answer = ask(
        """
        import os
        names = "SPAWN_KEPT", "SPAWN_GONE", "SPAWN_NEW"
        answer = [os.environ.get(name) for name in names]
        """,
        env={"SPAWN_GONE": None, "SPAWN_NEW": "new"},
    )
    assert answer == ["kept", None, "new"]


def test_standard_input_is_the_null_device() -> None:
    """A child reads the end of the file at once, and `subprocess.run` works in it."""
    answer = ask(
        """
        import subprocess, sys
        fed = subprocess.run(["cat"], input=b"fed", capture_output=True, check=True)
        unfed = subprocess.run(["cat"], capture_output=True, check=True)
        failed = subprocess.run(["sh", "-c", "exit 3"])
        answer = [sys.stdin.read(), fed.stdout.decode(), unfed.stdout.decode(), failed.returncode]
        """
    )
    assert answer == ["", "fed", "", 3]


def test_output_is_the_parents() -> None:
    """What a child prints appears where its parent prints."""
    script = """
        from support.spawn_tools import ask
        ask("print('out of the child', flush=True)")
        """
    assert output_of(script) == "out of the child\n"


def test_a_parent_without_standard_streams() -> None:
    """Where standard streams are closed, no descriptor of ours takes their place in the child."""
    script = """
        import os
        from support.spawn_tools import ask
        out = os.dup(1)
        for fd in (0, 1, 2):
            os.close(fd)
        source = "import os; answer = [os.readlink(f'/proc/self/fd/{fd}') for fd in (0, 1, 2)]"
        os.write(out, str(ask(source)).encode())
        """
    assert output_of(script) == "['/dev/null', '/dev/null', '/dev/null']"


def test_ignored_child_signal_is_not_passed_on() -> None:
    """A child's own children can be waited for although its parent ignores SIGCHLD."""
    script = """
        import signal
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        from support.spawn_tools import running, read_all
        line = ["sh", "-c", "exit 3"]
        source = f"import subprocess; answer = subprocess.run({line}).returncode"
        with running("run", payload=source.encode()) as (child, channel):
            print(read_all(channel).decode())
        """
    assert output_of(script) == "3\n"


def test_nothing_is_imported_before_the_entry(tmp_path: Path) -> None:
    """Before the entry a child loads nothing beside a bare interpreter but ours and fcntl."""
    (tmp_path / "says.py").write_text(
        "import os, sys\n"
        "def modules(handover): os.write(handover.descriptors[0], ' '.join(sys.modules).encode())\n"
    )
    bare = output_of("print(*sys.modules)").split()
    ours, its = socket.socketpair()
    sys.path.append(str(tmp_path))
    try:
        with ours, its, loky_spawn.spawn("says:modules", channels=[its]):
            its.close()
            loaded = set(read_all(ours).decode().split())
    finally:
        sys.path.remove(str(tmp_path))
    own = {f"loky_spawn{name}" for name in ("", "._child", "._cpython", "._handover")}
    assert loaded - set(bare) <= own | {"says", "fcntl", "marshal", "_signal"}


@pytest.mark.slow
def test_only_what_was_handed_over_is_open() -> None:
    """With 400 descriptors open in the parent and spawning threads, a child has its own."""
    script = """
        import os, threading
        from support.spawn_tools import ask
        for number in range(200):
            os.set_inheritable(os.open("/dev/null", os.O_RDONLY), True)
            os.open("/dev/null", os.O_RDONLY)
        source = '''
            import os
            kinds = {int(fd): os.readlink(f"/proc/self/fd/{fd}")
                     for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")}
            mine = {0, 1, 2, *handover.descriptors, handover.report}
            rest = [target for fd, target in kinds.items() if fd not in mine]
            inheritable = [fd for fd in kinds if fd > 2 and os.get_inheritable(fd)]
            answer = [rest, inheritable]
            '''
        answers = []
        def spawn_some():
            for _ in range(5):
                answers.append(ask(source))
        threads = [threading.Thread(target=spawn_some) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert len(answers) == 20
        for rest, inheritable in answers:
            assert [target.partition(":")[0] for target in rest] == ["pipe"], rest
            assert inheritable == [], inheritable
        """
    assert output_of(script) == ""


def test_threads_may_spawn_at_once(without: str) -> None:
    """Several threads that spawn at the same time each get their own child."""
    answers: list[bytes] = []

    def one(number: int) -> None:
        with running("shout", payload=b"child %d" % number) as (_, channel):
            answers.append(read_all(channel))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [b"CHILD %d" % number for number in range(8)] == sorted(answers)


def test_a_signal_mask_is_left_as_it_was() -> None:
    """`spawn` changes the mask of the calling thread for no longer than the call."""
    import signal

    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with running("run", payload=_ANSWER_MASK) as (_, channel):
        inside = read_all(channel)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    assert inside == b'[[], "default_int_handler"]'


_ANSWER_MASK = b"""
import signal
mask = [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())]
answer = [mask, signal.getsignal(signal.SIGINT).__name__]
"""


@pytest.mark.slow
@pytest.mark.parametrize("place", ["run time", "zipapp", "venv"])
def test_wherever_the_package_is_found(place: str, tmp_path: Path) -> None:
    """It works from a folder put on the path at run time, a zipapp, a virtual environment."""
    program = tmp_path / "program"
    program.mkdir()
    (program / "__main__.py").write_text(_PROGRAM)
    (program / "job.py").write_text("def run(handover): raise SystemExit(len(handover.payload))\n")
    line, folder = _prepared(place, program, tmp_path)
    environment = {**os.environ, "PACKAGE_FOLDER": folder, "PYTHONPATH": ""}
    done = subprocess.run(
        line, env=environment, capture_output=True, text=True, cwd="/", check=False
    )
    assert done.stdout == "7\n", done.stderr


_PROGRAM = """
import os, sys
sys.path.extend(filter(None, [os.environ["PACKAGE_FOLDER"]]))
import loky_spawn
if __name__ == "__main__":
    with loky_spawn.spawn("job:run", payload=b"1234567") as child:
        child.wait(60)
        print(child.exitcode)
"""


def _prepared(place: str, program: Path, scratch: Path) -> tuple[Sequence[str], str]:
    if place == "run time":
        return [sys.executable, str(program)], str(FOLDER_OF_PACKAGE)
    if place == "zipapp":
        import shutil
        import zipapp

        shutil.copytree(FOLDER_OF_PACKAGE / "loky_spawn", program / "loky_spawn")
        target = scratch / "program.pyz"
        zipapp.create_archive(program, target, compressed=True)
        return [sys.executable, str(target)], ""
    import venv

    venv.create(scratch / "venv", with_pip=False)
    (site,) = (scratch / "venv").glob("lib/python*/site-packages")
    (site / "package.pth").write_text(f"{FOLDER_OF_PACKAGE}\n")
    return [str(scratch / "venv" / "bin" / "python"), str(program)], ""


def test_helpers_are_where_the_children_look() -> None:
    """The folder of the test helpers is on the path, or every other test here would fail."""
    assert str(TESTS) in sys.path
