"""`leash demo`: drive the twin, record it, clone it, let the clone drive, take over from it, and learn from that."""

import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import tyro

from leash_robot.launch.commands.demo.report import DemoWalk, Story, write_report
from leash_robot.launch.commands.demo.twin import correct, demonstrate, walk
from leash_robot.launch.commands.deploy import terminable
from leash_robot.launch.commands.train.command import TrainBc, clone
from leash_robot.launch.options.checked import Count, Seconds, checked
from leash_robot.launch.options.parsing import parsed
from leash_robot.launch.reporting.output import console, emit, plain
from leash_robot.launch.reporting.report import BLUE, GREEN, ORANGE, VIOLET
from leash_robot.launch.reporting.video import side_by_side, write_video
from leash_robot.policies.imitation.bc import BcConfig
from leash_robot.policies.shipped import WALK
from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.dataset.episode import Episode, load_dataset
from leash_robot.robot.errors import UsageError
from leash_robot.robot.locomotion.velocity_command import Forward
from leash_robot.robot.types import Array

VIDEO_RATE = 20.0
WRITTEN = {
    "demonstrations",
    "clone.safetensors",
    "corrections",
    "corrected.safetensors",
    "walk.mp4",
    "report.html",
    "summary.json",
}
"""What a demo leaves in its folder, and may replace."""


@dataclass(frozen=True)
class Demo:
    """Drive, record, clone, drive with the clone, take over from it, learn from that: all that leash does, on a
    simulated robot, in minutes: `leash demo --folder runs/demo`.
    """

    folder: Path = Path("runs/demo")
    """Where recordings, policy, video, report and summary go; what an earlier demo left there is replaced."""
    episodes: Annotated[Count, tyro.conf.arg(help="Demonstrations to record.")] = 10
    seconds: Seconds = 12.0
    """Length of a demonstration."""
    takeovers: Annotated[Count, tyro.conf.arg(help="Episodes in which a person takes over from the clone.")] = 3
    walks: Annotated[Count, tyro.conf.arg(help="Walks of 10 s on which clone and demonstrator are compared.")] = 3
    speed: Forward = 0.25
    """Forward speed of the comparison [m/s]."""
    seed: int = 0
    """Seed of the operator's wanderings and of the training."""
    json: bool = False
    """Print the summary as one JSON object on the last line."""

    @property
    def recordings(self) -> Path:
        """Folder of the demonstrations."""
        return self.folder / "demonstrations"

    @property
    def policy(self) -> Path:
        """File of the clone."""
        return self.folder / "clone.safetensors"

    @property
    def corrections(self) -> Path:
        """Folder of the episodes in which a person took over from the clone."""
        return self.folder / "corrections"

    @property
    def corrected(self) -> Path:
        """File of the policy that learned from those, too."""
        return self.folder / "corrected.safetensors"


def main(args: list[str]) -> int:
    """Run the demo and say where its report is."""
    config = checked(parsed(Demo, "leash demo", args))
    clear(config.folder)
    with terminable():
        figures = tell(config)
    (config.folder / "summary.json").write_bytes(msgspec.json.format(msgspec.json.encode(plain(figures))))
    console.print(f"report   {config.folder / 'report.html'}\nsummary  {config.folder / 'summary.json'}")
    if config.json:
        emit(figures)
    return 0


