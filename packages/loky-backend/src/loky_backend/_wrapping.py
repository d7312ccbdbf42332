"""`wrap_non_picklable_objects`: have one object pickled by value whatever pickler is used.

A wrapped object carries its cloudpickle bytes as its own pickle, so that the C pickler (or any
other that the user chose) sends it without looking inside.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class ByValue:
    """An object that is pickled by cloudpickle; it lends its attributes."""

    def __init__(self, obj: Any, keep_wrapper: bool = False) -> None:
        self.__wrapped__: Any = obj
        self.__keep_wrapper = keep_wrapper

    def __reduce__(self) -> tuple[Any, ...]:
        import cloudpickle

        body = cloudpickle.dumps(self.__wrapped__)
        return _rebuild, (body, self.__keep_wrapper)

    def __getattr__(self, name: str) -> Any:
        if name == "__wrapped__":  # not yet set: a copy that is being made
            raise AttributeError(name)
        return getattr(self.__wrapped__, name)

    def __repr__(self) -> str:
        return f"<wrapped {self.__wrapped__!r}>"


class CallableByValue(ByValue):
    """The same for what can be called."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the wrapped object."""
        return self.__wrapped__(*args, **kwargs)


def wrap_non_picklable_objects(obj: Any, keep_wrapper: bool = True) -> Any:
    """Wrap an object so that it is pickled by value, with cloudpickle.

    For functions and objects that the pickler in use refuses, such as a lambda where ``pickle`` was
    chosen, or an instance of a class that was defined inside a function. Also a decorator.

    Args:
        obj: a function, an object or a class. A class gives a class, whose instances are wrapped.
        keep_wrapper: whether the other side gets the wrapper again, so that it can be sent on; with
            False it gets the bare object.

    Returns:
        The wrapper: it is called like `obj` and has its attributes; ``__wrapped__`` is `obj`. What
        is wrapped already is returned as it is.

    Raises:
        nothing now; pickling raises what cloudpickle does.

    Does not block. Any thread.
    """
    if isinstance(obj, type):
        return obj if issubclass(obj, ByValue) else _wrapped_class(obj, keep_wrapper)
    if isinstance(obj, ByValue):
        return obj
    return _wrapped(obj, keep_wrapper)


def _wrapped(obj: object, keep_wrapper: bool) -> ByValue:
    return (CallableByValue if callable(obj) else ByValue)(obj, keep_wrapper)


def _wrapped_class(kind: type, keep_wrapper: bool) -> type:
    calls = any("__call__" in vars(parent) for parent in kind.__mro__)
    base = CallableByValue if calls else ByValue

    def construct(self: ByValue, *args: Any, **kwargs: Any) -> None:
        ByValue.__init__(self, kind(*args, **kwargs), keep_wrapper)

    names = {
        "__doc__": kind.__doc__,
        "__init__": construct,
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__wrapped__": kind,
    }
    return type(kind.__name__, (base,), names)


def _rebuild(body: bytes, keep_wrapper: bool) -> Any:
    from ._encoding import loads

    obj = loads(body)
    return _wrapped(obj, keep_wrapper) if keep_wrapper else obj
