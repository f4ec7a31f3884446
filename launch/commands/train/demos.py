"""Reads the recordings that a training begins with, and says at the terminal which are used; known without torch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from leash_robot.launch.reporting.output import console
from leash_robot.launch.reporting.progress_bar import progress_bar
from leash_robot.launch.reporting.training_bar import OUTSIDE
from leash_robot.policies.rl.demonstrations import RecordedActions, recorded
from leash_robot.robot.dataset.learnable import OUTCOMES, Learnable, Recordings, recording_files, select_learnable
from leash_robot.robot.encoding.action_filter import ActionFilter
from leash_robot.robot.encoding.feature_encoding import FeatureConfig
from leash_robot.robot.errors import EpisodeError
from leash_robot.robot.spec import Spec

Recorded = RecordedActions | None
"""What recordings teach, if there are any."""


def recordings(data: Sequence[Path], outcomes: Sequence[Learnable] = OUTCOMES) -> Recordings:
    """The whole episodes of these outcomes among files and folders, all of one body, each once; says what is left out.

    Raises EpisodeError when there are none, or they are of several bodies.
    """
    files = [(file, outcomes) for file in recording_files(data)]
    with progress_bar("reading recordings") as report:
        chosen = select_learnable(files, ", ".join(map(str, data)), report)
    for line in chosen.unusable:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(chosen.summary, highlight=False, soft_wrap=True)
    return chosen


def imitable(
    demos: Sequence[Path],
    spec: Spec,
    features: FeatureConfig,
    action_filter: ActionFilter,
    outcomes: Sequence[Learnable] = OUTCOMES,
) -> Recorded:
    """What recordings teach, as `leash_robot.policies.rl.demonstrations.recorded`; None without any.

    Raises EpisodeError for none where there should be some, PolicyError when they reach out of the action box.
    """
    if not demos:
        return None
    episodes = recordings(demos, outcomes).episodes
    for episode in episodes:
        if episode.names != spec.names or not np.allclose(episode.spec.stand, spec.stand):
            raise EpisodeError(
                f"{episode.path} is of a {episode.spec.name} with other joints or another stand pose than {spec.name};"
                " give --demos of the robot that learns"
            )
    made = recorded(episodes, spec, features, action_filter)
    if made.left_out:
        said = f"imitating {len(made.actions)} ticks; {made.left_out} left out: {OUTSIDE}"
        console.print(said, highlight=False, soft_wrap=True)
    return made
