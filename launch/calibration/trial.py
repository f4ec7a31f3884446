"""One simulated machine from power-up to verdict: calibrate it, walk with it before and after, replay the walk."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from leash_robot.calibration.joints.procedure import Found
from leash_robot.calibration.measurement import Instrument
from leash_robot.calibration.setup import Sitting
from leash_robot.launch.calibration.machines import draw_machine, errors
from leash_robot.launch.calibration.replay import Course, before_and_after, joint_rmse, seen_of
from leash_robot.launch.commands.calibrate.all import everything
from leash_robot.launch.composition.policies import local_policy
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.errors import LeashError
from leash_robot.robot.logs import Logs
from leash_robot.robot.loop import run
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Policy, Tick
from leash_robot.robot.velocity_command import ConstantCommand
from leash_robot.sim.evaluation.episode_scorer import EpisodeScorer
from leash_robot.sim.twin.machine import Twin
from leash_robot.sim.twin.virtual_time import lockstep

COMMAND = (0.2, 0.0, 0.0)
SECONDS, SETTLE = 8.0, 2.0
"""How long the robot walks, and what of it the error leaves out [s]."""
FALLEN_RMSE = 1.0
"""What counts as the velocity error of a robot that fell or was stopped [m/s]."""


class Tape:
    """Fits `Log`: keeps ticks."""

    def __init__(self) -> None:
        self.ticks: list[Tick] = []

    def __enter__(self) -> "Tape":
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        """Keep one tick."""
        self.ticks.append(tick)

    def course(self) -> Course:
        """What was told and done."""
        return Course(
            np.array([tick.sent.joint_pos for tick in self.ticks]), seen_of([tick.obs for tick in self.ticks])
        )


def walk(seed: int, spec: Spec, calibration: Calibration, policy: Policy) -> tuple[float, Tape]:
    """Velocity error [m/s] of a policy on the machine with this seed, driven with this calibration."""
    twin, tape = Twin(draw_machine(seed), seed=seed), Tape()
    scorer = EpisodeScorer(twin.truth, spec)
    try:
        with lockstep(spec, twin, calibration=calibration) as robot:
            robot.reset()
            steered = ConstantCommand(policy, COMMAND)
            ticks = round(SECONDS * spec.rate)
            run(robot, steered, Logs(scorer, tape), ticks=ticks, done=lambda tick: tick.sent.source == "safety")
    except LeashError:
        return FALLEN_RMSE, tape
    fell = scorer.fallen or len(tape.ticks) < ticks
    return (FALLEN_RMSE if fell else scorer.score(SETTLE)["speed_rmse"]), tape


def opener(twin: Twin) -> Callable[[Spec, Calibration], AbstractContextManager[Instrument]]:
    """Opens this twin in virtual time, as `Sitting.open` does."""
    return lambda spec, calibration: lockstep(spec, twin, calibration=calibration)


def calibrated(seed: int, spec: Spec) -> tuple[Found, float]:
    """The calibration of the machine with this seed, and how long it took [s]."""
    twin = Twin(draw_machine(seed), seed=seed)
    begin = twin.ms
    found = everything(Sitting(spec, Calibration.identity(spec), opener(twin)))
    return found, (twin.ms - begin) * 1e-3


def trial(seed: int, spec: Spec, policy: str) -> dict[str, Any]:
    """Every figure of one machine, on which a gait or the policy of a file walks; `failed` says why there are none."""
    try:
        (calibration, _), seconds = calibrated(seed, spec)
    except LeashError as error:
        return {"seed": seed, "failed": str(error)}
    before, _ = walk(seed, spec, Calibration.identity(spec), local_policy(policy, spec)[0])
    after, tape = walk(seed, spec, calibration, local_policy(policy, spec)[0])
    course = tape.course()
    nominal, found = before_and_after(course, spec, calibration)
    return {
        "seed": seed,
        "robot_s": seconds,
        "errors": dict(errors(calibration, draw_machine(seed))),
        "replay_before_rad": joint_rmse(nominal, course),
        "replay_after_rad": joint_rmse(found, course),
        "walk_before": before,
        "walk_after": after,
    }
