"""Bringing a scheduler's machine to where a test begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loky_executor import _events as on
from loky_executor._machine import Machine

if TYPE_CHECKING:
    from loky_executor import _effects as do


def feed(machine: Machine, *events: on.Event, now: float = 0.0) -> list[do.Effect]:
    """Give events to a machine, all at one time; return the effects of all."""
    return [effect for event in events for effect in machine.handle((event,), now)]


def running(workers: int, *, max_workers: int | None = None) -> Machine:
    """Return a machine on which worker n runs task n, for n from 1 to `workers`."""
    machine = Machine(max_workers or workers)
    for number in range(1, workers + 1):
        feed(machine, on.Submit(number), on.Encoded(number), on.WorkerReady(number))
    return machine


def idle(workers: int, *, max_workers: int | None = None) -> Machine:
    """Return a machine with ready workers 1 to `workers` and nothing to do; task ids are used."""
    machine = running(workers, max_workers=max_workers)
    for number in range(1, workers + 1):
        feed(machine, on.Answered(number, number))
    return machine
