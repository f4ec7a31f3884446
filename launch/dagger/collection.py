"""Recording runs on tracks, one episode file a track, as the robot's own recordings are made."""

from collections.abc import Callable, Sequence
from pathlib import Path

from leash_robot.launch.dagger.progress import recorded
from leash_robot.launch.dagger.track import Arena, MakeGait
from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.dataset.episode import Episode, load_dataset
from leash_robot.robot.dataset.metadata import Reason
from leash_robot.robot.errors import EpisodeError
from leash_robot.robot.recording.recorder import Recorder
from leash_robot.robot.types import Policy
from leash_robot.sim.envs.line_track import Track, Verdict, draw_track

Supervise = Callable[[Arena, Track], Policy]
"""Who steers on a track."""


def collect(
    folder: Path,
    seeds: Sequence[int],
    supervise: Supervise,
    note: Callable[[str], None],
    gait: MakeGait = Trot,
) -> list[Episode]:
    """Drive and record the tracks of these seeds that the folder has no finished recording of; return all recordings.

    Raises EpisodeError when a tick was lost.
    """
    folder.mkdir(parents=True, exist_ok=True)
    driven = {seed for seed, outcome in recorded(folder).values() if outcome in {"success", "failure"}}
    with Arena(gait=gait) as arena, Recorder(folder, arena.spec, info={"task": "track"}) as recorder:
        for seed in seeds:
            if seed not in driven:
                track = draw_track(seed)
                note(f"{folder.name}: track {seed} {record(arena, track, supervise(arena, track), recorder)}")
    return load_dataset(folder)


def record(arena: Arena, track: Track, upper: Policy, recorder: Recorder) -> str:
    """Drive one track and wait until it is safe on disk; how it went. Raises EpisodeError when a tick was lost.

    One that is interrupted is discarded; it comes again.
    """
    recorder.begin({"track": str(track.seed)})
    try:
        ran = arena.drive(track, upper, recorder)
    except KeyboardInterrupt:
        recorder.end("discarded", "interrupted")
        raise
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
