"""viztracer: workers are traced when the process that makes their executor is.

Rule: nothing is imported for it unless the program has imported viztracer itself.

Facts (viztracer 1.1, "Multi Process" in its documentation):
- `get_tracer()` is the tracer of this process, `enable` whether it runs, `init_kwargs` what it was
  made with; `register_exit()` has the trace saved when the process ends in the ordinary way, which
  a worker does unless it is killed.
- Run as ``viztracer program.py`` it rewrites the command lines of Python children, so that a worker
  may have a tracer before its initializer runs.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _tracer() -> Any:
    viztracer = sys.modules.get("viztracer")
    get_tracer = getattr(viztracer, "get_tracer", None)
    return None if get_tracer is None else get_tracer()


def is_tracing() -> bool:
    """Say whether viztracer traces this process now."""
    return bool(getattr(_tracer(), "enable", False))


def traced(
    initializer: Callable[..., object] | None, initargs: tuple[Any, ...]
) -> tuple[Callable[..., object], tuple[Any, ...]]:
    """Return an initializer that starts a tracer in the worker, and then does what this one does.

    Args:
        initializer: the user's; None for none.
        initargs: its arguments.

    Returns:
        The initializer and its arguments. To be called while `is_tracing()`.
    """
    settings = dict(getattr(_tracer(), "init_kwargs", {}), pid_suffix=True, verbose=0)
    return _start_tracing, (settings, initializer, initargs)


def _start_tracing(
    settings: dict[str, Any], initializer: Callable[..., object] | None, initargs: tuple[Any, ...]
) -> None:
    from importlib import import_module

    if _tracer() is None:
        tracer = import_module("viztracer").VizTracer(**settings)
        tracer.register_exit()
        tracer.start()
    if initializer is not None:
        initializer(*initargs)
