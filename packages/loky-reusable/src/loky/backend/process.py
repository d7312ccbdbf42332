"""`loky.backend.process`: the processes of the contexts."""

from loky_backend import LokyInitMainProcess, LokyProcess

__all__ = ["LokyInitMainProcess", "LokyProcess"]
