"""Recordings of the scripted trot on a robot without a body, for tests of learning."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.dataset.episode import Episode, read_episode
from leash_robot.robot.dataset.mcap.writer import EpisodeWriter
from leash_robot.robot.dataset.metadata import End, Outcome
from leash_robot.robot.fake import FakeRobot
from leash_robot.robot.loop import run
from leash_robot.robot.spec import Spec, load_spec
from leash_robot.robot.types import Action, Array, Observation, Policy, Source, Tick
from support.recording.recordings import fill, start

BLIND = msgspec.structs.replace(load_spec(), cameras={})
"""A Pupper without cameras."""


class Walker:
    """Fits `Policy`: a person's trot that changes its command every second, as `Drive` would record it."""

    def __init__(self, spec: Spec, commands: Sequence[Array], source: Source = "human") -> None:
        self._trot, self._commands, self._source, self._count = Trot(spec), commands, source, 0

    def reset(self) -> None:
        self._trot.reset()
        self._count = 0

    def act(self, obs: Observation) -> Action:
        command = self._commands[self._count // 20 % len(self._commands)]
        self._count += 1
        return replace(self._trot.act(replace(obs, command=command)), command=command, source=self._source)


class Kept:
    """Fits `Log`: keeps the ticks."""

    def __init__(self) -> None:
        self.ticks: list[Tick] = []

    def __enter__(self) -> "Kept":
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        self.ticks.append(tick)


def walk(policy: Policy, count: int) -> list[Tick]:
    """Ticks of a policy on the robot without a body."""
    kept = Kept()
    with FakeRobot(BLIND) as robot:
        robot.reset()
        run(robot, policy, kept, ticks=count)
    return kept.ticks


def demonstration(seed: int = 0, count: int = 100, source: Source = "human") -> list[Tick]:
    """Ticks of a walk at random commands, standing at first."""
    rng = np.random.default_rng(seed)
    commands = [np.zeros(3), *rng.uniform([0.0, -0.08, -0.6], [0.3, 0.08, 0.6], (10, 3))]
    return walk(Walker(BLIND, commands, source), count)


def recorded(folder: Path, ticks: Sequence[Tick], index: int = 0, outcome: Outcome = "success") -> Episode:
    """The ticks as an episode that was written and read."""
    writer = EpisodeWriter(folder / f"episode_{index:06d}.mcap", start(BLIND, index))
    fill(writer, ticks)
    return read_episode(writer.finish(End(outcome)))
