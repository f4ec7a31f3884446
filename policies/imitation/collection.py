"""Recording tracks, one episode file a track; what is recorded already is not driven again."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from leash_robot.robot.dataset.episode import Episode, load_dataset
from leash_robot.robot.dataset.metadata import Reason
from leash_robot.robot.dataset.tracks import recorded_tracks
from leash_robot.robot.errors import EpisodeError
from leash_robot.robot.recording.recorder import Recorder
from leash_robot.robot.spec import Spec

DriveTrack = Callable[[int, Recorder], str]
"""Drives the track of a seed, logs it, and returns the verdict: `completed`, `late`, or another kind of failure."""


def collect(
    folder: Path, spec: Spec, seeds: Sequence[int], drive: DriveTrack, note: Callable[[str], None]
) -> list[Episode]:
    """Drive and record the tracks of these seeds that the folder has no finished recording of; return all recordings.

    `note` receives a line for each. Raises EpisodeError when a tick was lost.
    """
    folder.mkdir(parents=True, exist_ok=True)
    driven = {seed for seed, outcome in recorded_tracks(folder).values() if outcome in {"success", "failure"}}
    with Recorder(folder, spec, info={"task": "track"}) as recorder:
        for seed in seeds:
            if seed not in driven:
                note(f"{folder.name}: track {seed} {_record(seed, drive, recorder)}")
    return load_dataset(folder)


def _record(seed: int, drive: DriveTrack, recorder: Recorder) -> str:
    """Drive one track and wait until it is safe on disk; the verdict. Raises EpisodeError when a tick was lost.

    An interrupted track is discarded, and driven again later.
    """
    recorder.begin({"track": str(seed)})
    try:
        verdict = drive(seed, recorder)
    except KeyboardInterrupt:
        recorder.end("discarded", "interrupted")
        raise
    reasons: Mapping[str, Reason] = {"completed": "success", "late": "timeout"}
    recorder.end("success" if verdict == "completed" else "failure", reasons.get(verdict, "failure"), verdict)
    safe, status = recorder.settle(), recorder.status
    if status.dropped or not safe:
        raise EpisodeError(
            f"{status.dropped} of {status.ticks} ticks were lost: {status.error or 'the recorder did not keep up'}"
        )
    return verdict
