"""The choice of the pickler, and reducers."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import TYPE_CHECKING

import cloudpickle
import pytest

import loky_backend
from loky_backend import EncodingError, PicklerChoiceError, decode, encode, loads
from loky_backend._picklers import choice
from support import pickler_tasks
from support.pickler_tasks import Temperature, colder, warmer

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = pickler_tasks.__name__


@pytest.fixture(autouse=True)
def _no_choice(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin and end without any choice."""
    monkeypatch.delenv("LOKY_PICKLER", raising=False)
    registered = choice.registered
    yield
    monkeypatch.delenv("LOKY_PICKLER", raising=False)
    choice.registered = registered
    loky_backend.set_loky_pickler(None)


def answer(program: str, **environment: str) -> str:
    """Run a program with our packages on its path; return what it printed."""
    line = [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n{program}"]
    done = subprocess.run(line, capture_output=True, check=True, text=True, env=environment)
    return done.stdout.strip()


def test_the_default() -> None:
    """Without a choice the name and the class are cloudpickle's."""
    assert loky_backend.get_loky_pickler_name() == "cloudpickle"
    assert loky_backend.get_loky_pickler() is cloudpickle.Pickler


def test_pickle_alone_refuses_lambdas() -> None:
    """With "pickle" there is no cloudpickle behind it; None brings the default back."""
    loky_backend.set_loky_pickler("pickle")
    assert loky_backend.get_loky_pickler_name() == "pickle"
    assert loky_backend.get_loky_pickler() is pickle.Pickler
    assert decode(encode((abs, (1,), {})).body) == (abs, (1,), {})
    with pytest.raises(EncodingError, match="function"):
        encode((lambda: 1, (), {}))
    loky_backend.set_loky_pickler(None)
    assert decode(encode(lambda: 1).body)() == 1


def test_a_module_of_the_users() -> None:
    """Any module with a class Pickler will do; it is the one that is used."""
    loky_backend.set_loky_pickler(OURS)
    before = pickler_tasks.Pickler.dumps
    assert decode(encode([1, 2]).body) == [1, 2]
    assert loads(loky_backend.dumps({"a": 1})) == {"a": 1}
    assert pickler_tasks.Pickler.dumps == before + 2


def test_buffers_stay_out_of_band_with_a_chosen_pickler() -> None:
    """A chosen pickler that knows protocol 5 gives large buffers beside the pickle."""
    loky_backend.set_loky_pickler(OURS)
    data = pickle.PickleBuffer(bytearray(100_000))
    encoded = encode(data)
    assert [buffer.nbytes for buffer in encoded.buffers if isinstance(buffer, memoryview)] == [
        100_000
    ]
    assert len(encoded.body) < 1000


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no_such_module_at_all", "cannot import"),
        ("math", "no class 'Pickler'"),
        (".relative", "cannot import"),
        ("sys.nonsense", "cannot import"),
    ],
)
def test_nonsense_changes_nothing(name: str, reason: str) -> None:
    """A choice that cannot be used is refused by name, and the old one stays."""
    loky_backend.set_loky_pickler("pickle")
    with pytest.raises(PicklerChoiceError, match=reason) as caught:
        loky_backend.set_loky_pickler(name)
    assert name in str(caught.value)
    assert isinstance(caught.value, ImportError)
    assert loky_backend.get_loky_pickler_name() == "pickle"


@pytest.mark.slow
def test_the_environment_chooses() -> None:
    """LOKY_PICKLER is the choice until another is made."""
    program = "import loky_backend as b; print(b.get_loky_pickler_name(), b.get_loky_pickler())"
    assert answer(program, LOKY_PICKLER="pickle") == "pickle <class '_pickle.Pickler'>"


@pytest.mark.slow
def test_nonsense_in_the_environment_is_told_when_it_matters() -> None:
    """A wrong LOKY_PICKLER raises from `encode`, by name; the import works."""
    program = """
import loky_backend
try:
    loky_backend.encode(1)
except loky_backend.PicklerChoiceError as error:
    print(error)
loky_backend.set_loky_pickler("pickle")
print(loky_backend.loads(loky_backend.dumps(1)))
"""
    text, value = answer(program, LOKY_PICKLER="nonsense").splitlines()
    assert text.startswith("LOKY_PICKLER=nonsense: cannot import 'nonsense'")
    assert value == "1"


