"""`leash train`: make a policy out of recordings, or out of trial and error in simulation."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
import tyro
from msgspec import Meta
from rich.markup import escape
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from leash_robot.launch.commands.deploy import terminable
from leash_robot.launch.commands.train.demos import recordings
from leash_robot.launch.options.checked import checked
from leash_robot.launch.options.parsing import parsed, subcommand
from leash_robot.launch.reporting.output import console, emit, short
from leash_robot.policies.imitation.bc import BcConfig, Progress, Trained, train
from leash_robot.policies.imitation.checkpoint import Interrupted, checkpoint_of, load_interrupted, save_interrupted
from leash_robot.policies.imitation.dagger import Weighting, weigh
from leash_robot.policies.manifest import Manifest, with_calibration
from leash_robot.policies.policy_file import check_writable, read_manifest, save_policy
from leash_robot.robot.dataset.episode import Episode
from leash_robot.robot.dataset.learnable import OUTCOMES, Learnable
from leash_robot.robot.host.stopping import STOPPED, stoppable
from leash_robot.robot.types import Array
from leash_robot.teleop.intervention.call_for_help import FITTED, refit

if TYPE_CHECKING:
    from leash_robot.launch.commands.train.sac import TrainSac

INTERRUPTED = "interrupted_at_step"
"""In a policy's notes, when its training was."""
NOT_MET = 3
"""Exit code of a training that never met its criterion."""


