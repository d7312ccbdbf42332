"""What is left out on Windows, each with its reason; `tests/conftest.py` leaves it out.

A key is a test without its parameters, ``folder/test_file.py::test_name``, or a whole file, which
then is not even imported. `tests/architecture/test_skips.py` holds that each of them exists.
"""

from __future__ import annotations

_SIGNALS = "a matter of signals"
_FORK = "a matter of fork"
_STACKS = "the stacks of a worker that runs are asked for by a signal"

POSIX = {
    "backend/test_context.py::test_a_child_reaped_by_somebody_else_is_no_hang": "waitpid",
    "backend/test_context.py::test_a_pipe_and_a_socket_go_along": (
        "`multiprocessing` leaves a server thread for the socket behind there"
    ),
    "backend/test_context.py::test_a_process_can_be_ended": _SIGNALS,
    "backend/test_context_inheritance.py": "descriptors are inherited on POSIX",
    "backend/test_readme.py": "exit codes are told in other words there",
    "backend/test_obituary.py::test_a_kill_in_words": _SIGNALS,
    "conformance/test_process_pool.py::test_workers_are_no_zombies": "waitpid",
    "executor/test_crash.py::test_the_error_names_the_signal": _SIGNALS,
    "executor/test_ctrl_c.py": "a matter of POSIX terminals",
    "executor/test_deadlines.py::test_a_sleeping_task_is_ended": _STACKS,
    "executor/test_deadlines.py::test_a_task_that_holds_the_gil_is_ended": _STACKS,
    "executor/test_deadlines.py::test_the_stacks_name_files_and_lines": _STACKS,
    "executor/test_kill.py::test_ctrl_c_that_reaches_a_busy_worker": _SIGNALS,
    "executor/test_kill.py::test_ctrl_c_that_reaches_a_starting_worker": _SIGNALS,
    "executor/test_kill.py::test_ctrl_c_that_reaches_an_idle_worker": _SIGNALS,
    "executor/test_kill.py::test_many_interrupts_break_nothing": _SIGNALS,
    "executor/test_reentrance.py::test_a_forked_copy_cannot_touch_the_workers": _FORK,
    "executor/test_reentrance.py::test_a_signal_handler_that_submits": _SIGNALS,
    "executor/test_reentrance.py::test_an_interrupted_submit_loses_no_other_task": _SIGNALS,
    "faults/test_known_hangs_around.py::test_a_fork_with_tasks_pending": _FORK,
    "faults/test_known_hangs_around.py::test_waiting_in_a_fork_for_what_is_pending": _FORK,
    "reusable/test_ends.py::test_a_forked_child_has_one_of_its_own": _FORK,
    "reusable/test_ends.py::test_a_stopped_program_goes_on": _SIGNALS,
    "reusable/test_ends.py::test_a_stopped_worker_goes_on": _SIGNALS,
    "reusable/test_ends.py::test_an_idle_worker_stopped_past_the_timeout": _SIGNALS,
}

# What wine does wrong and Windows does not: (reason, the check of scripts/wine_faults.py).
WINE: dict[str, tuple[str, str]] = {}
