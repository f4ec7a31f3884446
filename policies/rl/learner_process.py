"""The learner in a process of its own: reads replays that anybody fills, publishes weights that anybody reads.

Whoever collects (a simulator, a real robot's loop) shares nothing with it but memory, so nothing here can delay them.
"""

import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leash_robot.policies.rl.checkpoint import generator_state, resume_generator
from leash_robot.policies.rl.demonstrations import RecordedActions
from leash_robot.policies.rl.progress import COMPILING, DEMONSTRATING, IMITATING, LEARNING, Counts, Pace, SharedProgress
from leash_robot.policies.rl.replay_buffer import Place, Replay
from leash_robot.policies.rl.sac.batches import Batches
from leash_robot.policies.rl.sac.config import SacConfig, Share, Sizes
from leash_robot.policies.rl.sac.numpy_actor import Float32, flattened
from leash_robot.policies.rl.sac.sac import Learner
from leash_robot.policies.rl.weight_channel import Address, WeightChannel
from leash_robot.policies.symmetry import Mirror

IMITATION_RATE = 2e-3
"""Learning rate of plain imitation; it falls to zero over the second half."""
PUBLISH = 10
"""Updates between two publications of the actor."""


@dataclass(frozen=True)
class LearnJob:
    """What a learner needs to know."""

    config: SacConfig
    sizes: Sizes
    seed: int
    online: tuple[Place, ...]
    actor: Address
    mirrors: Mapping[str, Mirror]
    scale: Float32
    """(d,) factors of the features."""
    progress: Counts
    """Where the counts of the training lie."""
    pace: Pace
    compiled: bool = True
    demonstrated: tuple[Place, ...] = ()
    share: Share = field(default_factory=Share)
    imitate: int = 0
    """Steps of plain imitation before anything else; they wait for `demonstrations` steps in each replay."""
    rounds: int = 1
    """In so many parts; a pupil is published after each."""
    demonstrations: int = 0
    recorded: RecordedActions | None = None
    """Recordings that are imitated too."""
    arrays: Mapping[str, NDArray[np.float32]] | None = None
    """Where to continue."""
    updates: int = 0
    """How many updates were made before."""
    luck: NDArray[np.uint8] | None = None
    """Where the randomness of the updates was then, where that is known."""
    rng: str = ""
    """Same for the drawing of batches."""


class Learned(NamedTuple):
    """What a learner answers."""

    updates: int
    figures: NDArray[np.float32]
    """As `Learner.figures`."""
    arrays: dict[str, NDArray[np.float32]]
    """As `Learner.arrays`, when they were asked for."""
    luck: NDArray[np.uint8]
    rng: str


def learn(job: LearnJob, pipe: Connection) -> None:
    """Update until told to end. Understands "figures", "arrays" and "end"; answers each."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then asks everybody to end
    online = [Replay(place) for place in job.online]
    shown = [Replay(place) for place in job.demonstrated]
    mailbox = WeightChannel(job.actor)
    learner = Learner(job.config, job.sizes, seed=job.seed, compiled=job.compiled)
    batches = Batches(online, job.config, job.mirrors, job.scale, seed=job.seed, demonstrated=shown, share=job.share)
    resume(job, learner, batches)
    progress = SharedProgress(job.progress)
    try:
        progress.phase = COMPILING
        progress.rate = learner.prepare()
        begin(job, shown, learner, mailbox, progress)
        progress.phase = LEARNING
        mailbox.publish(flattened(learner.arrays()))
        while answer(pipe, learner, batches):
            if batches.ready() < max(job.pace.start, job.config.batch) or not job.pace.may_update(progress):
                time.sleep(0.002)
                continue
            learner.update(batches.draw(learner.updates))
            if learner.updates % PUBLISH == 0:
                mailbox.publish(flattened(learner.arrays_of("actor")))
            progress.updates = learner.updates
    finally:
        for replay in (*online, *shown):
            replay.close()
        mailbox.close()
        progress.close()


def resume(job: LearnJob, learner: Learner, batches: Batches) -> None:
    """Go on where the job says, if it does."""
    if job.arrays is None:
        return
    learner.adopt(job.arrays)
    learner.updates = job.updates
    if job.luck is not None:
        learner.resume_luck(job.luck)
    if job.rng:
        resume_generator(batches.rng, job.rng)


def begin(
    job: LearnJob, shown: Sequence[Replay], learner: Learner, mailbox: WeightChannel, progress: SharedProgress
) -> None:
    """Imitate the demonstrations, if there are any; between two rounds of that the pupil is published."""
    if not job.imitate or job.arrays is not None:
        return
    batches = Batches(shown, job.config, job.mirrors, job.scale, seed=job.seed)
    for number in range(1, job.rounds + 1):
        progress.phase = DEMONSTRATING
        while min((replay.written for replay in shown), default=0) < job.demonstrations * number / job.rounds:
            time.sleep(0.05)
        progress.phase = IMITATING
        imitate(learner, batches, job.imitate // job.rounds, job.recorded)
        if number < job.rounds:
            mailbox.publish(flattened(learner.arrays()))


def imitate(learner: Learner, batches: Batches, steps: int, recorded: RecordedActions | None = None) -> None:
    """Make the actor do what the batches show, and in every second step what was recorded."""
    for step in range(steps):
        obs, action = batches.pairs(None if step % 2 or recorded is None else recorded[:2])
        if len(obs):
            learner.imitate(obs, action, IMITATION_RATE * min(1.0, 2.0 * (1.0 - step / steps)))
    learner.settle()


def answer(pipe: Connection, learner: Learner, batches: Batches) -> bool:
    """Answer what was asked; False when the learner shall end, or nobody is there any more."""
    while pipe.poll():
        try:
            asked = pipe.recv()
        except EOFError:
            return False
        if asked == "end":
            return False
        arrays = learner.arrays() if asked == "arrays" else {}
        state = learner.luck_state(), generator_state(batches.rng)
        pipe.send(Learned(learner.updates, learner.figures.copy(), arrays, *state))
    return True
