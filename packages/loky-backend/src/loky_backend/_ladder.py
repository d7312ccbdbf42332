"""The careful way from an object to bytes: reducers, the C pickler, cloudpickle, a clear error.

Rules:
1. A pickler that the user chose is the only one used.
2. What failed half-way leaves no buffer behind in the collected ones.
3. The search for the culprit starts only after a failure, and never raises itself.
4. A reducer is called once for each object, unless pickling fails: joblib's count references. So
   where there are reducers cloudpickle is the first pickler, too.

Facts:
- ``cloudpickle.Pickler`` has `dispatch_table` as an attribute of its class, the C pickler as a slot
  of the instance; both read it in ``__init__``: set before and after, it holds for every kind.
- Reducers of a table are found by exact type; functions and classes never come to it (manual of
  `pickle`, "dispatch tables").
"""

from __future__ import annotations

import copyreg
import io
import sys
from collections import ChainMap
from collections.abc import Mapping

from . import _cpython
from ._culprit import find_culprit
from ._errors import EncodingError
from ._picklers import any_by_value, choice, get_loky_pickler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._picklers import Reducer, Reducers
    from ._pieces import Buffer

    Collection = tuple[list[Buffer], Callable[[Any], bool]]

_PROTOCOL = 5
_REFUSALS = (_cpython.pickle.PicklingError, AttributeError, TypeError)
_INHERITANCE = "through inheritance"  # in what multiprocessing raises for locks and queues
_CASTABLE = frozenset("?bBcdefhHiIlLnNqQ")  # what `memoryview.cast` takes (manual of `memoryview`)
_ADVICE = (
    "Locks, queues, connections and sockets go to workers through initargs, or use a Manager; open "
    "files and databases are opened by the task itself."
)


def climb(
    value: object,
    reducers: Reducers | None,
    collection: Collection | None,
    *,
    by_value: bool = False,
) -> bytes:
    """Pickle an object by the first pickler that can.

    Args:
        value: anything.
        reducers: those of this call; they come before the registered ones.
        collection: a list for out-of-band buffers and the callback that fills it; None keeps the
            buffers in the pickle.
        by_value: only cloudpickle will do, this is known already.

    Raises:
        EncodingError: none can.
        PicklerChoiceError: ``LOKY_PICKLER`` names nothing usable.
        BaseException: whatever the object's own code raised.
    """
    rungs = _rungs(by_value or bool(reducers or choice.registered))
    table = _table(reducers)

    def attempt(part: object) -> bytes:
        return _first_that_can(part, rungs, table, collection)

    try:
        return attempt(value)
    except (*_REFUSALS, RuntimeError) as error:
        if isinstance(error, RuntimeError) and _INHERITANCE not in str(error):
            raise  # it is the object's own
        path, cause = find_culprit(value, attempt, error)
        what = f"{path} ({_kind_of(value)})" if path == "value" else path
        message = f"cannot pickle {what}: {type(cause).__name__}: {cause}. {_ADVICE}"
        raise EncodingError(message, path) from error


def _rungs(by_value: bool) -> list[Callable[[], type[Any]]]:
    """Return the picklers to try; each is imported when its turn comes."""
    if choice.error is not None or choice.name:
        return [get_loky_pickler]
    return [_cloudpickle] if by_value else [_in_c, _cloudpickle]


def _in_c() -> type[Any]:
    return _cpython.pickle.Pickler


def _cloudpickle() -> type[Any]:
    import cloudpickle

    pickler: type[Any] = cloudpickle.Pickler
    return pickler


def _first_that_can(
    value: object,
    rungs: list[Callable[[], type[Any]]],
    table: dict[type, Reducer],
    collection: Collection | None,
) -> bytes:
    for rung in rungs[:-1]:
        try:
            body = _dump(rung(), value, table, collection)
        except (*_REFUSALS, RuntimeError):
            continue
        if not _mentions_what_is_sent_by_value(body):
            return body
    return _dump(rungs[-1](), value, table, collection)


def _dump(
    pickler: type[Any],
    value: object,
    table: dict[type, Reducer],
    collection: Collection | None,
) -> bytes:
    body = _dump_once(pickler, value, table, collection)
    if b"multiprocessing.managers" in body:
        from ._mp_reducers import carrying_keys

        with carrying_keys():
            body = _dump_once(pickler, value, table, collection)
    return body


def _dump_once(
    kind: type[Any],
    value: object,
    table: dict[type, Reducer],
    collection: Collection | None,
) -> bytes:
    own = getattr(kind, "dispatch_table", None)
    chain: list[Any] = [table, own if isinstance(own, Mapping) else copyreg.dispatch_table]
    whole = ChainMap(*chain)
    file = io.BytesIO()
    pickler: Any = _object_of(kind)
    pickler.dispatch_table = whole
    if collection is None:
        pickler.__init__(file, protocol=_PROTOCOL)
    else:
        views, keep_out = collection
        views.clear()
        try:
            pickler.__init__(file, protocol=_PROTOCOL, buffer_callback=keep_out)
        except TypeError:  # a pickler of the user's that knows no buffers
            pickler.__init__(file, protocol=_PROTOCOL)
    pickler.dispatch_table = whole
    pickler.dump(value)
    return file.getvalue()


def _object_of(kind: Any) -> Any:
    """Return an object of a class before its ``__init__``."""
    return kind.__new__(kind)


def _table(reducers: Reducers | None) -> dict[type, Reducer]:
    """Return all reducers: ours, multiprocessing's, the registered ones, those of this call."""
    table: dict[type, Reducer] = {memoryview: _reduce_view}
    if "multiprocessing.context" in sys.modules:
        from ._mp_reducers import transport_reducers

        table.update(transport_reducers())
    table.update(choice.registered)
    table.update(reducers or {})
    return table


def _reduce_view(view: memoryview) -> tuple[Any, ...]:
    """Reduce a view to its memory, out of band where that is possible, and its form."""
    code, shape = view.format, view.shape
    if code not in _CASTABLE:  # records, foreign byte orders: the bytes alone
        code, shape = "B", (view.nbytes,)
    if not view.c_contiguous:
        return _rebuild_view, (view.tobytes(), code, shape)
    return _rebuild_view, (_cpython.pickle.PickleBuffer(view), code, shape)


def _rebuild_view(memory: Buffer, code: str, shape: tuple[int, ...]) -> memoryview:
    view = memoryview(memory).cast("B")
    if 0 in shape:  # no bytes can be given a form of several dimensions
        return view
    return view if (code, len(shape)) == ("B", 1) else view.cast(code, shape)  # type: ignore[call-overload]


def _mentions_what_is_sent_by_value(body: bytes) -> bool:
    return b"__main__" in body or any_by_value()


def _kind_of(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
