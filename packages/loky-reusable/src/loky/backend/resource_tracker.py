"""`loky.backend.resource_tracker`: references of several processes to files and folders."""

from loky_reusable import CLEANUP_FUNCTIONS as _CLEANUP_FUNCS
from loky_reusable import ResourceTracker
from loky_reusable import resource_tracker as _resource_tracker

ensure_running = _resource_tracker.ensure_running
getfd = _resource_tracker.getfd
maybe_unlink = _resource_tracker.maybe_unlink
register = _resource_tracker.register
unregister = _resource_tracker.unregister

__all__ = [
    "_CLEANUP_FUNCS",
    "ResourceTracker",
    "_resource_tracker",
    "ensure_running",
    "getfd",
    "maybe_unlink",
    "register",
    "unregister",
]
