"""How a process's choices about pickling get to its workers: packed here, applied there."""

from __future__ import annotations

from ._encoding import decode, encode_whole
from ._picklers import choice, register, set_loky_pickler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._picklers import Reducer, Reducers


def pack_settings(reducers: Reducers | None = None) -> bytes | None:
    """Return what another process needs to encode as this one does.

    Args:
        reducers: those of the other side's answers (an executor's result reducers); None for none.

    Returns:
        Bytes for `apply_settings`; None if nothing was chosen, so that there is nothing to send.

    Raises:
        EncodingError: a reducer cannot be pickled.
        PicklerChoiceError: ``LOKY_PICKLER`` names nothing usable.

    Does not block, but for an import of cloudpickle. Any thread.
    """
    if not choice.special and not reducers:
        return None
    return encode_whole((choice.name, choice.registered, dict(reducers or {})))


def apply_settings(settings: bytes) -> dict[type, Reducer]:
    """Take over another process's choices.

    Args:
        settings: what `pack_settings` returned there.

    Returns:
        The reducers given to it, for `encode`.

    Raises:
        PicklerChoiceError: the pickler cannot be imported here.
        BaseException: whatever unpickling a reducer raised.

    For a worker, before its first task. Imports what the reducers need.
    """
    name, registered, reducers = decode(settings)
    for kind, reducer in registered.items():
        register(kind, reducer)
    if name:
        set_loky_pickler(name)
    given: dict[type, Reducer] = reducers
    return given
