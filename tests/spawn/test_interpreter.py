"""Which interpreter a child runs, with which flags, and what it takes for the standard library."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import loky_spawn
from support.spawn_tools import ENTRIES, PATIENCE, ask, output_of

FLAGS = (
    "-O",
    "-OO",
    "-Wonce::UserWarning",
    "-Xfaulthandler",
    "-Xdev",
    "-Xint_max_str_digits=5000",
    "-I",
    "-E",
    "-s",
    "-S",
    "-B",
    "-u",
    "-b",
    "-bb",
    *(["-P"] if sys.version_info >= (3, 11) else []),
)

_COMPARE = """
import json, sys
FACTS = '''
import sys
names = [name for name in dir(sys.flags) if not name.startswith(("_", "n_"))]
facts = {name: getattr(sys.flags, name) for name in names if name not in ("count", "index")}
answer = [facts, sys._xoptions, sys.warnoptions, sys.stdout.write_through, sys.path]
'''
exec(FACTS)
if __name__ == "__main__":
    from support.spawn_tools import ask
    print(json.dumps([answer, ask(FACTS)]))
"""


@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_of_the_parent_holds_in_the_child(flag: str) -> None:
    """Flags, ``-X`` options, warnings options and `sys.path` are the same on both sides."""
    ours, its = json.loads(output_of(_COMPARE, flags=[flag]))
    assert ours == its


@pytest.mark.slow
def test_flags_do_not_pile_up_over_generations() -> None:
    """A grandchild has the same options as its grandparent, each once."""
    script = """
        import sys
        from support.spawn_tools import ask, prelude
        source = "import sys; answer = sys.warnoptions"
        nested = "from support.spawn_tools import ask; answer = ask(%r)" % source
        print(sys.warnoptions == ask(source) == ask(nested))
        """
    assert output_of(script, flags=["-Xdev", "-Werror", "-b"]) == "True\n"


@pytest.mark.parametrize("where", ["current folder", "script's folder"])
def test_a_namesake_of_the_standard_library_is_not_imported(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `pickle.py` beside the program breaks no child, neither early nor late."""
    for name in ("pickle", "socket", "fcntl", "marshal", "__future__", "json", "traceback", "zlib"):
        (tmp_path / f"{name}.py").write_text(f"raise RuntimeError('the wrong {name}')\n")
    (tmp_path / "own_module.py").write_text("VALUE = 5\n")
    if where == "current folder":
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", ["", *sys.path])
    else:
        monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    source = """
        import fcntl, json, pickle, socket, traceback, own_module
        import xml.dom.minidom
        answer = [handover.channels[0].family == socket.AF_UNIX, own_module.VALUE]
        """
    assert ask(source) == [True, 5]


def test_the_package_may_lie_among_namesakes(tmp_path: Path) -> None:
    """A copy of the package in a folder with a `fcntl.py` and a `zlib.py` works all the same."""
    import shutil

    for name in ("fcntl", "zlib", "marshal", "__future__"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('the wrong one')\n")
    shutil.copytree(Path(loky_spawn.__file__).parent, tmp_path / "loky_spawn")
    (tmp_path / "job.py").write_text("import zlib\ndef run(handover): raise SystemExit(4)\n")
    script = f"""
        import __future__, fcntl, marshal, zlib
        sys.path.insert(0, {str(tmp_path)!r})
        import loky_spawn
        assert loky_spawn.__file__.startswith({str(tmp_path)!r})
        with loky_spawn.spawn("job:run") as child:
            child.wait(60)
            print(child.exitcode)
        """
    assert output_of(script) == "4\n"


@pytest.mark.parametrize("nothing", ["", None])
def test_no_executable_is_a_clear_error(
    nothing: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where `sys.executable` is empty, the error says so and `set_executable` mends it."""
    python = sys.executable
    monkeypatch.setattr(sys, "executable", nothing)
    with pytest.raises(loky_spawn.InterpreterError, match="set_executable"):
        loky_spawn.spawn(f"{ENTRIES}:nothing")
    loky_spawn.set_executable(python)
    try:
        assert loky_spawn.get_executable() == python
        assert ask("answer = 1") == 1
    finally:
        loky_spawn.set_executable(None)


@pytest.mark.parametrize(
    ("make", "errno_name"), [("missing", "ENOENT"), ("locked", "EACCES"), ("garbled", "ENOEXEC")]
)
def test_an_interpreter_that_cannot_be_executed(make: str, errno_name: str, tmp_path: Path) -> None:
    """The error comes at once, with the path, the errno and what to try."""
    import errno

    program = tmp_path / "python"
    if make != "missing":
        program.write_bytes(b"\x7fELF of another kind")
        program.chmod(0o600 if make == "locked" else 0o700)
    with pytest.raises(loky_spawn.InterpreterError) as caught:
        loky_spawn.spawn(f"{ENTRIES}:nothing", python=program)
    assert caught.value.path == str(program)
    assert caught.value.errno == getattr(errno, errno_name)
    assert isinstance(caught.value, OSError)
    assert str(program) in str(caught.value)
    assert "set_executable" in str(caught.value)


def test_a_program_that_is_no_python_is_found_out() -> None:
    """A child that ends well but never came to its entry is reported as what it is."""
    with (
        loky_spawn.spawn(f"{ENTRIES}:nothing", python="/bin/true") as child,
        pytest.raises(loky_spawn.ChildFailedError, match="Is the interpreter a Python") as caught,
    ):
        child.check(PATIENCE)
    assert (caught.value.stage, caught.value.exitcode) == ("start", 0)
