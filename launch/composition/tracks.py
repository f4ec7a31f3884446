"""Simulated tracks with a gait below the policies that steer along them, and the people who supervise these."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from leash_robot.launch.composition.plan import load_plan
from leash_robot.launch.composition.robots import Opened
from leash_robot.policies.hierarchical import Helm, Steered
from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.host.worker_pool import WorkerPool
from leash_robot.robot.spec import Spec, load_spec
from leash_robot.robot.types import Log, Policy
from leash_robot.sim.envs.line_track import Track, draw_track, planar_pose
from leash_robot.sim.envs.track_robot import TrackResult, TrackRobot, TrackSimulation
from leash_robot.sim.pybullet.robot import SimPupper
from leash_robot.teleop.drive import Drive
from leash_robot.teleop.intervention.call_for_help import Limits
from leash_robot.teleop.intervention.line_expert import Adviser, Duty, LineOperator, Skill
from leash_robot.teleop.intervention.takeover import Takeover, TakeoverConfig

MakeGait = Callable[[Spec], Policy]
AT_ONCE = 5
"""Tracks that a process is given at a time."""


class TrackArena:
    """A simulated robot on tracks; fits `Tracks`. Use inside `with`."""

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
        self._simulation = TrackSimulation(self.spec, realtime=realtime)

    def __enter__(self) -> Self:
        self._simulation.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._simulation.__exit__(*exc)

    @property
    def robot(self) -> SimPupper:
        """The robot, on whatever track it was put."""
        return self._simulation.robot

    def opened(self, seed: Callable[[], int]) -> tuple[Opened, TrackRobot]:
        """The robot, which stands up at the start of the track that `seed` returns."""
        robot = TrackRobot(self._simulation, seed)
        return Opened(robot, self.spec, load_plan("sim"), Calibration.identity(self.spec)), robot

    def steered(self, upper: Policy) -> Steered:
        """A policy for joints: the gait walks where the upper policy says."""
        return Steered(upper, self._gait(self.spec))

    def command_policy(self) -> Policy:
        """An upper policy that passes the observed command on."""
        return Helm(self.spec)

    def drive(self, track: Track, upper: Policy, *beside: Log) -> TrackResult:
        """Let an upper policy steer along a track, from its start until its verdict."""
        return self._simulation.drive(track, self.steered(upper), *beside)

    def demonstrator(self, track: Track) -> Policy:
        """An upper policy: the person drives all the way."""
        return self._drive(self._person(track, "drive"))

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

    def _shared(self, policy: Policy, person: LineOperator, limits: Limits, expert: Policy | None = None) -> Takeover:
        config = TakeoverConfig(level="command", limits=limits)
        return Takeover(policy, self._drive(person), self.spec, config, expert)

    def _drive(self, person: LineOperator) -> Drive:
        return Drive(person, self.command_policy())

    def _person(
        self, track: Track, duty: Duty, *, called: Callable[[], bool] = lambda: False, share: float = 0.5
    ) -> LineOperator:
        """A scripted person who watches this robot on this track."""
        return LineOperator(
            track.course, lambda: planar_pose(self.robot), duty, self._skill, called=called, share=share,
            seed=track.seed,
        )  # fmt: skip


def attempt(file: Path, seeds: Sequence[int], gait: str = "") -> list[TrackResult]:
    """Let the image policy in a file drive the tracks of these seeds by itself; runs in a process of its own."""
    from leash_robot.policies.registry import load_gait, load_pixels

    _, make = load_pixels(file)
    spec = load_spec()
    _, walk = load_gait(gait, spec)
    with TrackArena(spec, lambda _: walk()) as arena:
        return [arena.drive(draw_track(seed), make()) for seed in seeds]


class TrackPool:
    """Fits `Rollout`: worker processes that each let an image policy drive some tracks; use inside `with`."""

    def __init__(self, workers: int, gait: str = "") -> None:
        """`gait` is what walks: a scripted gait, by default the body's own, or the file of a policy for joints."""
        self._gait, self._pool = gait, WorkerPool(workers)

    def __enter__(self) -> Self:
        self._pool.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.__exit__(kind, error, trace)

    def attempt(self, file: Path, seeds: Sequence[int]) -> Iterator[list[TrackResult]]:
        """Let the image policy in a file drive the tracks of these seeds; yields some results at a time."""
        parts = [seeds[at : at + AT_ONCE] for at in range(0, len(seeds), AT_ONCE)]
        return self._pool.each(attempt, [(file, part, self._gait) for part in parts])