@dataclass(frozen=True)
class TrainBc:
    """Clone a demonstrator: `leash train bc data/trot --out walk.safetensors`.

    Recordings of `leash intervene` may be among the data: `leash train bc data/trot data/corrected`.
    """

    data: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of episodes, or episode files. Damaged, unfinished and discarded ones are left out."""
    out: Path = Path("policy.safetensors")
    """Where the policy goes."""
    bc: Annotated[BcConfig, tyro.conf.arg(name="")] = field(default_factory=BcConfig)
    weighting: Weighting = field(default_factory=Weighting)
    """How much corrections count, where `leash intervene` recorded any."""
    ask: Annotated[float, Meta(ge=0, le=1)] = 0.1
    """Part of the time in which the policy shall ask for help, fitted to how much its predecessor doubted in the
    recordings of `leash intervene`."""
    outcomes: tuple[Learnable, ...] = OUTCOMES
    """Outcomes that are learned from."""
    resume: bool = False
    """Go on with the training of the same policy that was interrupted."""
    json: bool = False
    """Print one JSON object on the last line."""


def main(args: list[str]) -> int:
    """Train, save, and say how well it went."""
    if args[:1] == ["bc"]:
        return _bc(checked(parsed(TrainBc, "leash train bc", args[1:])))
    return _other(args)


def _other(args: list[str]) -> int:
    """Note: imported late, since it brings a simulator, which cloning does without."""
    from leash_robot.launch.commands.train.sac import TrainSac

    commands: dict[str, Callable[..., TrainBc | TrainSac]] = {"bc": TrainBc, "sac": TrainSac}
    config = checked(subcommand(commands, "leash train", args))
    return _sac(config) if isinstance(config, TrainSac) else _bc(config)


def _bc(config: TrainBc) -> int:
    figures = cloned(config)
    if config.json:
        emit(figures)
    return STOPPED if figures["interrupted"] else 0


def _sac(config: "TrainSac") -> int:
    from leash_robot.launch.commands.train.sac import learn

    with terminable():
        figures = learn(config)
    if config.json:
        emit(figures)
    else:
        console.print(*(f"{key} {short(value)}" for key, value in figures.items()), sep=" · ", highlight=False)
    if figures["met"]:
        return 0
    said = "the criterion was not met: the policy is not good enough yet"
    console.print(f"[red]{said}[/red]; this goes on:\n{escape(figures['go_on'])}", highlight=False, soft_wrap=True)
    return NOT_MET


def clone(config: TrainBc) -> dict[str, Any]:
    """Train and save; the figures as `cloned` gives them. Raises KeyboardInterrupt after an interrupted training."""
    figures = cloned(config)
    if figures["interrupted"]:
        raise KeyboardInterrupt
    return figures


def cloned(config: TrainBc) -> dict[str, Any]:
    """Train and save; see `imitation.bc.Trained` for the figures, and `seconds`, `episodes`, `out`, `interrupted`.

    Raises KeyboardInterrupt, after a line that says so, when nothing was learned before the interruption.
    """
    started = time.monotonic()
    check_writable(config.out)
    held = checkpoint_of(config.out)
    resume = load_interrupted(held) if config.resume else None
    try:
        with terminable():
            found = recordings(config.data, config.outcomes)
            if resume is None and held.exists():
                console.print(f"an interrupted training is in {held}; --resume goes on with it", highlight=False)
            trained = _trained(config, found.episodes, resume)
    except KeyboardInterrupt:
        console.print("interrupted; nothing was written", highlight=False)
        raise
    manifest = noted(with_calibration(trained.manifest, found.episodes), asking(found.episodes, config.ask))
    at = trained.interrupted
    out = _finished(config, trained, manifest) if at is None else _kept(config, trained, manifest, at)
    return {
        "out": str(out),
        "episodes": len(found.episodes),
        "ticks": found.ticks,
        "left_out": [{"file": str(one.path), "reason": one.reason} for one in found.left_out],
        "seconds": time.monotonic() - started,
        "interrupted": trained.interrupted is not None,
        **trained.figures,
    }


def _trained(config: TrainBc, episodes: Sequence[Episode], resume: Interrupted | None) -> Trained:
    """Train, under a bar."""
    with stoppable() as asked, _bar() as bar:
        task = bar.add_task("cloning", total=config.bc.steps, error="")

        def report(progress: Progress) -> None:
            bar.update(task, completed=progress.step, error=f"{progress.held_out_rmse_rad:.4f} rad held out")

        return train(
            episodes, episodes[0].spec, config.bc, weights=weights(episodes, config), report=report,
            stop=asked.is_set, resume=resume,
        )  # fmt: skip


def _finished(config: TrainBc, trained: Trained, manifest: Manifest) -> Path:
    """Save the policy."""
    save_policy(config.out, manifest, trained.weights)
    checkpoint_of(config.out).unlink(missing_ok=True)
    _told(config.out, trained)
    return config.out


def _kept(config: TrainBc, trained: Trained, manifest: Manifest, at: Interrupted) -> Path:
    """Save the best so far, though never over a finished policy, and all that is needed to go on."""
    held, out = checkpoint_of(config.out), config.out
    if out.exists() and INTERRUPTED not in read_manifest(out).training:
        out = out.with_name(f"{out.stem}.best.safetensors")
    save_interrupted(held, at)
    step = at.facts.step
    save_policy(out, noted(manifest, {INTERRUPTED: step}), trained.weights)
    console.print(
        f"interrupted after step {step} of {config.bc.steps}; the best policy so far is kept", highlight=False
    )
    _told(out, trained)
    console.print(f"the same command with --resume goes on, from {held}", highlight=False, soft_wrap=True)
    return out


def _told(out: Path, trained: Trained) -> None:
    off = trained.figures["held_out_rmse_rad"]
    console.print(f"{out}: off by {off:.4f} rad on what was held out", highlight=False, soft_wrap=True)


def weights(episodes: Sequence[Episode], config: TrainBc) -> list[Array] | None:
    """How much each tick of each episode counts; None where the policy itself is imitated."""
    if config.bc.teacher == "policy":
        return None
    own = 1.0 if config.bc.teacher == "both" else config.weighting.own
    return weigh(episodes, replace(config.weighting, own=own))


def asking(episodes: Sequence[Episode], share: float) -> dict[str, float]:
    """From which doubt on help is asked, so that it would have been during `share` of what was recorded under
    supervision; nothing where no policy doubted.
    """
    doubts = [episode.policy.risk for episode in episodes if np.isfinite(episode.policy.risk).any()]
    return {FITTED: refit(np.concatenate(doubts), share).risk} if doubts else {}


def noted(manifest: Manifest, notes: Mapping[str, float]) -> Manifest:
    """The manifest with more notes on the training."""
    return msgspec.structs.replace(manifest, training={**manifest.training, **notes})


def _bar() -> Bar:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[error]}"), TimeRemainingColumn())
    return Bar(*columns, console=console)
