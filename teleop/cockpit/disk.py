"""How long the disk lasts."""

import math
import shutil
from dataclasses import dataclass
from pathlib import Path

from leash_robot.teleop.cockpit.messages import View

ROW = 2_000
"""A recorded tick without frames, generously [bytes]."""

RESERVE = 256 << 20
"""Bytes that the recorder wants to be free before it begins an episode."""

MEMORY = 0.02
"""Share of the newest tick in the mean."""


@dataclass
class Disk:
    """Minutes of recording that fit on the disk at the present rate."""

    folder: Path
    per_tick: float = ROW
    """Mean size of a tick [bytes]."""
    ticks_a_minute: float = 1200.0

    def saw(self, view: View) -> None:
        """Note what a tick takes."""
        size = ROW + sum(len(frame.jpeg) for frame in view.frames)
        self.per_tick += MEMORY * (size - self.per_tick)
        self.ticks_a_minute = 60.0 * view.body.rate

    def minutes(self) -> float:
        """Minutes left; NaN when nobody can tell."""
        try:
            free = shutil.disk_usage(_existing(self.folder)).free
        except OSError:
            return math.nan
        return max(0, free - RESERVE) / (self.per_tick * self.ticks_a_minute)


def _existing(folder: Path) -> Path:
    return next((path for path in (folder, *folder.parents) if path.exists()), folder)
