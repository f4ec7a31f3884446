"""`leash data replay`: send a robot what a recording says was sent."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Self

import numpy as np
import tyro

from leash_robot.launch.commands.deploy import stopped, terminable
from leash_robot.launch.composition.attended import attended
from leash_robot.launch.composition.robots import RobotOptions, open_robot
from leash_robot.launch.reporting.output import console, emit
from leash_robot.robot.dataset.episode import Episode, read_episode
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.lateness import Lateness
from leash_robot.robot.logs import Logs
from leash_robot.robot.loop import run
from leash_robot.robot.replay_policy import ReplayPolicy
from leash_robot.robot.types import Tick
from leash_robot.teleop.brake import Stoppable


@dataclass(frozen=True)
class ReplayEpisode:
    """Send a robot what a recording says was sent: `leash data replay EPISODE.mcap --robot twin`.

    Refused when the robot has other joints, or stands otherwise than when the recording began.
    """

    path: Annotated[Path, tyro.conf.Positional]
    """The episode file."""
    robot: Annotated[RobotOptions, tyro.conf.OmitArgPrefixes] = field(default_factory=RobotOptions)
    json: bool = False
    """Print one JSON object on the last line."""

    def run(self) -> int:
        """Replay, and compare with the recording."""
        episode = read_episode(self.path)
        with (
            terminable(),
            attended() as person,
            open_robot(self.robot, realtime=True, watch=person.watch) as opened,
            person.brake.on(opened.stop),
        ):
            policy = ReplayPolicy(episode, opened.spec)
            console.print(f"replays {len(policy)} ticks of {self.path} on {self.robot.robot}")
            opened.robot.reset()
            lateness, likeness = Lateness(opened.spec.period), Likeness(episode)
            with first_in_line(opened.plan.processes.control.nice):
                logs, replayed = Logs(lateness, likeness), Stoppable(policy, person.watch)
                run(opened.robot, replayed, logs, ticks=len(policy), done=stopped)
                opened.robot.rest()
            figures = {**likeness.figures(), **lateness.figures(), "gate_stops": opened.gate_stops()}
        console.print(" · ".join(f"{key} {value:.4g}" for key, value in figures.items()))
        if self.json:
            emit(figures)
        return 0 if figures["ticks"] == len(policy) else 1


class Likeness:
    """Fits `Log`: compares each tick with the recording's."""

    def __init__(self, episode: Episode) -> None:
        self._episode = episode
        self._rows = {int(number): row for row, number in enumerate(episode.number)}
        self._tick = 0
        self._sent: list[float] = []
        self._joints: list[float] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        """Compare one tick, if the recording has it."""
        row = self._rows.get(self._tick)
        self._tick += 1
        if row is not None:
            self._sent.append(float(np.abs(tick.sent.joint_pos - self._episode.sent.joint_pos[row]).max()))
            self._joints.append(float(np.square(tick.obs.joint_pos - self._episode.joint_pos[row]).mean()))

    def figures(self) -> dict[str, float]:
        """How far the targets sent and the joints were from the recording's."""
        return {"sent_off_max_rad": max(self._sent), "joint_off_rms_rad": float(np.sqrt(np.nanmean(self._joints)))}
