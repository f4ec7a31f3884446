"""`leash calibrate selftest`: calibrates simulated machines with known errors, and says what is left of them."""

import functools
import multiprocessing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from rich.progress import track

from leash_robot.calibration.camera.charuco_board import Board
from leash_robot.calibration.camera.selftest import camera_selftest
from leash_robot.calibration.procedures import calibrate_everything
from leash_robot.calibration.selftest import KnownErrors, remaining_errors
from leash_robot.calibration.session import CalibrationSession, Found, Opener
from leash_robot.launch.composition.policies import local_policy
from leash_robot.launch.options.checked import Count, checked
from leash_robot.launch.options.parsing import parsed
from leash_robot.launch.options.shipped import PolicyName
from leash_robot.launch.reporting.output import console, emit
from leash_robot.policies.shipped import WALK
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.errors import CalibrationError, LeashError
from leash_robot.robot.locomotion.velocity_command import ConstantCommand
from leash_robot.robot.logs import Logs
from leash_robot.robot.loop import run
from leash_robot.robot.spec import Spec, load_spec
from leash_robot.robot.types import Policy
from leash_robot.sim.evaluation.episode_scorer import EpisodeScorer
from leash_robot.sim.evaluation.replay import TickLog, before_and_after, joint_rmse
from leash_robot.sim.randomization.uncalibrated_twin import draw_machine, true_motors, true_mount
from leash_robot.sim.rendering.board_scene import Pattern, board_scene
from leash_robot.sim.rendering.flawed_camera import draw_flaws
from leash_robot.sim.rendering.shown_board import ShownBoard
from leash_robot.sim.twin.dynamics import TwinDynamics
from leash_robot.sim.twin.machine import Twin
from leash_robot.sim.twin.virtual_time import lockstep

COMMAND = (0.2, 0.0, 0.0)
SECONDS, SETTLE = 8.0, 2.0
"""How long the robot walks, and what of it the error leaves out [s]."""
FALLEN_RMSE = 1.0
"""What counts as the velocity error of a robot that fell or was stopped [m/s]."""
MOTORS = ("kp", "kd", "torque_limit", "coulomb", "rotor_inertia")


@dataclass(frozen=True)
class SelfTest:
    """Draw machines, calibrate each in lock-step, compare with the truth: `leash calibrate selftest --machines 20`.

    Each has all errors at once: joint zeros up to 8 deg, IMU mounting 5 deg about each axis, gyro bias 0.05 rad/s, two
    delays up to 60 ms, kp, kd, dry friction, rotor inertia and torque limit up to 30 %, and the sensors' noise. The
    procedures are those that run on a robot, through the same driver and the gate's own rules, in virtual time.
    """

    machines: Count = 20
    """How many."""
    seed: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0
    """Number of the first machine."""
    jobs: Annotated[int, Meta(ge=1, le=256)] = 2
    """How many at a time."""
    policy: PolicyName = str(WALK)
    """What walks on each machine before and after: `trot` or a policy file."""
    json: bool = False
    """Print one JSON object on the last line."""


def opener(twin: Twin) -> Opener:
    """Opens this twin in virtual time."""
    return lambda spec, calibration: lockstep(spec, twin, calibration=calibration)


def known_errors(machine: TwinDynamics) -> KnownErrors:
    """The truth about a drawn machine."""
    return KnownErrors(
        joint_zero_deg=np.array(machine.joint_zero_deg),
        imu_mount=true_mount(machine),
        gyro_bias=np.array(machine.imu.gyro_bias),
        round_trip_ms=machine.action_latency_ms + machine.telemetry_latency_ms,
        motors=true_motors(machine),
    )


def trial(policy: str, seed: int) -> dict[str, Any]:
    """Calibrate one machine, walk with it before and after, replay the walk; `failed` says why there are no figures."""
    spec = load_spec()
    try:
        (calibration, _), seconds = calibrated(seed, spec)
    except LeashError as error:
        return {"seed": seed, "failed": str(error)}
    before, _ = walk(seed, spec, Calibration.identity(spec), local_policy(policy, spec)[0])
    after, ticks = walk(seed, spec, calibration, local_policy(policy, spec)[0])
    recorded = ticks.recorded()
    nominal, found = before_and_after(recorded, spec, calibration)
    return {
        "seed": seed,
        "robot_s": seconds,
        "errors": remaining_errors(calibration, known_errors(draw_machine(seed))),
        "replay_before_rad": joint_rmse(nominal, recorded),
        "replay_after_rad": joint_rmse(found, recorded),
        "walk_before": before,
        "walk_after": after,
    }


def calibrated(seed: int, spec: Spec) -> tuple[Found, float]:
    """The calibration of the machine with this seed, and how long it took [s]."""
    twin = Twin(draw_machine(seed), seed=seed)
    begin = twin.ms
    found = calibrate_everything(CalibrationSession(spec, Calibration.identity(spec), opener(twin)))
    return found, (twin.ms - begin) * 1e-3


