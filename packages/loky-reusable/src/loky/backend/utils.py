"""`loky.backend.utils`: ending processes, and how they ended."""

from loky_reusable import get_exitcodes_terminated_worker, kill_process_tree

__all__ = ["get_exitcodes_terminated_worker", "kill_process_tree"]
