"""Reading recordings: one episode as arrays (T, ...), its frames, and a folder of episodes as a data set."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leash_robot.robot.cameras.image import Image
from leash_robot.robot.dataset.frames import StoredFrame, list_frames, load_frame
from leash_robot.robot.dataset.labels import label_of, read_labels
from leash_robot.robot.dataset.mcap.rows import read_rows
from leash_robot.robot.dataset.mcap.scan import Scan, map_file, scan
from leash_robot.robot.dataset.mcap.tick_schema import Rows
from leash_robot.robot.dataset.mcap.writer import PARTIAL
from leash_robot.robot.dataset.metadata import NANO, End, EpisodeStart, Outcome, identity, wall
from leash_robot.robot.dataset.verify import check_bytes
from leash_robot.robot.errors import EpisodeError
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array

_log = logging.getLogger("leash.episode")


@dataclass(frozen=True, slots=True, eq=False)
class Actions:
    """One kind of proposal at every tick; where there was none, `source` is -1 and the rest NaN."""

    joint_pos: Array
    """(T, n) [rad]"""
    command: Array
    """(T, k) what was commanded beside joints, in the order of `Spec.commanded`"""
    source: NDArray[np.int8]
    """(T,) index into `leash_robot.robot.types.SOURCES`, or -1."""
    risk: Array
    """(T,) 0..1 or NaN"""


@dataclass(frozen=True, eq=False)
class Episode:
    """A recording. T ticks, n joints; arrays as in `Observation` and `Action`, NaN where not measured."""

    path: Path
    start: EpisodeStart
    """What was known when it began: spec, calibration, task, operator."""
    end: End | None
    """How it ended; None when the recording was never finished."""
    outcome: Outcome
    """With later labels applied."""
    digest: str
    """Changes whenever the contents of the file do."""
    number: NDArray[np.uint32]
    """(T,) number of the tick in the episode; a gap is ticks that were lost."""
    time: Array
    late: Array
    age: Array
    joint_pos: Array
    joint_vel: Array
    joint_effort: Array
    gravity: Array
    gyro: Array
    command: Array
    wanted: Actions
    sent: Actions
    human: Actions
    policy: Actions
    camera_time: dict[str, Array]
    """(T,) capture time of the newest frame at each tick, by camera; NaN while there was none."""

    def __len__(self) -> int:
        return len(self.time)

    @property
    def id(self) -> str:
        """What labels, takeovers and notes know the episode by; copies share it."""
        return identity(self.start)

    @property
    def spec(self) -> Spec:
        """The body that was recorded."""
        return self.start.spec

    @property
    def names(self) -> tuple[str, ...]:
        """Joint names in the order of the arrays."""
        return self.spec.names

    @property
    def seconds(self) -> float:
        """From the first tick to one period after the last."""
        return float(self.time[-1] - self.time[0]) + self.spec.period if len(self) else 0.0

    def image_times(self, camera: str) -> Array:
        """(F,) capture times of the frames in the file [s]. Raises EpisodeError."""
        return np.array([(frame.taken - self.start.clock_offset) / NANO for frame in self._of(camera)])

    def image_index(self, camera: str) -> NDArray[np.int64]:
        """(T,) which of the file's frames each tick saw, or -1. Raises EpisodeError."""
        places = {frame.taken: index for index, frame in enumerate(self._of(camera))}
        times = self.camera_time[camera]
        return np.array([-1 if np.isnan(time) else places.get(wall(time, self.start), -1) for time in times], np.int64)

    def frames(self, camera: str) -> Iterator[Image]:
        """The frames in the file, in order of capture, each as JPEG until somebody wants pixels."""
        data = map_file(self.path)
        return (load_frame(data, frame, self.start) for frame in self._of(camera))

    def _of(self, camera: str) -> list[StoredFrame]:
        if camera not in self.camera_time:
            raise EpisodeError(f"{self.path} has no camera {camera!r}, only {list(self.camera_time)}")
        number = self.start.cameras.index(camera)
        return [frame for frame in self._frames if frame.camera == number]

    @cached_property
    def _frames(self) -> list[StoredFrame]:
        data = map_file(self.path)
        try:
            return list(list_frames(data, scan(data)))
        except EpisodeError as error:
            raise EpisodeError(f"{self.path}: {error}") from None


