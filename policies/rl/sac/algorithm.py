"""SAC as an `Algorithm`: the learner, the batches that it draws, and the state of both."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from leash_robot.policies.rl.algorithm import AlgorithmState
from leash_robot.policies.rl.checkpoint import Arrays, Checkpoint, generator_state, resume_generator
from leash_robot.policies.rl.demonstrations import RecordedActions
from leash_robot.policies.rl.replay_buffer import ReplayBuffer
from leash_robot.policies.rl.sac.batches import Batches
from leash_robot.policies.rl.sac.factory import SacFactory
from leash_robot.policies.rl.sac.numpy_actor import Float32
from leash_robot.policies.rl.sac.precision import resolve
from leash_robot.policies.rl.sac.sac import Learner

IMITATION_RATE = 2e-3
"""Learning rate of behaviour cloning; it falls to zero over the second half."""
METRICS = ("critic_loss", "value", "actor_loss", "entropy", "temperature")
"""Names of `Learner.figures`."""


class Sac:
    """Fits `Algorithm`; the same from the same seed and buffers."""

    def __init__(
        self,
        factory: SacFactory,
        online: Sequence[ReplayBuffer],
        demonstrated: Sequence[ReplayBuffer],
        resume: Checkpoint | None = None,
    ) -> None:
        self._factory, self._demonstrated = factory, demonstrated
        self.config = resolve(factory.config, resume.info.precision if resume else None)
        self.learner = Learner(self.config, factory.sizes, seed=factory.seed, compiled=factory.compiled)
        self.rng = np.random.default_rng(factory.seed)
        self._cloning = self._batches(demonstrated)
        self._online = self._batches(online)
        self._mixed = self._batches(online, demonstrated)
        self._online.rng = self._mixed.rng = self.rng
        if resume is not None:
            self._resume(resume)

    def _batches(self, online: Sequence[ReplayBuffer], demonstrated: Sequence[ReplayBuffer] = ()) -> Batches:
        made = self._factory
        return Batches(
            online, self.config, made.mirrors, made.scale, seed=made.seed, demonstrated=demonstrated, share=made.share
        )

    def _resume(self, checkpoint: Checkpoint) -> None:
        self.learner.load(checkpoint.part("learner"))
        self.learner.updates = checkpoint.info.updates
        if "luck" in checkpoint.arrays:
            self.learner.load_noise_state(checkpoint.arrays["luck"])
        if checkpoint.info.rng:
            resume_generator(self.rng, checkpoint.info.rng)

    @property
    def updates(self) -> int:
        """Updates so far."""
        return self.learner.updates

    @updates.setter
    def updates(self, value: int) -> None:
        self.learner.updates = value

    @property
    def metrics(self) -> dict[str, float]:
        """Losses, mean value, entropy and temperature of the latest update."""
        return {name: float(value) for name, value in zip(METRICS, self.learner.figures, strict=True)}

    def prepare(self) -> float:
        """Compile; returns updates in a second of CPU time."""
        return self.learner.prepare()

    def ready(self) -> int:
        """Own steps that can be sampled."""
        return self._online.ready()

    def update(self) -> None:
        """Learn from one batch; demonstrations are in it once there is a batch of them."""
        shown = sum(replay.ready(self.config.n_step) for replay in self._demonstrated)
        batches = self._mixed if shown >= self.config.batch else self._online
        self.learner.update(batches.draw(self.learner.updates))

    def imitate(self, steps: int, recorded: RecordedActions | None) -> None:
        """Make the actor do what the demonstrations show, and in every second step what was recorded."""
        for step in range(steps):
            obs, action = self._cloning.pairs(None if step % 2 or recorded is None else recorded[:2])
            if len(obs):
                self.learner.imitate(obs, action, IMITATION_RATE * min(1.0, 2.0 * (1.0 - step / steps)))
        self.learner.start_reinforcement()

    def weights(self, part: Literal["actor", "average"] = "actor") -> dict[str, Float32]:
        """The actor, or its running average."""
        return {name.removeprefix(f"{part}."): row for name, row in self.learner.arrays_of(part).items()}

    def state(self) -> AlgorithmState:
        """All that is needed to go on exactly."""
        arrays = {f"learner.{name}": row for name, row in self.learner.arrays().items()}
        whole: Arrays = {**arrays, "luck": self.learner.noise_state()}
        return AlgorithmState(self.updates, whole, generator_state(self.rng), self.config.precision)
