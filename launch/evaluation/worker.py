"""How a worker process of a pool behaves: it leaves Ctrl-C to its parent, and does not outlive it."""

import multiprocessing
import os
import signal
import threading


def begin() -> None:
    """Run first in every worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