def read_episode(path: Path | str) -> Episode:
    """Read a finished episode, or the whole part of an unfinished one (`.partial`). Raises EpisodeError."""
    path = Path(path)
    try:
        data = map_file(path)
        found = scan(data)
        rows = read_rows(data, found)
    except OSError as error:
        raise EpisodeError(f"cannot read {path}: {error.strerror}") from None
    except EpisodeError as error:
        raise EpisodeError(f"{path}: {error}") from None
    if path.suffix != PARTIAL:
        _insist(path, found, len(rows))
    return _build(path, found, rows, label_of(read_labels(path.parent), path.name, found.start))


def load_dataset(
    source: Path | str | Sequence[Path | str],
    *,
    outcomes: Sequence[Outcome] = ("unlabelled", "success", "failure"),
    report: Callable[[str], object] = _log.warning,
) -> list[Episode]:
    """Read a folder of episodes, or a list of files; damaged and unfinished ones are reported and left out. Every byte
    of each file is tested. `leash_robot.robot.dataset.selection` also says what was left out, and why.

    Raises EpisodeError when nothing is left, or the episodes are not of the same joints at the same rate.
    """
    paths = list_episodes(Path(source)) if isinstance(source, str | Path) else [Path(path) for path in source]
    episodes: list[Episode] = []
    for path in paths:
        try:
            episode = read_episode(path)
            if path.suffix != PARTIAL:
                check_bytes(path)
            episodes.append(episode)
        except EpisodeError as error:
            report(f"left out: {error}")
    episodes = [episode for episode in episodes if episode.outcome in outcomes]
    if not episodes:
        raise EpisodeError(f"no episode of outcome {' or '.join(outcomes)} in {source}")
    _agree(episodes)
    return episodes


def list_episodes(folder: Path) -> list[Path]:
    """The finished episodes of a folder, in order. Raises EpisodeError when there is no such folder."""
    if not folder.is_dir():
        raise EpisodeError(f"{folder} is not a folder of episodes")
    return sorted(folder.glob("episode_*.mcap"))


def _insist(path: Path, found: Scan, ticks: int) -> None:
    """Refuse a file with the name of a finished episode that is not whole."""
    if found.faults:
        fault = f"at byte {found.faults[0].byte}: {found.faults[0].what}"
    elif found.end is None or found.data_end is None:
        fault = "it was never finished"
    elif found.end.ticks != ticks:
        fault = f"{ticks} of its {found.end.ticks} ticks are readable"
    else:
        return
    raise EpisodeError(f"{path} is damaged, {fault}; `leash data recover {path}` saves what is whole")


def _agree(episodes: Sequence[Episode]) -> None:
    first = episodes[0]
    for other in episodes[1:]:
        if other.names != first.names or other.spec.rate != first.spec.rate:
            raise EpisodeError(
                f"{other.path} holds {len(other.names)} joints of {other.spec.name} at {other.spec.rate:g} Hz, "
                f"{first.path} {len(first.names)} of {first.spec.name} at {first.spec.rate:g} Hz; give one kind"
            )


def _build(path: Path, found: Scan, rows: Rows, label: Outcome | None) -> Episode:
    def column(name: str) -> Array:
        return np.ascontiguousarray(rows[name])

    return Episode(
        path=path,
        start=found.start,
        end=found.end,
        outcome=label or (found.end.outcome if found.end else "unlabelled"),
        digest=found.digest,
        number=np.ascontiguousarray(rows["number"]),
        time=column("time"),
        late=column("late"),
        age=column("age"),
        joint_pos=column("joint_pos"),
        joint_vel=column("joint_vel"),
        joint_effort=column("joint_effort"),
        gravity=column("gravity"),
        gyro=column("gyro"),
        command=column("command"),
        wanted=_actions(rows["wanted"]),
        sent=_actions(rows["sent"]),
        human=_actions(rows["human"]),
        policy=_actions(rows["policy"]),
        camera_time=dict(zip(found.start.cameras, np.ascontiguousarray(rows["camera_time"].T), strict=True)),
    )


def _actions(rows: Rows) -> Actions:
    return Actions(
        joint_pos=np.ascontiguousarray(rows["joint_pos"]),
        command=np.ascontiguousarray(rows["command"]),
        source=rows["source"].astype(np.int8) - np.int8(1),
        risk=np.ascontiguousarray(rows["risk"]),
    )