def walk(seed: int, spec: Spec, calibration: Calibration, policy: Policy) -> tuple[float, TickLog]:
    """Velocity error [m/s] of a policy on the machine with this seed, driven with this calibration."""
    twin, log = Twin(draw_machine(seed), seed=seed), TickLog()
    scorer = EpisodeScorer(twin.truth, spec)
    try:
        with lockstep(spec, twin, calibration=calibration) as robot:
            robot.reset()
            steered = ConstantCommand(policy, COMMAND)
            ticks = round(SECONDS * spec.rate)
            run(robot, steered, Logs(scorer, log), ticks=ticks, done=lambda tick: tick.sent.source == "safety")
    except LeashError:
        return FALLEN_RMSE, log
    fell = scorer.fallen or len(log.ticks) < ticks
    return (FALLEN_RMSE if fell else scorer.score(SETTLE)["speed_rmse"]), log


def measure(config: SelfTest) -> dict[str, Any]:
    """Run all trials; the figures over all of them. Raises CalibrationError when none could be calibrated."""
    local_policy(config.policy, load_spec())
    seeds = range(config.seed, config.seed + config.machines)
    with multiprocessing.get_context("spawn").Pool(min(config.jobs, config.machines)) as pool:
        running = pool.imap_unordered(functools.partial(trial, config.policy), seeds)
        trials = [_printed(one) for one in track(running, "calibrating machines", total=len(seeds), console=console)]
    return summary(trials) | cameras(config)


def _printed(one: dict[str, Any]) -> dict[str, Any]:
    """The same trial, with a line for people that says how it went."""
    if "failed" in one:
        console.print(f"machine {one['seed']}: {one['failed']}", highlight=False, soft_wrap=True)
        return one
    largest = " · ".join(f"{name} {max(values):.2g}" for name, values in one["errors"].items())
    ratio = one["replay_after_rad"] / one["replay_before_rad"]
    walked = f"walks {one['walk_before']:.3f} m/s off before, {one['walk_after']:.3f} after"
    console.print(f"machine {one['seed']}: {largest} · replay {ratio:.2f} · {walked}", highlight=False, soft_wrap=True)
    return one


def cameras(config: SelfTest) -> dict[str, float]:
    """What is left of the errors of as many rendered cameras."""

    def shown(numbers: range) -> Iterable[int]:
        return track(numbers, "calibrating cameras", total=len(numbers), console=console)

    return rendered_cameras(config.machines, config.seed, shown)


def rendered_cameras(
    machines: int, seed: int, progress: Callable[[range], Iterable[int]] = lambda numbers: numbers
) -> dict[str, float]:
    """Draw `machines` cameras and calibrate each; see `camera_selftest`.

    Focal length +-10 %, principal point +-16 px, distortion, blur, noise, moved by 10 mm and turned by 5 deg; the
    joints carry the errors that calibrated ones may have.
    """
    board = Board()
    room = board_scene(Pattern(board.modules, board.size[0]))  # takes seconds, serves for all

    def opened(number: int) -> ShownBoard:
        rng = np.random.default_rng([seed, number])
        return ShownBoard(draw_flaws(rng), board.size, room, rng)

    return camera_selftest(machines, load_spec(), opened, progress)


def summary(trials: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """95th percentiles over machines (and joints, axes, parameters); what failed counts against `transfer_better`."""
    done = [one for one in trials if "failed" not in one]
    failures = {str(one["seed"]): one["failed"] for one in trials if "failed" in one}
    if not done:
        raise CalibrationError(f"no machine could be calibrated; the first says: {next(iter(failures.values()))}")

    def p95(*names: str) -> float:
        return float(np.percentile([value for one in done for name in names for value in one["errors"][name]], 95))

    motors = [f"motor_{name}_percent" for name in MOTORS]
    return {
        "joint_zero_p95_deg": p95("joint_zero_deg"),
        "imu_mount_p95_deg": p95("imu_mount_deg"),
        "gyro_bias_p95": p95("gyro_bias"),
        "delay_p95_ms": p95("delay_ms"),
        "motor_p95_percent": p95(*motors),
        **{name.replace("_percent", "_p95_percent"): p95(name) for name in motors},
        "replay_rmse_ratio": float(np.median([one["replay_after_rad"] / one["replay_before_rad"] for one in done])),
        "replay_rmse_ratio_p95": float(
            np.percentile([one["replay_after_rad"] / one["replay_before_rad"] for one in done], 95)
        ),
        "transfer_better": sum(one["walk_after"] < one["walk_before"] for one in done),
        "walk_rmse_before": float(np.mean([one["walk_before"] for one in done])),
        "walk_rmse_after": float(np.mean([one["walk_after"] for one in done])),
        "robot_time_max_s": max(one["robot_s"] for one in done),
        "machines": len(trials),
        "failures": failures,
    }


def main(args: list[str]) -> int:
    """Print the figures; the exit code is 1 when a machine could not be calibrated."""
    config = checked(parsed(SelfTest, "leash calibrate selftest", args))
    figures = measure(config)
    for name, value in figures.items():
        shown = f"{value:.4g}" if isinstance(value, float) else value
        console.print(f"{name:<32}{shown}", highlight=False)
    if config.json:
        emit(figures)
    return 1 if figures["failures"] else 0
