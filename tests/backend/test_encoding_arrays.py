"""Arrays and tables: out of band, writable, independent, equal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loky_backend import decode, encode, encode_whole

STRUCTURED = np.dtype([("a", "i4"), ("b", "f8", (2,))])
LARGE = np.arange(60_000, dtype="f8").reshape(200, 300)


def there_and_back(value: object) -> Any:
    """Encode, copy the buffers as a channel does, decode."""
    encoded = encode(value)
    return decode(encoded.body, [bytearray(buffer) for buffer in encoded.buffers])


ARRAYS = {
    "C": LARGE,
    "Fortran": np.asfortranarray(LARGE),
    "strided": LARGE[::2, ::3],
    "reversed": LARGE[::-1],
    "0-d": np.array(5.0),
    "empty": np.empty((0, 3)),
    "object": np.array([None, {"a": 1}, [2]], dtype=object),
    "structured": np.zeros(10_000, dtype=STRUCTURED),
    "bool": np.ones(100_000, dtype=bool),
    "text": np.array(["a", "bcd"] * 5000),
    "big endian": LARGE.astype(">f8"),
    "datetime": np.arange(10_000).astype("M8[s]"),
    "small": np.arange(3),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_come_back_writable(name: str) -> None:
    """An array comes back equal, of the same type and order, writable, and its own."""
    value = ARRAYS[name]
    for again in (there_and_back(value), decode(encode_whole(value))):
        np.testing.assert_array_equal(again, value)
        assert (again.dtype, again.shape) == (value.dtype, value.shape)
        assert again.flags.f_contiguous == (value.flags.f_contiguous or value.ndim < 2)
        assert again.flags.writeable
        assert not np.shares_memory(again, value)


@pytest.mark.parametrize("name", ["C", "Fortran", "structured", "bool"])
def test_large_contiguous_arrays_are_not_copied(name: str) -> None:
    """The memory of a contiguous array is sent as it is, beside a small pickle."""
    value = ARRAYS[name]
    encoded = encode(value)
    assert len(encoded.body) < 1000
    assert sum(len(buffer) for buffer in encoded.buffers) == value.nbytes
    view = np.frombuffer(encoded.buffers[0], dtype="u1")
    assert np.shares_memory(view, value)


def test_a_read_only_array() -> None:
    """A read-only array comes back equal."""
    value = LARGE.copy()
    value.flags.writeable = False
    np.testing.assert_array_equal(there_and_back(value), value)


def test_an_array_within_a_call_by_value() -> None:
    """An array beside a lambda stays out of band."""
    encoded = encode((lambda x: x.sum(), (LARGE,), {}))
    assert sum(len(buffer) for buffer in encoded.buffers) == LARGE.nbytes
    function, args, _ = decode(encoded.body, [bytearray(buffer) for buffer in encoded.buffers])
    assert function(*args) == LARGE.sum()


def test_pandas() -> None:
    """A DataFrame comes back equal; its numbers travel out of band."""
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame({"a": range(5000), "b": ["x", None] * 2500})
    pandas.testing.assert_frame_equal(there_and_back(frame), frame)
    assert encode(frame).buffers


def test_pyarrow() -> None:
    """A table comes back equal; its columns travel out of band."""
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    table = pyarrow.table({"a": list(range(5000)), "b": ["x", None] * 2500})
    assert there_and_back(table).equals(table)
    assert encode(table).buffers
