"""`loky.backend`: contexts, locks, queues and picklers, under the names existing code uses."""

from loky_reusable import get_context

__all__ = ["get_context"]


def __getattr__(name: str) -> object:
    if name not in (
        "context",
        "process",
        "queues",
        "reduction",
        "resource_tracker",
        "synchronize",
        "utils",
    ):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return import_module(f".{name}", __name__)
