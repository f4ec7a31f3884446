"""`leash bench clone`: record demonstrations on the twin, clone them, and score clone and demonstrator side by side."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from leash_robot.launch.options.checked import Count, Seconds
from leash_robot.robot.locomotion.velocity_command import Forward


@dataclass(frozen=True)
class BenchClone:
    """How well a clone walks: recorded, trained and scored from scratch on the twin."""

    demonstrations: Annotated[Count, tyro.conf.arg(help="Demonstrations to record.")] = 10
    demonstration_s: Seconds = 12.0
    """Length of each."""
    episodes: Annotated[Count, tyro.conf.arg(help="Episodes of 10 s that each of the two is scored on.")] = 20
    speed: Forward = 0.25
    """Forward speed [m/s]."""
    seed: int = 0
    """Seed of the operator and of the training."""
    json: bool = False
    """Print one JSON object on the last line."""


def measure(config: BenchClone) -> dict[str, Any]:
    """The clone's figures as `leash eval` prints them, the demonstrator's speed, and their ratio."""
    from leash_robot.launch.commands.demo.twin import demonstrate
    from leash_robot.launch.commands.train.command import TrainBc, clone
    from leash_robot.policies.imitation.bc import BcConfig

    with tempfile.TemporaryDirectory(prefix="leash-") as name:
        folder = Path(name)
        demonstrate(folder / "data", config.demonstrations, config.demonstration_s, config.seed)
        trained = clone(TrainBc((folder / "data",), folder / "clone.safetensors", BcConfig(seed=config.seed)))
        scores = [score(policy, config) for policy in ("trot", str(folder / "clone.safetensors"))]
    demonstrator, cloned = scores
    return {
        **cloned,
        "demonstrator_speed_mean": demonstrator["speed_mean"],
        "demonstrator_no_fall": demonstrator["no_fall"],
        "speed_ratio": cloned["speed_mean"] / demonstrator["speed_mean"],
        "training_s": trained["seconds"],
    }


def score(policy: str, config: BenchClone) -> dict[str, float | int]:
    """One policy's evaluation on the twin, whose noise no demonstration had."""
    from leash_robot.launch.commands.eval.command import Eval
    from leash_robot.launch.commands.eval.command import measure as evaluate
    from leash_robot.launch.composition.robots import RobotOptions
    from leash_robot.policies.imitation.score import HELD_OUT_TRACKS

    robot = RobotOptions(robot="twin", seed=HELD_OUT_TRACKS.start + config.seed)
    return evaluate(Eval(policy, robot=robot, command=(config.speed, 0.0, 0.0), episodes=config.episodes))
