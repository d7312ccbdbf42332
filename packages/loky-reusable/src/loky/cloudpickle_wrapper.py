"""`loky.cloudpickle_wrapper`: objects that are pickled by value whatever pickler is used."""

from loky_backend import ByValue as CloudpickledObjectWrapper
from loky_backend import CallableByValue as CallableObjectWrapper
from loky_backend import wrap_non_picklable_objects

__all__ = ["CallableObjectWrapper", "CloudpickledObjectWrapper", "wrap_non_picklable_objects"]
