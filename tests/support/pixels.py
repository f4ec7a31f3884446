"""Recordings with a camera that image policies learn from."""

from pathlib import Path

import numpy as np

from leash_robot.policies.image_observation import PixelsConfig
from leash_robot.robot.cameras.image import Image
from leash_robot.robot.cameras.image import Pixels as Picture
from leash_robot.robot.dataset.mcap.tick_schema import Layout
from leash_robot.robot.dataset.mcap.writer import EpisodeWriter
from leash_robot.robot.dataset.metadata import End, EpisodeStart
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Observation, Tick, unknown

SPEC = load_spec()
LARGE = PixelsConfig(height=240, width=256, members=1, channels=(2, 2, 2, 2), hidden=4, commands=1, averages=())
"""Of pictures that would fill the memory."""


def road(place: float, size: tuple[int, int] = (32, 40)) -> Picture:
    """A bright stripe on a dark floor, at `place` -1..1 from the left edge to the right one."""
    height, width = size
    pixels = np.full((height, width, 3), 60, np.uint8)
    middle = round((place + 1) / 2 * (width - 8)) + 4
    pixels[height // 3 :, middle - 3 : middle + 3] = (230, 200, 40)
    return pixels


def observation(image: Picture | None, time: float = 0.0) -> Observation:
    still = np.zeros(12)
    images = {} if image is None else {"head": Image(time, rgb=image)}
    down = np.array([0.0, 0.0, -1.0])
    return Observation(time, 0.0, SPEC.stand.copy(), still, still, down, np.zeros(3), unknown(3), images)


def record(folder: Path, index: int, ticks: int = 40) -> Path:
    """A person who turns towards the stripe."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(index)
    start = EpisodeStart(SPEC, SPEC.hash, "", index, "2026-01-01T00:00:00Z", 10**18, "0.1.0", {})
    writer = EpisodeWriter(folder / f"episode_{index:06d}.mcap", start)
    layout = Layout(12, 1)
    for number in range(ticks):
        place = float(rng.uniform(-1, 1))
        obs = observation(road(place), time=100.0 + 0.05 * number)
        wanted = Action(SPEC.stand.copy(), np.array([0.2, 0.0, -0.6 * place]), "human")
        writer.add(layout.pack(number, Tick(obs, wanted, wanted), ("head",)), {0: obs.images["head"].jpeg})
    return writer.finish(End("success"))
