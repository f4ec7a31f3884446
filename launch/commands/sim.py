"""`leash sim`: look at the randomization samples of a table of ranges."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from msgspec import Meta
from rich.progress import track

from leash_robot.launch.options.checked import checked
from leash_robot.launch.options.parsing import subcommand
from leash_robot.launch.options.tables import table
from leash_robot.launch.reporting.output import console, emit, emit_to
from leash_robot.launch.reporting.sample_sheet import sheet
from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.errors import UsageError
from leash_robot.robot.spec import load_spec
from leash_robot.sim.evaluation.samples import CommandRanges, RandomizationSample, axes, draw_sample
from leash_robot.sim.pybullet.robot import SimPupper
from leash_robot.sim.randomization.sampling import Ranges
from leash_robot.sim.rendering.portrait import portrait

Draws = Annotated[int, Meta(ge=1, le=60)]


@dataclass(frozen=True)
class ShowSamples:
    """Draw machines and floors, and look at them: `leash sim show hard --draws 12 --out runs/hard`."""

    ranges: Annotated[str, tyro.conf.Positional] = "train"
    """Table of ranges to draw from: `train`, `inside`, `outside`, `hard`, or a YAML file."""
    draws: Draws = 12
    """How many."""
    seed: int = 0
    """Draws them; `leash eval --grid` with the same seed walks the same ones."""
    out: Path = Path("runs/draws")
    """Folder for the picture, draws.png, and what was drawn, draws.json."""
    json: bool = False
    """Print one JSON object on the last line."""


def main(args: list[str]) -> int:
    """Draw, render, and print."""
    config = checked(subcommand({"show": ShowSamples}, "leash sim", args))
    ranges = table(config.ranges)
    samples = [draw_sample(ranges, CommandRanges(), config.seed, number) for number in range(config.draws)]
    rows = [axes(sample, ranges) for sample in samples]
    try:
        config.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {config.out}: {error.strerror}; give another --out") from None
    title = f"{config.draws} draws of {config.ranges}, seed {config.seed}"
    sheet(title, pictures(samples), rows, config.out / "draws.png")
    found = figures(config, ranges, rows)
    emit_to(config.out / "draws.json", found)
    if config.json:
        emit(found)
    else:
        console.print("\n".join(lines(rows)), highlight=False, soft_wrap=True)
        console.print(f"{config.out / 'draws.png'} shows them", highlight=False)
    return 0


def pictures(samples: list[RandomizationSample]) -> list[Pixels]:
    """Each machine as it stands on its floor."""
    with SimPupper(load_spec()) as robot:
        return [_pose(robot, sample) for sample in track(samples, "rendering", console=console)]


def _pose(robot: SimPupper, sample: RandomizationSample) -> Pixels:
    robot.become(sample.dynamics, sample.seed)
    return portrait(robot)


def figures(config: ShowSamples, ranges: Ranges, rows: list[dict[str, float]]) -> dict[str, Any]:
    """What was drawn, as `--json` prints it."""
    return {"ranges": config.ranges, "seed": config.seed, "picture": str(config.out / "draws.png"), "draws": rows}


def lines(rows: list[dict[str, float]]) -> list[str]:
    """What was drawn, an axis a line."""
    wide = max(map(len, rows[0]))
    head = f"{'draw':{wide}}" + "".join(f"{number:>9}" for number in range(len(rows)))
    return [head, *(f"{name:{wide}}" + "".join(f"{row[name]:9.3g}" for row in rows) for name in rows[0])]
