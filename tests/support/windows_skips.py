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
    **dict.fromkeys(
        [
            "backend/test_obituary_of_workers.py::test_a_crash_in_native_code",
            "backend/test_obituary_of_workers.py::test_a_death_by_signal",
            "backend/test_obituary_of_workers.py::test_stacks_of_many_threads_are_bounded",
            "backend/test_obituary_of_workers.py::test_the_thread_that_crashed_is_not_cut_away",
            "backend/test_reactor.py::test_an_interrupted_wake_loses_none_after_it",
            "backend/test_worker.py::test_sigint_ends_the_running_task_alone",
        ],
        _SIGNALS,
    ),
    **dict.fromkeys(
        [
            "backend/test_worker.py::test_a_stopped_worker_is_not_taken_for_dead",
            "backend/test_worker.py::test_a_worker_that_stops_reading_stalls_nobody",
            "backend/test_worker_death.py::test_a_frozen_worker_can_be_killed",
            "backend/test_worker_death.py::test_while_it_reads_a_large_task",
        ],
        "no process can be stopped for a while",
    ),
    **dict.fromkeys(
        [
            "backend/test_reactor.py::test_an_idle_owner_does_not_wake_up",
            "backend/test_reactor.py::test_stop_before_anything",
            "backend/test_worker.py::test_descriptors_of_a_worker",
        ],
        "/proc",
    ),
    **dict.fromkeys(
        [
            "backend/test_worker.py::test_a_task_belongs_to_the_worker_or_to_the_parent",
            "backend/test_worker.py::test_a_task_may_take_its_tokens_back_late",
            "backend/test_worker.py::test_unstarted_tasks_are_taken_back",
            "executor/test_isolate.py::test_who_killed_two_workers_runs_alone_the_third_time",
        ],
        "no task is sent ahead, so there is none to take back",
    ),
    "backend/test_obituary_of_workers.py::"
    "test_stacks_that_were_asked_for_are_no_stacks_of_the_death": _STACKS,
    "backend/test_large_round_trips.py::test_forks_of_a_task_do_not_share_its_argument": _FORK,
    "backend/test_worker.py::test_500_mb_in_both_directions_at_once": (
        "pages that nobody wrote to are not free there"
    ),
    "backend/test_large_round_trips.py::test_dropped_results_cost_nothing": "/proc",
    "backend/test_reactor_garbage.py::test_grandchildren_that_write_for_ever": _FORK,
    "backend/test_worker_death.py::"
    "test_a_grandchild_that_holds_the_descriptors_delays_nothing": _FORK,
    "backend/test_worker_death.py::test_programs_a_task_started": "named pipes and pidfds",
    "backend/test_worker_gil.py": "what the parent does with a worker that holds the GIL: signals",
    "backend/test_worker_segments.py": "a memfd is a thing of Linux",
    "backend/test_readme.py": "exit codes are told in other words there",
    "backend/test_failures_in_workers.py::test_a_task_that_used_up_all_descriptors_can_fail": (
        "a limit of descriptors"
    ),
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
    "faults/test_security.py": "looked at through /proc",
    "faults/test_known_hangs_around.py::test_a_fork_with_tasks_pending": _FORK,
    "faults/test_known_hangs_around.py::test_waiting_in_a_fork_for_what_is_pending": _FORK,
    "reusable/test_ends.py::test_a_forked_child_has_one_of_its_own": _FORK,
    "reusable/test_ends.py::test_a_stopped_program_goes_on": _SIGNALS,
    "reusable/test_ends.py::test_a_stopped_worker_goes_on": _SIGNALS,
    "reusable/test_ends.py::test_an_idle_worker_stopped_past_the_timeout": _SIGNALS,
    **dict.fromkeys(
        [
            "spawn/test_bad_input.py",
            "spawn/test_death.py",
            "spawn/test_frozen.py",
            "spawn/test_interpreter.py",
            "spawn/test_lifeline.py",
            "spawn/test_readme.py",
            "spawn/test_start.py",
            "spawn/test_tree.py",
        ],
        "fork, exec and signals; `spawn/test_windows*.py` have what Windows does instead",
    ),
}

# What wine does wrong and Windows does not: (reason, the check of scripts/wine_faults.py).
WINE: dict[str, tuple[str, str]] = {
    "spawn/test_windows_console.py::test_ctrl_break_reaches_the_child": (
        "version 8.0 refuses Ctrl-Break for a process group: [WinError 6]",
        "Ctrl-Break reaches a process group",
    ),
}
