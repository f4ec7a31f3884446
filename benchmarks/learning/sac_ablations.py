"""What each part of the recipe is worth on machines that training never saw.

    python benchmarks/learning/sac_ablations.py --updates 32000 --draws 50 --out runs/ablations

Trains the plan of `--config pupper/walk` as it is and with one thing changed, for the same number of updates each, and
walks every policy over the `inside` table on the twin and in PyBullet, and over the `hard` one on the twin. A training
that is finished is kept: the same command goes on with the next.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace
from rich.table import Table

from leash_robot.launch.commands.eval.held_out import HeldOut, measure
from leash_robot.launch.commands.eval.options import HeldOutOptions
from leash_robot.launch.commands.train.sac import TrainSac, learn
from leash_robot.launch.composition.training.schema import WalkTraining, load_training
from leash_robot.launch.options.shipped import CONFIGS
from leash_robot.launch.options.tables import table
from leash_robot.launch.reporting.output import console
from leash_robot.robot.config.yaml_text import dump_yaml
from leash_robot.sim.evaluation.result import Engine
from leash_robot.sim.evaluation.samples import CommandRanges
from leash_robot.sim.randomization.sampling import FIXED

CONFIG = CONFIGS / "pupper" / "walk.yaml"
ERFI = {"torque_noise": 0.15, "torque_offset": 0.1}
"""Random torques at each step in half of the episodes, constant ones in the other half [N m] (Campanaro 2022)."""
FIRST = 8000
"""Updates until the first snapshot that passes is judged."""

PLACES = ("twin", "sim", "hard")


def whole(plan: WalkTraining) -> WalkTraining:
    """As it is."""
    return plan


def without_randomization(plan: WalkTraining) -> WalkTraining:
    """The nominal machine on a level floor, never pushed."""
    return replace(plan, walk=replace(plan.walk, ranges=None, pushes=None))


def with_random_torques(plan: WalkTraining) -> WalkTraining:
    """The nominal machine under torques from nowhere, and nothing else."""
    return replace(plan, walk=replace(plan.walk, ranges=replace(FIXED, **ERFI), pushes=None))


def without_history(plan: WalkTraining) -> WalkTraining:
    """One tick of sensors, without the last actions."""
    return replace(plan, features=replace(plan.features, frames=1, actions=False))


def first_pass(plan: WalkTraining) -> WalkTraining:
    """The first snapshot that passes."""
    return replace(plan, updates=FIRST)


def on_the_trot(plan: WalkTraining) -> WalkTraining:
    """Corrections of the scripted trot instead of whole targets."""
    shown = replace(plan.demonstrations, steps=0)
    return replace(plan, residual="trot", demonstrations=shown, sac=replace(plan.sac, warm_up=0, anchor=0.0))


VARIANTS: dict[str, Callable[[WalkTraining], WalkTraining]] = {
    "as it is": whole,
    "no randomization": without_randomization,
    "random torques only (ERFI)": with_random_torques,
    "no history": without_history,
    "first passing checkpoint": first_pass,
    "residual on the trot": on_the_trot,
}


def trained(name: str, plan: WalkTraining, folder: Path) -> Path:
    """The policy of this plan, from before or learned now."""
    policy = folder / "policy.safetensors"
    if not (folder / "report.html").exists():
        console.print(f"{name}: learns for {plan.updates} updates", highlight=False)
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "plan.yaml"
        config.write_text(dump_yaml(msgspec.to_builtins(plan)))
        for old in folder.glob("checkpoint*"):
            old.unlink()
        learn(TrainSac(config=config, out=folder, video=False))
    return policy


def judged(policy: Path, draws: int) -> dict[str, Any]:
    """How it does on the `inside` table on both engines, and on the `hard` one on the twin."""
    found: dict[str, Any] = walked(policy, "inside", ("twin", "sim"), draws)
    return {**found, "hard": walked(policy, "hard", ("twin",), draws)["twin"]}


def walked(policy: Path, grid: str, engines: tuple[Engine, ...], draws: int) -> dict[str, Any]:
    """How it does on one table."""
    options = HeldOutOptions(grid=grid, draws=draws, out=policy.parent / grid)
    job = HeldOut(str(policy), table(grid), CommandRanges(), seed=0, seconds=20.0)
    return measure(job, engines, options)[0]


def main() -> None:
    """Train, walk, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=32_000, help="of each training")
    parser.add_argument("--draws", type=int, default=50, help="machines that each policy walks on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/ablations"), help="folder for policies and figures")
    options = parser.parse_args()
    plan = replace(load_training(CONFIG), updates=options.updates, seed=options.seed)
    plan = replace(plan, judging=replace(plan.judging, final=2))  # what counts is scored on the table
    rows: dict[str, Any] = {}
    for name, change in VARIANTS.items():
        folder = options.out / name.split(" (")[0].replace(" ", "_")
        rows[name] = judged(trained(name, change(plan), folder), options.draws)
        (options.out / "ablations.json").write_text(json.dumps(rows))
    shown = Table("followed / up, m/s off", *PLACES)
    for name, found in rows.items():
        cells = [
            (found[place]["success"], found[place]["no_fall"], found[place]["speed_error_m_s"]) for place in PLACES
        ]
        shown.add_row(name, *(f"{followed} / {up}, {off:.3f}" for followed, up, off in cells))
    console.print(shown)


if __name__ == "__main__":
    main()
