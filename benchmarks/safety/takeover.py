"""`leash bench takeover`: how soon a press has authority, how far a hand-over jumps, whether the labels are right."""

import math
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from rich.progress import Progress

from leash_robot.benchmarks.safety.lost_page import measure_lost
from leash_robot.launch.composition.policies import needs_imu, open_policy
from leash_robot.launch.composition.recording import recorder_of
from leash_robot.launch.composition.robots import Opened, RobotOptions, open_robot
from leash_robot.launch.options.checked import Count
from leash_robot.launch.reporting.output import console, note
from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.clock import MonotonicClock
from leash_robot.robot.dataset.episode import Episode, read_episode
from leash_robot.robot.errors import RobotError
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.lateness import Lateness
from leash_robot.robot.logs import Logs
from leash_robot.robot.loop import run
from leash_robot.robot.standing import fallen, stand
from leash_robot.robot.types import SOURCES, Array, Policy, Tick
from leash_robot.teleop.drive import Drive
from leash_robot.teleop.intervention.blend import Blend
from leash_robot.teleop.intervention.takeover import Takeover
from leash_robot.teleop.operator import ARMING, Event, Intent
from leash_robot.teleop.scripted_operator import VelocityBox

SHORTEST, LONGEST = 0.5, 1.2
"""How long the person or the policy drives at a time [s]: longer than a hand-over takes."""
HUMAN, POLICY = SOURCES.index("human"), SOURCES.index("policy")


@dataclass(frozen=True)
class BenchTakeover:
    """Takeovers at random instants in real time, and back: `leash bench takeover --takeovers 200`."""

    robot: Literal["sim", "twin"] = "twin"
    """twin: over the serial line and through the gate. sim: PyBullet, without either."""
    takeovers: Count = 200
    """How often the person takes over, and hands back; each takes about 1.7 s."""
    losses: Count = 5
    """How often the operator vanishes in the middle of a takeover; each takes about 5 s."""
    policy: str = "trot"
    """What is taken over from: `trot` or a policy file."""
    seed: int = 0
    """Draws the instants and where the person drives."""
    json: bool = False
    """Print one JSON object on the last line."""


class Presser:
    """Fits `Operator`: presses and lets go at instants that have nothing to do with the loop, and notes when."""

    def __init__(self, takeovers: int, rng: np.random.Generator) -> None:
        self._left, self._rng = takeovers, rng
        self._next = math.inf
        self._held = False
        self._command: Array = np.zeros(3)
        self.presses: list[float] = []
        """When the dead-man went down [s]."""
        self.held: list[bool] = []
        """Whether it was down, at each read."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    @property
    def done(self) -> bool:
        """Whether all presses and hand-backs are over."""
        return self._left == 0 and not self._held and time.monotonic() > self._next

    def begin(self, now: float) -> None:
        """Rest until the dead-man is armed, then go on."""
        self._held, self.held = False, []
        self._next = now + 2 * ARMING + self._draw()

    def read(self, now: float) -> Intent:
        """Held or not; letting go is a hand-back."""
        events: tuple[Event, ...] = ()
        if now >= self._next and (self._held or self._left):
            events = self._turn()
        self.held.append(self._held)
        return Intent(now, self._command if self._held else np.zeros(3), self._held, events)

    def _turn(self) -> tuple[Event, ...]:
        self._held = not self._held
        pressed_at, self._next = self._next, self._next + self._draw()
        if not self._held:
            return (Event.HANDBACK,)
        self._left -= 1
        self.presses.append(pressed_at)
        self._command = self._rng.uniform(VelocityBox().low, VelocityBox().high)
        return ()

    def _draw(self) -> float:
        return float(self._rng.uniform(SHORTEST, LONGEST))


class Stopwatch:
    """Fits `Log`: how long after each press the first of the person's actions had gone out."""

    def __init__(self, presser: Presser) -> None:
        self._presser = presser
        self.delays: list[float] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        """Note one tick, which has just gone out."""
        waiting = self._presser.presses[len(self.delays) :]
        if waiting and tick.sent.source == "human":
            now = time.monotonic()
            self.delays.extend(now - pressed for pressed in waiting)


@dataclass
class Findings:
    """What was seen at the hand-overs."""

    delays: list[float] = field(default_factory=list)
    """From each press to the person's first action that went out [s]."""
    jumps: list[float] = field(default_factory=list)
    """Largest movement of any joint's target in a tick of each hand-over [rad]."""
    first: list[float] = field(default_factory=list)
    """The same at its first tick."""
    right: int = 0
    """Ticks whose label is the script's."""
    ticks: int = 0
    falls: int = 0
    stops: int = 0
    """How often the gate stopped the robot by itself."""


