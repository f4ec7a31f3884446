"""Makes SAC learners and their actors; known without torch, so that a process that drives a robot can hold it."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from leash_robot.policies.rl.algorithm import Algorithm
from leash_robot.policies.rl.checkpoint import Checkpoint
from leash_robot.policies.rl.replay_buffer import Layout, ReplayBuffer, layout
from leash_robot.policies.rl.sac.config import SacConfig, Share, Sizes
from leash_robot.policies.rl.sac.numpy_actor import Float32, NumpyActor
from leash_robot.policies.symmetry import Mirror


@dataclass(frozen=True, eq=False)
class SacFactory:
    """Fits `AlgorithmFactory`."""

    config: SacConfig
    sizes: Sizes
    scale: Float32
    """(d,) factors of the observation, see `feature_scale`."""
    mirrors: Mapping[str, Mirror] = field(default_factory=dict)
    """How the columns of the replay look to a mirrored robot; empty where there is no symmetry."""
    share: Share = field(default_factory=Share)
    """How much of a batch is demonstrated."""
    seed: int = 0
    compiled: bool = True

    @property
    def columns(self) -> Layout:
        """Columns of the replay buffer."""
        return layout(*self.sizes)

    @property
    def batch(self) -> int:
        """Steps in a batch."""
        return self.config.batch

    def uncompiled(self) -> "SacFactory":
        """The same, of learners that do not compile."""
        return replace(self, compiled=False)

    def actor(self) -> NumpyActor:
        """An actor without weights."""
        return NumpyActor(self.scale, self.config.actor_hidden, self.sizes.actions)

    def algorithm(
        self, online: Sequence[ReplayBuffer], demonstrated: Sequence[ReplayBuffer], resume: Checkpoint | None = None
    ) -> Algorithm:
        """A learner on these buffers. Note: imported here, so that only the learner's process holds torch."""
        module = importlib.import_module("leash_robot.policies.rl.sac.algorithm")
        made: Algorithm = module.Sac(self, online, demonstrated, resume)
        return made
