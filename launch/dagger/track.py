"""Runs on tracks: a simulated Pupper, one line after another, and how each went."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from leash_robot.policies.hierarchical import Helm, Steered
from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.logs import Logs
from leash_robot.robot.loop import run
from leash_robot.robot.spec import Spec, load_spec
from leash_robot.robot.types import Array, Log, Policy, Tick
from leash_robot.sim.envs.line_track import Track, TrackEye, TrackReferee, Verdict, draw_track, set_out, whereabouts
from leash_robot.sim.pybullet.robot import SimPupper
from leash_robot.teleop.drive import Drive
from leash_robot.teleop.intervention.call_for_help import Limits
from leash_robot.teleop.intervention.line_expert import Adviser, Duty, Skill, Tracker
from leash_robot.teleop.intervention.takeover import Takeover, TakeoverConfig

MakeGait = Callable[[Spec], Policy]


@dataclass(frozen=True, eq=False)
class Ran:
    """How one track went."""

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
    """(T,) the policy's doubt at every tick."""
    path: Array
    """(T, 2) [m]"""
    off: float
    """Root mean square distance from the line [m]."""


class Tally:
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


class Arena:
    """A simulated Pupper to be put on one track after another; use inside `with`."""

    def __init__(
        self,
        spec: Spec | None = None,
        gait: MakeGait = Trot,
        skill: Skill | None = None,
        *,
        realtime: bool = False,
    ) -> None:
        """`skill` is the scripted person's; living ones need `realtime`."""
        self.spec = spec or load_spec()
        self._skill = skill or Skill()
        self._gait = gait
        self._eye = TrackEye()
        self._robot = SimPupper(self.spec, camera={"head": self._eye}, realtime=realtime)

    def __enter__(self) -> Self:
        self._robot.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._robot.__exit__(*exc)

    @property
    def robot(self) -> SimPupper:
        """The robot, on whatever track it was put."""
        return self._robot

    def set_out(self, track: Track) -> TrackReferee:
        """Put the robot at the start of a track; returns who follows it from there."""
        set_out(self._robot, self._eye, track)
        return TrackReferee(self._robot, track.course)

    def steered(self, upper: Policy) -> Steered:
        """A policy for joints: the gait walks where the upper policy says."""
        return Steered(upper, self._gait(self.spec))

    def drive(self, track: Track, upper: Policy, *beside: Log) -> Ran:
        """Let an upper policy steer along a track, from its start until the referee has seen enough."""
        referee, tally = self.set_out(track), Tally()
        ticks = run(self._robot, self.steered(upper), Logs(referee, tally, *beside), done=referee.over)
        return Ran(
            seed=track.seed,
            verdict=referee.verdict,
            progress=referee.progress,
            ticks=ticks,
            human=tally.sources.count("human"),
            switches=tally.switches,
            risks=np.array(tally.risks),
            path=np.array(referee.path),
            off=float(np.sqrt(np.mean(np.square(referee.errors)))),
        )

    def demonstrator(self, track: Track) -> Policy:
        """An upper policy: the person drives all the way."""
        return self._hand(self._person(track, "drive"))

    def watched(self, track: Track, policy: Policy) -> Takeover:
        """An upper policy: a policy drives, a person watches and takes over when it strays (HG-DAgger)."""
        return self._shared(policy, self._person(track, "watch"), Limits())

    def answered(self, track: Track, policy: Policy, limits: Limits) -> Takeover:
        """An upper policy: the same, and the person comes when the policy asks for help (ThriftyDAgger)."""
        calls: list[Takeover] = []
        person = self._person(track, "answer", called=lambda: bool(calls and calls[0].status.request))
        calls.append(self._shared(policy, person, limits))
        return calls[0]

    def alternated(self, track: Track, policy: Policy, share: float) -> Takeover:
        """An upper policy: person and policy take turns, and the person advises at every tick (DAgger)."""
        expert = Adviser(self._person(track, "drive"), len(self.spec.joints))
        return self._shared(policy, self._person(track, "alternate", share=share), Limits(), expert)

    def _shared(self, policy: Policy, person: Tracker, limits: Limits, expert: Policy | None = None) -> Takeover:
        config = TakeoverConfig(level="command", limits=limits)
        return Takeover(policy, self._hand(person), self.spec, config, expert)

    def _hand(self, person: Tracker) -> Drive:
        return Drive(person, Helm(self.spec))

    def _person(
        self, track: Track, duty: Duty, *, called: Callable[[], bool] = lambda: False, share: float = 0.5
    ) -> Tracker:
        """A scripted person who watches this robot on this track."""
        return Tracker(
            track.course, lambda: whereabouts(self._robot), duty, self._skill, called=called, share=share,
            seed=track.seed,
        )  # fmt: skip


def attempt(file: Path, seeds: Sequence[int], gait: str = "trot") -> list[Ran]:
    """Let the image policy in a file drive the tracks of these seeds by itself; runs in a process of its own."""
    from leash_robot.policies.registry import load_gait, load_pixels

    _, make = load_pixels(file)
    spec = load_spec()
    _, walk = load_gait(gait, spec)
    with Arena(spec, lambda _: walk()) as arena:
        return [arena.drive(draw_track(seed), make()) for seed in seeds]
