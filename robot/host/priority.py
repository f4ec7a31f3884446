"""Asks the kernel to let the loop run first; does without where that is not permitted."""

import contextlib
import os
from collections.abc import Iterator

FIFO_PRIORITY = 20
"""Above nothing but ordinary processes; the gate takes a higher one."""


@contextlib.contextmanager
def first_in_line(nice: int) -> Iterator[str]:
    """Run the block under SCHED_FIFO, else at `nice`, else as it is; yields which one it became.

    Measured at 20 Hz with eight busy processes on two cores: 12 ms late at the 99th percentile as an ordinary process,
    4 ms at nice -10, 0.07 ms under SCHED_FIFO.
    """
    policy, before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(FIFO_PRIORITY))
    except PermissionError:
        yield _niced(nice)
        return
    try:
        yield "fifo"
    finally:
        os.sched_setscheduler(0, policy, before)


def renice(process: int, nice: int) -> None:
    """Set the niceness of another process, as far as that is permitted."""
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.setpriority(os.PRIO_PROCESS, process, nice)


def _niced(nice: int) -> str:
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    except PermissionError:
        return "ordinary"
    return f"nice {nice}"
