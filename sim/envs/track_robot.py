"""A simulated robot that is put on one track after another, and how it was driven along them."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from leash_robot.robot.logs import Logs
from leash_robot.robot.loop import run
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Action, Array, Log, Observation, Policy, Tick
from leash_robot.sim.envs.line_track import Track, TrackCamera, TrackScorer, Verdict, draw_track, place_at_start
from leash_robot.sim.pybullet.robot import SimPupper


@dataclass(frozen=True, eq=False)
class TrackResult:
    """How one track was driven."""

    seed: int
    verdict: Verdict
    progress: float
    """Part of the course, 0..1."""
    ticks: int
    human: int
    """Ticks at which the person drove."""
    switches: int
    """How often the authority changed hands."""
    risks: Array
    """(T,) the policy's risk at every tick."""
    path: Array
    """(T, 2) [m]"""
    off: float
    """Root mean square distance from the line [m]."""


class DriverLog:
    """Fits `Log`: counts who drove."""

    def __init__(self) -> None:
        self.sources: list[str] = []
        self.risks: list[float] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        """Count one tick."""
        self.sources.append(tick.wanted.source)
        policy = tick.policy
        self.risks.append(float("nan") if policy is None else policy.risk)

    @property
    def switches(self) -> int:
        """How often the authority went from the policy to the person or back."""
        drivers = [source for source in self.sources if source in {"policy", "human"}]
        return sum(before != after for before, after in itertools.pairwise(drivers))


class TrackSimulation:
    """A simulated Pupper with a head camera over the floor of a track; use inside `with`."""

    def __init__(self, spec: Spec, *, realtime: bool = False) -> None:
        """`realtime` paces it by the clock, for people to drive."""
        self.spec = spec
        self._camera = TrackCamera()
        self.robot = SimPupper(spec, camera={"head": self._camera}, realtime=realtime)
        """The robot, on whatever track it was put."""

    def __enter__(self) -> Self:
        self.robot.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.robot.__exit__(*exc)

    def place(self, track: Track) -> TrackScorer:
        """Put the robot at the start of a track; returns the scorer that follows it from there."""
        place_at_start(self.robot, self._camera, track)
        return TrackScorer(self.robot, track.course)

    def drive(self, track: Track, policy: Policy, *beside: Log) -> TrackResult:
        """Let a policy for joints drive a track, from its start until its verdict."""
        scorer, drivers = self.place(track), DriverLog()
        ticks = run(self.robot, policy, Logs(scorer, drivers, *beside), done=scorer.over)
        return TrackResult(
            seed=track.seed,
            verdict=scorer.verdict,
            progress=scorer.progress,
            ticks=ticks,
            human=drivers.sources.count("human"),
            switches=drivers.switches,
            risks=np.array(drivers.risks),
            path=np.array(scorer.path),
            off=float(np.sqrt(np.mean(np.square(scorer.errors)))),
        )


class TrackRobot:
    """Fits `Robot`: `reset` stands it up at the start of the next track. The simulation is its owner's."""

    def __init__(self, simulation: TrackSimulation, seed: Callable[[], int]) -> None:
        """`seed` returns that of the next track."""
        self._simulation, self._next = simulation, seed
        self._track = draw_track(seed())
        self.scorer: TrackScorer = simulation.place(self._track)
        """Follows the robot along this track, once it has begun."""

    @property
    def spec(self) -> Spec:
        """The description that this robot answers to."""
        return self._simulation.spec

    @property
    def seed(self) -> int:
        """Of the track that the robot is on."""
        return self._track.seed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def reset(self) -> None:
        """Stand at the start."""
        if self._track.seed != (seed := self._next()):
            self._track = draw_track(seed)
        self.scorer = self._simulation.place(self._track)

    def rest(self) -> None:
        """Lie down where it is."""
        self._simulation.robot.rest()

    def observe(self) -> Observation:
        """What the robot senses at the next tick."""
        return self._simulation.robot.observe()

    def send(self, action: Action) -> Action:
        """Carry out an action; return what went out."""
        return self._simulation.robot.send(action)