def clear(folder: Path) -> None:
    """Make the folder, without what an earlier demo wrote there. Raises UsageError when it holds anything else."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--folder {folder} is a file; give a folder")
    strange = sorted({path.name for path in folder.glob("*")} - WRITTEN)
    if strange:
        raise UsageError(f"--folder {folder} holds {strange[0]!r}, which no demo wrote; give an empty or a new folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def tell(config: Demo) -> dict[str, Any]:
    """Drive, record, clone, compare, report; returns the summary."""
    began = time.monotonic()
    console.rule("1/5  a scripted operator drives the twin, and is recorded")
    demonstrate(config.recordings, config.episodes, config.seconds, config.seed)
    console.rule("2/5  a network learns from the recordings")
    trained = clone(TrainBc((config.recordings,), config.policy, BcConfig(seed=config.seed)))
    console.rule("3/5  the network drives, a person takes over now and then, and it learns from that")
    supervised = correct(config.policy, config.corrections, config.takeovers, config.seconds, config.seed)
    again = clone(TrainBc((config.recordings, config.corrections), config.corrected, BcConfig(seed=config.seed)))
    console.rule("4/5  demonstrator, clone, corrected clone and the gait that comes with leash walk the same way")
    same = config.walks, config.speed, config.seed
    demonstrator = walk("trot", "demonstrator", ORANGE, *same)
    cloned = walk(str(config.policy), "clone", BLUE, *same)
    corrected = walk(str(config.corrected), "corrected", GREEN, *same)
    shipped = walk(str(WALK), "shipped gait", VIOLET, *same)
    console.rule("5/5  the report")
    video = config.folder / "walk.mp4"
    write_video(video, film(demonstrator, cloned, shipped), VIDEO_RATE)
    demonstrations = load_dataset(config.recordings)
    figures = summarize(demonstrator, cloned, demonstrations, trained)
    figures |= {key: supervised[key] for key in ("takeovers", "intervention_rate", "human_s")}
    figures |= {"corrected_no_fall": corrected.figures["no_fall"], "corrected_training_s": again["seconds"]}
    figures["corrected_speed_ratio"] = corrected.figures["speed_mean"] / demonstrator.figures["speed_mean"]
    figures |= {f"shipped_{name}": shipped.figures[name] for name in ("no_fall", "speed_mean")}
    figures["minutes"] = (time.monotonic() - began) / 60
    walks = (demonstrator, cloned, corrected, shipped)
    latency = budget(cloned, demonstrations)
    taken = load_dataset(config.corrections)[0]
    write_report(
        config.folder / "report.html", Story(figures, walks, demonstrations, taken, latency, video, VIDEO_RATE)
    )
    return figures


def film(*walks: DemoWalk) -> Iterator[Pixels]:
    """Frames of the first walk of each, side by side."""
    from leash_robot.sim.rendering.twin_camera import Renderer

    with contextlib.closing(Renderer(400, 300, fine=True)) as renderer:
        films = [(renderer.render(pose, "chase") for pose in walk.poses) for walk in walks]
        yield from side_by_side(*films)


def summarize(
    demonstrator: DemoWalk, cloned: DemoWalk, demonstrations: list[Episode], trained: dict[str, Any]
) -> dict[str, Any]:
    """The demo in figures."""
    late = np.concatenate([episode.late for episode in demonstrations]) * 1e3
    return {
        "demonstrations": len(demonstrations),
        "demonstrated_s": sum(episode.seconds for episode in demonstrations),
        "recording_late_p99_ms": float(np.percentile(late, 99)),
        "training_s": trained["seconds"],
        "held_out_rmse_rad": trained["held_out_rmse_rad"],
        "demonstrator_speed_mean": demonstrator.figures["speed_mean"],
        "speed_ratio": cloned.figures["speed_mean"] / demonstrator.figures["speed_mean"],
        **cloned.figures,
    }


def budget(cloned: DemoWalk, demonstrations: list[Episode]) -> dict[str, Array]:
    """Milliseconds of each part of a tick's latency, from the recordings and from the clone's walks."""
    parts = {"joint state: age when seen": np.concatenate([episode.age for episode in demonstrations]) * 1e3}
    for camera in demonstrations[0].spec.cameras:
        ages = [camera_age(episode, camera) for episode in demonstrations]
        if sum(map(len, ages)):
            parts[f"camera {camera}: age when seen"] = np.concatenate(ages) * 1e3
    parts["policy server: round trip"] = np.array(cloned.round_trip) * 1e3
    parts["of which the network"] = np.array(cloned.model_time) * 1e3
    return parts


def camera_age(episode: Episode, camera: str) -> Array:
    """Age of the newest frame at each tick that had one [s]."""
    index = episode.image_index(camera)
    seen = index >= 0
    now = (episode.time + episode.age)[seen]
    return np.asarray(now - episode.image_times(camera)[index[seen]]) if seen.any() else np.zeros(0)
