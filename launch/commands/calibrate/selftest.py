"""`leash calibrate selftest`: calibrates simulated machines with known errors, and says what is left of them."""

import functools
import multiprocessing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from rich.progress import track

from leash_robot.launch.calibration.camera_selftest import camera_selftest
from leash_robot.launch.calibration.trial import trial
from leash_robot.launch.composition.policies import local_policy
from leash_robot.launch.options.checked import Count, checked
from leash_robot.launch.options.parsing import parsed
from leash_robot.launch.options.shipped import PolicyName
from leash_robot.launch.reporting.output import console, emit
from leash_robot.policies.shipped import WALK
from leash_robot.robot.errors import CalibrationError
from leash_robot.robot.spec import load_spec

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


def _one(policy: str, seed: int) -> dict[str, Any]:
    return trial(seed, load_spec(), policy)


def measure(config: SelfTest) -> dict[str, Any]:
    """Run all trials; the figures over all of them. Raises CalibrationError when none could be calibrated."""
    local_policy(config.policy, load_spec())
    seeds = range(config.seed, config.seed + config.machines)
    with multiprocessing.get_context("spawn").Pool(min(config.jobs, config.machines)) as pool:
        running = pool.imap_unordered(functools.partial(_one, config.policy), seeds)
        trials = [_told(one) for one in track(running, "calibrating machines", total=len(seeds), console=console)]
    return summary(trials) | cameras(config)


def _told(one: dict[str, Any]) -> dict[str, Any]:
    """A trial, once a line for people says how it went."""
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

    return camera_selftest(config.machines, config.seed, shown)


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
