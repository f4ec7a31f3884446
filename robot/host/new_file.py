"""Puts a finished file in its place without ever replacing another, on file systems with hard links and without."""

import os
from pathlib import Path


def publish(draft: Path, path: Path) -> None:
    """Give a finished draft its name. Raises FileExistsError when that is taken, OSError when nothing can be written.

    Note: FAT, exFAT and some network drives have no hard links; there the name is claimed first, then replaced.
    """
    try:
        os.link(draft, path)
    except FileExistsError:
        raise
    except OSError:
        path.touch(exist_ok=False)
        draft.replace(path)
