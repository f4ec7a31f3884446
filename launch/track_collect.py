"""Recording runs on tracks, one episode file a track, as the robot's own recordings are made."""

from collections.abc import Callable
from pathlib import Path

from launch.track import Arena, MakeGait
from policies.gait import Trot
from robot.episode import Episode, list_episodes, load_dataset
from robot.episode_folder import next_index
from robot.episode_info import Reason
from robot.errors import EpisodeError
from robot.recorder import Recorder
from robot.types import Policy
from sim.track import Track, Verdict, draw_track

Supervise = Callable[[Arena, Track], Policy]
"""Who steers on a track."""


def collect(
    folder: Path,
    first_seed: int,
    supervise: Supervise,
    count: int,
    note: Callable[[str], None],
    gait: MakeGait = Trot,
) -> list[Episode]:
    """Drive and record tracks of consecutive seeds until there are `count` episodes; return them all.

    Goes on where an earlier, interrupted call ended. Raises EpisodeError when a tick was lost.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with Arena(gait=gait) as arena, Recorder(folder, arena.spec, info={"task": "track"}) as recorder:
        while len(list_episodes(folder)) < count:
            track = draw_track(first_seed + next_index(folder))
            ran = record(arena, track, supervise(arena, track), recorder)
            note(f"{folder.name}: track {track.seed} {ran}")
    return load_dataset(folder)


def record(arena: Arena, track: Track, upper: Policy, recorder: Recorder) -> str:
    """Drive one track and wait until it is safe on disk; how it went. Raises EpisodeError when a tick was lost."""
    recorder.begin({"track": str(track.seed)})
    ran = arena.drive(track, upper, recorder)
    reasons: dict[Verdict, Reason] = {"completed": "success", "late": "timeout"}
    recorder.end(
        "success" if ran.verdict == "completed" else "failure", reasons.get(ran.verdict, "failure"), ran.verdict
    )
    safe, status = recorder.settle(), recorder.status
    if status.dropped or not safe:
        raise EpisodeError(
            f"{status.dropped} of {status.ticks} ticks were lost: {status.error or 'the recorder did not keep up'}"
        )
    return ran.verdict
