"""`leash bench recorder`: what a kill of the recorder costs, and how fast recordings are read."""

import hashlib
import os
import signal
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.progress import track

from leash_robot.launch.reporting.output import console
from leash_robot.robot.cameras.image import Image
from leash_robot.robot.clock import MonotonicClock
from leash_robot.robot.dataset.episode import list_episodes, load_dataset, read_episode
from leash_robot.robot.dataset.frame_cache import ImageCache
from leash_robot.robot.dataset.mcap.writer import EpisodeWriter, partial
from leash_robot.robot.dataset.metadata import End, EpisodeStart
from leash_robot.robot.errors import EpisodeError
from leash_robot.robot.fake import FakeRobot
from leash_robot.robot.recording.recorder import Recorder
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Array, Tick

SHAPE = (480, 640, 3)
SMALL = (96, 128)
"""Height and width of the images that a network sees."""
BATCH = 256


class Killer:
    """Kills the recorder process at a set time, and looks at once at what it left on the disk."""

    def __init__(self, recorder: Recorder, path: Path, delay: float) -> None:
        self._recorder, self._path = recorder, path
        self.lost = float("nan")
        """From the newest tick on the disk to the kill [s]."""
        self._timer = threading.Timer(delay, self._kill)
        self._begun = time.monotonic()
        self._timer.start()

    def join(self) -> None:
        """Wait until the deed is done."""
        self._timer.join()

    def _kill(self) -> None:
        killed = time.monotonic()
        os.kill(self._recorder.process, signal.SIGKILL)
        try:
            newest = read_episode(partial(self._path)).time[-1]
        except (EpisodeError, IndexError):
            newest = self._begun
        self.lost = killed - newest


def measure_kills(kills: int, folder: Path) -> dict[str, float | int | bool]:
    """Record at 20 Hz with a camera; kill the recorder at a random instant of each episode; compare what is left.

    `lost_max_s` is from the newest tick on the disk to the kill; `lost_ticks` are missing once all was started again.
    """
    spec, random = load_spec(), np.random.default_rng()
    lost: list[float] = []
    delays: list[float] = []
    hashes: dict[Path, str] = {}
    missing = whole = 0
    with FakeRobot(spec, MonotonicClock()) as robot, Recorder(folder / "kills", spec, room=0) as recorder:
        for _ in track(range(kills), "kills", console=console):
            path = recorder.folder / f"episode_{recorder.begin():06d}.mcap"
            ticks = int(random.integers(30, 60))
            killer = Killer(recorder, path, random.uniform(0.1, ticks * spec.period))
            delays += _drive(robot, recorder, ticks)
            killer.join()
            recorder.end()
            recorder.wait()
            episode = read_episode(path)
            lost.append(killer.lost)
            missing += ticks - len(episode)
            whole += bool((episode.image_index("head") >= 0).all() and len(episode) == ticks)
            hashes[path] = _hash(path)
        restarts = recorder.status.restarts
    return {
        "kills": kills,
        "lost_max_s": max(lost),
        "lost_p50_s": float(np.median(lost)),
        "finished_identical": all(_hash(path) == before for path, before in hashes.items()),
        "lost_ticks": missing,
        "whole_episodes": whole,
        "restarts": restarts,
        "add_p50_ms": 1e3 * float(np.median(delays)),
        "add_max_ms": 1e3 * max(delays),
    }


def measure_read(folder: Path) -> dict[str, float]:
    """Ticks a second from recordings, straight from the disk where the kernel lets go of its cache, and images."""
    blind, seeing = folder / "blind", folder / "seeing"
    _write(blind, episodes=10, ticks=1200, camera=False)
    _write(seeing, episodes=3, ticks=400, camera=True)
    _drop_cache(list_episodes(blind))
    cold = _rate(blind)
    _drop_cache(list_episodes(seeing))
    figures = {"ticks_per_s": cold, "warm_ticks_per_s": max(_rate(blind) for _ in range(3))}
    figures["camera_ticks_per_s"] = _rate(seeing)
    return figures | _images(seeing)


def _drive(robot: FakeRobot, recorder: Recorder, ticks: int) -> list[float]:
    """Record a few ticks in real time; how long each `add` took [s]."""
    robot.reset()
    jpeg, delays = _picture(), []
    for _ in range(ticks):
        obs = robot.observe()
        obs = replace(obs, images={"head": Image(obs.time, jpeg=jpeg)})
        action = Action(robot.spec.stand)
        tick = Tick(obs, action, robot.send(action))
        begun = time.perf_counter()
        recorder.add(tick)
        delays.append(time.perf_counter() - begun)
    return delays


def _picture() -> bytes:
    """A 640x480 JPEG of about the size that a camera gives."""
    height, width, _ = SHAPE
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 7 + y / 31), np.sin(x / 23 - y / 5), np.sin(x * y / 9000)], -1)
    return Image(0.0, rgb=(128 + 100 * waves).astype(np.uint8)).jpeg


def _write(folder: Path, *, episodes: int, ticks: int, camera: bool) -> None:
    spec, jpeg = load_spec(), _picture()
    folder.mkdir()
    robot = FakeRobot(spec)
    for index in range(episodes):
        start = EpisodeStart(spec, spec.hash, "", index, "", 0, "bench")
        writer = EpisodeWriter(folder / f"episode_{index:06d}.mcap", start)
        for number in range(ticks):
            obs = robot.observe()
            obs = replace(obs, images={"head": Image(obs.time, jpeg=jpeg)} if camera else {})
            row = writer.layout.pack(number, Tick(obs, Action(spec.stand), Action(spec.stand)), ("head",))
            writer.add(row, {0: jpeg} if camera else {})
            if number % 5 == 4:
                writer.flush()
        writer.finish(End())


def _rate(folder: Path) -> float:
    begun = time.perf_counter()
    ticks = sum(map(len, load_dataset(folder)))
    return ticks / (time.perf_counter() - begun)


def _images(folder: Path) -> dict[str, float]:
    """Images a second: decoding them the first time, and drawing random batches afterwards."""
    episodes, cache = load_dataset(folder), ImageCache(folder, SMALL)
    begun = time.perf_counter()
    images = [cache.images(episode, "head") for episode in episodes]
    decoding = sum(map(len, images)) / (time.perf_counter() - begun)
    random: Array = np.random.default_rng(0).random((20, BATCH))
    begun = time.perf_counter()
    for row in random:
        np.ascontiguousarray(images[0][(row * len(images[0])).astype(int)])
    return {"decoded_images_per_s": decoding, "cached_images_per_s": random.size / (time.perf_counter() - begun)}


def _drop_cache(paths: Iterable[Path]) -> None:
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
