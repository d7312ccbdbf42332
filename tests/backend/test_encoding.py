"""Objects to bytes and back: plain values, buffers, the whole in one piece."""

from __future__ import annotations

import array
import io
import pickle
import sys
from types import ModuleType
from typing import Any

import pytest

import loky_backend
from loky_backend import decode, encode, encode_whole
from support.pickler_tasks import Temperature


def there_and_back(value: object) -> Any:
    """Encode, copy the buffers as a channel does, decode."""
    encoded = encode(value)
    return decode(encoded.body, [bytearray(buffer) for buffer in encoded.buffers])


@pytest.mark.parametrize(
    "value",
    [
        None,
        (abs, (1,), {}),
        {"a": [1, 2.5, "x", b"y", {3}, frozenset({4})], (5,): ...},
        b"x" * 100_000,
        bytearray(b"y" * 100_000),
        array.array("d", range(10_000)),
        array.array("i"),
        "text" * 100_000,
        bytearray(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_come_back(value: object) -> None:
    """What goes in comes out, of the same type."""
    again = there_and_back(value)
    assert again == value
    assert type(again) is type(value)
    assert decode(encode_whole(value)) == value


@pytest.mark.parametrize(
    "view",
    [
        memoryview(b"abc"),
        memoryview(bytearray(100_000)),
        memoryview(array.array("d", range(1000))),
        memoryview(array.array("i", range(12))).cast("B").cast("i", (3, 4)),
        memoryview(b"abcdef")[::2],
        memoryview(b""),
    ],
    ids=["bytes", "large", "doubles", "two dimensions", "strided", "empty"],
)
def test_a_memoryview(view: memoryview) -> None:
    """A memoryview comes back as one, of the same form, writable if it was."""
    again = there_and_back((view,))[0]
    assert again == view
    assert (again.format, again.shape) == (view.format, view.shape)
    assert again.readonly == view.readonly
    assert decode(encode_whole(view)) == view
    assert len(encode((view,)).buffers) == (view.nbytes > 4096)


def test_a_pickle_buffer_travels_without_a_copy() -> None:
    """What is given as a PickleBuffer is a view of the very memory; writable memory stays so."""
    data = bytearray(b"z" * 10_000)
    encoded = encode(pickle.PickleBuffer(data))
    assert len(encoded.buffers) == 1
    data[0] = 1
    assert bytes(encoded.buffers[0])[0] == 1
    again = memoryview(decode(encoded.body, [bytearray(encoded.buffers[0])]))
    assert not again.readonly
    assert again == data


def test_small_buffers_stay_inside() -> None:
    """A small buffer is cheaper inside the pickle."""
    encoded = encode(pickle.PickleBuffer(bytearray(100)))
    assert list(encoded.buffers) == []


def test_a_read_only_buffer_comes_back_read_only() -> None:
    """A pickle of read-only memory is read-only again, whatever the channel's memory is."""
    again = there_and_back(pickle.PickleBuffer(b"q" * 10_000))
    assert memoryview(again).readonly


def test_the_size_counts_all() -> None:
    """`Encoded.size` is body and buffers."""
    encoded = encode(pickle.PickleBuffer(bytearray(10_000)))
    assert encoded.size == len(encoded.body) + 10_000


def test_lambdas_and_local_classes_come_back() -> None:
    """What cannot be found by name goes by value."""

    class Local:
        value = 3

    assert there_and_back(lambda: 4)() == 4
    assert there_and_back(Local()).value == 3
    assert decode(encode_whole(lambda: 4))() == 4


def test_the_main_module_goes_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function of ``__main__`` is not sent by its name, which means another one elsewhere."""

    def function() -> int:
        return 11

    function.__module__ = "__main__"
    function.__qualname__ = "function"
    monkeypatch.setattr(sys.modules["__main__"], "function", function, raising=False)
    body = encode((function, (), {})).body
    monkeypatch.delattr(sys.modules["__main__"], "function")
    assert decode(body)[0]() == 11


def test_encoding_while_cloudpickle_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread is in the middle of that: its module is there, and empty still."""
    monkeypatch.setitem(sys.modules, "cloudpickle", ModuleType("cloudpickle"))
    assert decode(encode([1, 2]).body) == [1, 2]
    assert decode(encode_whole({"a": memoryview(b"b")}))["a"] == b"b"


def test_a_refused_attempt_leaves_no_buffers() -> None:
    """Buffers collected before the C pickler refused are not sent twice."""
    data = bytearray(10_000)
    encoded = encode((pickle.PickleBuffer(data), lambda: 1))
    assert len(encoded.buffers) == 1
    again, function = decode(encoded.body, [bytearray(buffer) for buffer in encoded.buffers])
    assert (len(again), function()) == (10_000, 1)


def test_dump_dumps_loads() -> None:
    """The three work like those of `pickle`, for what it refuses too."""
    file = io.BytesIO()
    loky_backend.dump(lambda: 6, file)
    assert loky_backend.loads(file.getvalue())() == 6
    assert loky_backend.loads(loky_backend.dumps(Temperature(2))).degrees == 2


def test_a_broken_dump_writes_nothing() -> None:
    """A file stays as it was if the object cannot be pickled."""
    file = io.BytesIO()
    with pytest.raises(loky_backend.EncodingError):
        loky_backend.dump(sys._getframe(), file)
    assert file.getvalue() == b""