def measure(config: BenchTakeover) -> dict[str, Any]:
    """Take over again and again; the labels are read back from the recording.

    `jump_max_rad` is how far the largest movement of a joint's target in a tick of a hand-over exceeded the slew limit
    `slew_rad`; `jump_first_max_rad` is the largest movement at the very tick of one. `operator_lost_still_max_ms`
    and `operator_lost_stop_max_ms` are the longest times from a device's last sign of life in a takeover to the first
    command of zero, and to the soft stop, that went out.
    """
    options = RobotOptions(robot=config.robot, seed=config.seed)
    imu = needs_imu(config.policy, options)
    with (
        tempfile.TemporaryDirectory(prefix="leash-") as folder,
        open_robot(options, needs_imu=imu, realtime=True) as opened,
        open_policy(config.policy, opened.spec, opened.plan) as handle,
        first_in_line(opened.plan.processes.control.nice),
    ):
        found, lateness = Findings(), Lateness(opened.spec.period)
        policy = handle.with_command((0.2, 0.0, 0.0))
        take_over(config, opened, policy, Path(folder), found, lateness)
        lost = measure_lost(opened, policy, Trot(opened.spec), config.losses, config.seed)
        rest = {
            "operator_lost_still_max_ms": max(loss.still for loss in lost) * 1e3,
            "operator_lost_stop_max_ms": max(loss.stopped for loss in lost) * 1e3,
        }
        return figures(found, opened.spec.period) | lateness.figures() | rest


def take_over(
    config: BenchTakeover, opened: Opened, policy: Policy, folder: Path, found: Findings, lateness: Lateness
) -> None:
    """Run until all takeovers are over; a robot that fell is stood up in between."""
    presser = Presser(config.takeovers, np.random.default_rng(config.seed))
    drive = Drive(presser, Trot(opened.spec), clock=MonotonicClock())
    takeover = Takeover(policy, drive, opened.spec)
    watch = Stopwatch(presser)
    with recorder_of(opened, folder, {"task": "bench"}) as recorder, Progress(console=console, transient=True) as bar:
        task = bar.add_task("takeovers", total=config.takeovers)

        def over(tick: Tick) -> bool:
            bar.update(task, completed=len(watch.delays))
            return presser.done or tick.sent.source == "safety" or fallen(opened)

        while not presser.done:
            stand(opened, report=note)
            stops, index = opened.gate_stops(), recorder.begin()
            presser.begin(time.monotonic())
            run(opened.robot, takeover, Logs(takeover, recorder, lateness, watch), done=over)
            if why := opened.stopped():
                console.print(f"after {len(watch.delays)} takeovers the gate stopped the robot: {why}", highlight=False)
            found.stops += opened.gate_stops() - stops
            found.falls += fallen(opened)
            recorder.end()
            if not recorder.settle():
                raise RobotError(recorder.status.error)
            judge(read_episode(folder / f"episode_{index:06d}.mcap"), presser.held, found)
    found.delays = watch.delays


def judge(episode: Episode, held: list[bool], found: Findings) -> None:
    """Compare an episode with what the person did at each tick."""
    truth = np.where(held, HUMAN, POLICY)[episode.number]
    source = episode.wanted.source
    found.ticks += len(truth)
    found.right += int((source == truth).sum())
    moved = np.abs(np.diff(episode.sent.joint_pos, axis=0)).max(axis=1)
    now, blend = episode.time + episode.age, Blend()
    for switch in np.flatnonzero(np.diff(source)):
        share = (now[switch + 1 :] - now[switch + 1] + episode.spec.period) / blend.seconds
        length = int(np.searchsorted(share, 1.0 - 1e-6)) + 1
        found.first.append(float(moved[switch]))
        found.jumps.append(float(moved[switch : switch + length].max()))


def figures(found: Findings, period: float) -> dict[str, float | int]:
    """The measurement in figures."""
    delays = np.array(found.delays) * 1e3
    slew = Blend().slew * period
    return {
        "takeovers": len(found.delays),
        "handovers": len(found.jumps),
        "authority_p50_ms": float(np.percentile(delays, 50)),
        "authority_p95_ms": float(np.percentile(delays, 95)),
        "authority_max_ms": float(delays.max()),
        "jump_max_rad": max(0.0, max(found.jumps) - slew),
        "jump_first_max_rad": max(found.first),
        "slew_rad": slew,
        "label_accuracy": found.right / found.ticks,
        "falls": found.falls,
        "gate_stops": found.stops,
    }
