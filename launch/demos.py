"""Recordings that learning begins with; known without torch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from launch.output import console
from policies.features import FeatureConfig
from policies.sac_actor import Float32
from policies.sac_recorded import recorded
from robot.episode import list_episodes, load_dataset
from robot.errors import EpisodeError
from robot.spec import Spec
from robot.types import Array

Recorded = tuple[Float32, Float32] | None
"""Features and actions of recordings to imitate."""


def files(data: Sequence[Path]) -> list[Path]:
    """The episodes that files and folders stand for. Raises EpisodeError."""
    found = [file for path in data for file in ([path] if path.suffix == ".mcap" else list_episodes(path))]
    if not found:
        raise EpisodeError(f"no episodes in {', '.join(map(str, data)) or 'nothing'}; record some with `leash collect`")
    return found


def imitable(demos: Sequence[Path], spec: Spec, features: FeatureConfig, box: Array, newest: float) -> Recorded:
    """What recordings teach, as `policies.sac_recorded.recorded`; None without any.

    Raises EpisodeError for none where there should be some, PolicyError when they reach out of the action box.
    """
    if not demos:
        return None
    episodes = load_dataset(files(demos), report=lambda line: console.print(line, highlight=False))
    for episode in episodes:
        if episode.names != spec.names or not np.allclose(episode.spec.stand, spec.stand):
            raise EpisodeError(
                f"{episode.path} is of a {episode.spec.name} with other joints or another stand pose than {spec.name};"
                " give --demos of the robot that learns"
            )
    return recorded(episodes, spec, features, box, newest)
