"""Which pickler is used, and the process-wide reducers: the choices `_encoding` acts on.

Rules:
1. Nothing is imported here that a worker of plain functions would not have: `_encoding` needs this.
2. `choice.special` is true when the fast path of `_encoding.encode` may not be taken.
"""

from __future__ import annotations

import os
import sys

from ._errors import PicklerChoiceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias

    Reducer: TypeAlias = Callable[[Any], tuple[Any, ...] | str]
    Reducers: TypeAlias = Mapping[type, Reducer]

_VARIABLE = "LOKY_PICKLER"
_DEFAULT = "cloudpickle"


class _Choice:
    """What the user chose.

    Attributes:
        name: the module whose `Pickler` is used for everything; "" for the default rule.
        error: why the environment's choice cannot be used, raised when something is encoded.
        registered: type -> reducer.
        special: whether there is any choice at all.
    """

    __slots__ = ("error", "name", "registered", "special")

    def __init__(self) -> None:
        self.name = ""
        self.error: PicklerChoiceError | None = None
        self.registered: dict[type, Reducer] = {}
        self.special = False

    def refresh(self) -> None:
        self.special = bool(self.name or self.error or self.registered)


choice = _Choice()


def set_loky_pickler(name: str | None = None) -> None:
    """Choose the pickler for everything that this process sends from now on.

    Args:
        name: a module with a class ``Pickler`` that takes (file, protocol), such as "dill",
            "cloudpickle" or "pickle" (the C pickler alone: faster errors, no lambdas). None for
            what ``LOKY_PICKLER`` says, or for the default rule if it says nothing: the C pickler
            first, cloudpickle where it is needed.

    Raises:
        PicklerChoiceError: there is no such module, or it has no such class; the choice stays
            what it was.

    Does not block, but for the import. Any thread; workers get the choice when they start
    (`pack_settings`), so it holds for workers started later.
    """
    given = os.environ.get(_VARIABLE, "").strip() if name is None else name
    source = f"{_VARIABLE}={given}" if name is None else f"set_loky_pickler({name!r})"
    if given:
        _pickler_of(given, source)
    choice.name = given
    choice.error = None
    choice.refresh()


def get_loky_pickler_name() -> str:
    """Return the name of the module whose pickler is used; "cloudpickle" for the default rule.

    Returns:
        A module's name. Does not block; any thread.
    """
    return choice.name or _DEFAULT


def get_loky_pickler() -> type[Any]:
    """Return the class of the pickler in use, as its module defines it.

    Returns:
        A class that takes (file, protocol) and has `dump`; ``cloudpickle.Pickler`` for the default
        rule. It does not know the registered reducers: `dumps` does.

    Raises:
        PicklerChoiceError: ``LOKY_PICKLER`` names nothing usable.

    Does not block, but for the import. Any thread.
    """
    if choice.error is not None:
        raise choice.error
    return _pickler_of(choice.name or _DEFAULT, "get_loky_pickler()")


def register(kind: type, reducer: Reducer) -> None:
    """Have all objects of exactly this type pickled by a function of yours.

    Args:
        kind: the type; subclasses are not meant. Functions and classes cannot be reduced this way.
        reducer: takes an object and returns what ``__reduce__`` would: a string, or a tuple of a
            callable, its arguments and optionally state and items.

    Raises:
        TypeError: `kind` is no type or `reducer` is not callable.

    Holds for everything this process encodes from now on, and for workers started later
    (`pack_settings`). Does not block; any thread.
    """
    if not isinstance(kind, type):
        raise TypeError(f"register() needs a type, got {kind!r}")
    if not callable(reducer):
        raise TypeError(f"the reducer of {kind.__name__} must be callable, got {reducer!r}")
    choice.registered = {**choice.registered, kind: reducer}
    choice.refresh()


def any_by_value() -> bool:
    """Whether any module is registered to be pickled by value; imports nothing. Any thread.

    While another thread imports cloudpickle its module is there and has no names yet: nothing can
    be registered then.
    """
    listed = getattr(sys.modules.get("cloudpickle"), "list_registry_pickle_by_value", None)
    return listed is not None and bool(listed())


def _pickler_of(name: str, source: str) -> type[Any]:
    """Import the class; `source` says in the error who asked for it."""
    from importlib import import_module

    try:
        pickler = getattr(import_module(name), "Pickler", None)
    except (ImportError, TypeError, ValueError) as error:  # a relative or an empty name
        raise PicklerChoiceError(f"{source}: cannot import {name!r}: {error}") from error
    if not isinstance(pickler, type) or not callable(getattr(pickler, "dump", None)):
        raise PicklerChoiceError(f"{source}: the module {name!r} has no class 'Pickler'")
    return pickler


def _read_environment() -> None:
    """Take the choice of ``LOKY_PICKLER``; a wrong one is told to whoever encodes first."""
    if os.environ.get(_VARIABLE, "").strip():
        try:
            set_loky_pickler(None)
        except PicklerChoiceError as error:
            choice.error = error
            choice.refresh()


_read_environment()