def test_reducers_of_a_call_come_before_registered_ones() -> None:
    """`register` holds for all, `reducers` for one call and first; others are not touched."""
    warm = Temperature(20)
    assert loads(loky_backend.dumps(warm, {Temperature: colder})).degrees == 19
    loky_backend.register(Temperature, warmer)
    assert loads(loky_backend.dumps([warm]))[0].degrees == 21
    assert decode(encode(warm, {Temperature: colder}).body).degrees == 19
    assert loads(loky_backend.dumps(warm, {str: colder})).degrees == 21  # type: ignore[dict-item]


def test_reducers_hold_with_cloudpickle() -> None:
    """A reducer is used too where a lambda makes cloudpickle necessary."""
    loky_backend.register(Temperature, warmer)
    function, temperature = loads(loky_backend.dumps((lambda: 5, Temperature(1))))
    assert (function(), temperature.degrees) == (5, 2)


@pytest.mark.parametrize("companion", ["plain", "__main__", lambda: 5])
def test_a_reducer_is_called_once(companion: object) -> None:
    """For each object, also where cloudpickle is necessary: joblib's counts references to files."""
    reduced: list[Temperature] = []

    def count(temperature: Temperature) -> tuple[object, ...]:
        reduced.append(temperature)
        return warmer(temperature)

    warm = Temperature(20)
    loky_backend.encode((companion, warm), {Temperature: count})
    loky_backend.register(Temperature, count)
    loky_backend.encode((companion, warm))
    assert reduced == [warm, warm]


@pytest.mark.parametrize("name", ["pickle", "cloudpickle", OURS])
def test_reducers_hold_with_every_pickler(name: str) -> None:
    """A reducer is used whatever pickler was chosen."""
    loky_backend.set_loky_pickler(name)
    loky_backend.register(Temperature, warmer)
    assert loads(loky_backend.dumps(Temperature(1))).degrees == 2


def test_register_refuses_nonsense() -> None:
    """A type and a callable are needed."""
    with pytest.raises(TypeError, match="needs a type"):
        loky_backend.register(Temperature(1), warmer)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="callable"):
        loky_backend.register(Temperature, 5)  # type: ignore[arg-type]


def test_settings_travel() -> None:
    """What was chosen here can be applied there, with the reducers of answers."""
    assert loky_backend.pack_settings() is None
    loky_backend.register(Temperature, warmer)
    loky_backend.set_loky_pickler("cloudpickle")
    packed = loky_backend.pack_settings({Temperature: colder})
    assert packed is not None
    loky_backend.set_loky_pickler(None)
    choice.registered = {}
    assert loky_backend.apply_settings(packed) == {Temperature: colder}
    assert loky_backend.get_loky_pickler_name() == "cloudpickle"
    assert choice.registered == {Temperature: warmer}


def test_modules_registered_by_value() -> None:
    """A module that the user told cloudpickle to send by value is sent so."""
    cloudpickle.register_pickle_by_value(pickler_tasks)
    try:
        assert b"_make_skeleton_class" in encode(Temperature(1)).body
    finally:
        cloudpickle.unregister_pickle_by_value(pickler_tasks)
    assert b"_make_skeleton_class" not in encode(Temperature(1)).body


@pytest.mark.slow
def test_encoding_imports_nothing() -> None:
    """Plain objects are encoded and decoded without the modules a plain worker does without."""
    program = """
import sys
from loky_backend import decode, encode
decode(encode((abs, ([1.5, "x", {2}],), {"y": b"z"})).body)
heavy = {"cloudpickle", "concurrent.futures", "enum", "logging", "multiprocessing", "numpy",
         "pickle", "psutil", "re", "subprocess"}
print(sorted(heavy & set(sys.modules)))
"""
    line = f"import sys; sys.path[:] = {sys.path!r}\n{program}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", line], capture_output=True, check=True, text=True
    )
    assert done.stdout.strip() == "[]"
