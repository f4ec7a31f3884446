"""Ticks with every field different from every other, and files made of them."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from leash_robot.robot.cameras.image import Image
from leash_robot.robot.dataset.mcap.tick_schema import Layout
from leash_robot.robot.dataset.mcap.writer import EpisodeWriter
from leash_robot.robot.dataset.metadata import End, EpisodeStart, Outcome
from leash_robot.robot.spec import CameraSpec, Spec, load_spec
from leash_robot.robot.types import SOURCES, Action, Observation, Tick, unknown

PERIOD = 0.05
OFFSET = 1_700_000_000_000_000_000


@cache
def small_spec() -> Spec:
    """A Pupper with two tiny cameras, so that frames cost nothing."""
    cameras = {"head": CameraSpec(32, 24, 20.0), "tail": CameraSpec(16, 16, 10.0)}
    return replace(load_spec(), name="small", cameras=cameras)


def blind_spec() -> Spec:
    """A Pupper without cameras."""
    return replace(load_spec(), name="blind", cameras={})


def frame(time: float, shade: int, height: int = 24, width: int = 32) -> Image:
    """A frame of one shade."""
    jpeg = Image(time, rgb=np.full((height, width, 3), shade % 256, np.uint8)).jpeg
    return Image(time, jpeg=jpeg)


def ticks(count: int, spec: Spec | None = None, seed: int = 0, begin: float = 100.0) -> list[Tick]:
    """A made-up episode. The head camera has a new frame every tick, the tail camera every other one from the third."""
    spec = spec or small_spec()
    random = np.random.default_rng(seed)
    made = []
    for index in range(count):
        time = begin + PERIOD * index
        images = {"head": frame(time - 0.01, 5 * index)} if "head" in spec.cameras else {}
        if "tail" in spec.cameras and index >= 2:
            images["tail"] = frame(begin + PERIOD * (index - index % 2) - 0.02, 7 * (index - index % 2), 16, 16)
        made.append(tick(time, spec, random, images))
    return made


def tick(time: float, spec: Spec, random: np.random.Generator, images: dict[str, Image]) -> Tick:
    """One made-up tick, with or without each proposal."""
    n = len(spec.joints)
    values = [random.normal(size=n) for _ in range(7)]
    obs = Observation(
        time=time,
        late=float(random.uniform(0, 0.01)),
        joint_pos=values[0],
        joint_vel=values[1],
        joint_effort=unknown(n),
        gravity=random.normal(size=3),
        gyro=random.normal(size=3),
        command=random.normal(size=3),
        images=images,
        age=0.004,
    )
    human = Action(values[2], random.normal(size=3), "human") if random.random() < 0.5 else None
    policy = Action(values[3], source="policy", risk=float(random.random())) if random.random() < 0.5 else None
    source = SOURCES[int(random.integers(len(SOURCES)))]
    wanted = Action(values[4], random.normal(size=3), source, human=human, policy=policy)
    return Tick(obs, wanted, Action(values[5], wanted.command, source, risk=0.25))


def start(spec: Spec | None = None, index: int = 0) -> EpisodeStart:
    """What an episode says at its beginning."""
    spec = spec or small_spec()
    return EpisodeStart(spec, spec.hash, "calibrated", index, "2026-01-01T00:00:00Z", OFFSET, "0.1.0", {"task": "walk"})


def new_frames(made: Sequence[Tick], index: int, spec: Spec) -> dict[int, bytes]:
    """The frames that tick `index` is the first to see, by camera number."""
    images = made[index].obs.images
    before = made[index - 1].obs.images if index else {}
    return {
        list(spec.cameras).index(name): image.jpeg
        for name, image in images.items()
        if name not in before or before[name].time != image.time
    }


def fill(writer: EpisodeWriter, made: Sequence[Tick], first: int = 0, group: int = 5) -> None:
    """Add ticks from number `first` on, flushed in groups."""
    spec = writer.start.spec
    layout = Layout.of(spec, spec.cameras)
    for index in range(first, len(made)):
        row = layout.pack(index, made[index], tuple(spec.cameras))
        writer.add(row, new_frames(made, index, spec))
        if index % group == group - 1:
            writer.flush()


def record(
    folder: Path, count: int = 23, spec: Spec | None = None, index: int = 0, outcome: Outcome = "success"
) -> Path:
    """A finished episode file of made-up ticks."""
    spec = spec or small_spec()
    writer = EpisodeWriter(folder / f"episode_{index:06d}.mcap", start(spec, index))
    fill(writer, ticks(count, spec, seed=index))
    return writer.finish(End(outcome))


def flip(path: Path, byte: int, bit: int = 0) -> None:
    """Flip one bit of a file."""
    data = bytearray(path.read_bytes())
    data[byte] ^= 1 << bit
    path.write_bytes(data)
