"""`loky.reusable_executor`: the reusable executor, and the class that joblib derives from."""

from loky_reusable import ReusableExecutor as _ReusablePoolExecutor
from loky_reusable import cpu_count, get_reusable_executor

__all__ = ["_ReusablePoolExecutor", "cpu_count", "get_reusable_executor"]
