"""Samples batches from replay buffers: online and demonstrated steps in their shares, half of them mirrored."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from leash_robot.policies.rl.replay_buffer import Draw, ReplayBuffer
from leash_robot.policies.rl.sac.config import SacConfig, Share
from leash_robot.policies.rl.sac.sac import Batch
from leash_robot.policies.symmetry import Mirror
from leash_robot.robot.encoding.action_filter import expressible

Float32 = NDArray[np.float32]


class Batches:
    """Samples batches; the same replays and seed give the same."""

    def __init__(
        self,
        online: Sequence[ReplayBuffer],
        config: SacConfig,
        mirrors: Mapping[str, Mirror],
        scale: Float32 | None = None,
        *,
        seed: int = 0,
        demonstrated: Sequence[ReplayBuffer] = (),
        share: Share | None = None,
    ) -> None:
        self._online, self._demonstrated = online, demonstrated
        self._config, self._mirrors, self._scale = config, mirrors, scale
        self._share = share or Share()
        self.rng = np.random.default_rng(seed)

    def ready(self) -> int:
        """Online steps that can be sampled."""
        return sum(replay.ready(self._config.n_step) for replay in self._online)

    def draw(self, update: int) -> Batch:
        """A batch for this update."""
        count = self._config.batch
        demonstrated = round(self._share.at(update) * count) if self._demonstrated else 0
        parts = self._spread(self._online, count - demonstrated) + self._spread(self._demonstrated, demonstrated)
        flags = np.repeat([0.0, 1.0], [count - demonstrated, demonstrated]).astype(np.float32)
        return self._batch(parts, flags)

    def pairs(self, recorded: tuple[Float32, Float32] | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (B, d) and actions (B, n) to imitate: of the replays, or of recordings; half of them mirrored.

        Where a replay has the expert's action, that is imitated instead of the executed one; actions that the action
        scale cannot express are left out, so there may be fewer.
        """
        if recorded is None:
            parts = self._spread(self._online, self._config.batch)
            obs = np.concatenate([part.now["obs"] for part in parts])
            action = np.concatenate([_expert_action(part) for part in parts])
        else:
            at = self.rng.integers(len(recorded[0]), size=self._config.batch)
            obs, action = recorded[0][at], recorded[1][at]
        use = expressible(action)
        return self._column([obs[use]], "obs"), self._column([action[use]], "action")

    def _column(self, rows: Sequence[Float32], name: str) -> torch.Tensor:
        """Rows one after another, every second one mirrored; features scaled."""
        joined = np.concatenate(rows)
        if self._mirrors:
            joined[1::2] = self._mirrors[name](joined[1::2])
        if name == "obs" and self._scale is not None:
            joined *= self._scale
        return torch.from_numpy(joined)

    def _spread(self, replays: Sequence[ReplayBuffer], count: int) -> list[Draw]:
        """So many samples, each replay as often as it has steps."""
        if not count:
            return []
        steps, gamma = self._config.n_step, self._config.gamma
        weight = np.array([replay.ready(steps) for replay in replays], np.float64)
        counts = self.rng.multinomial(count, weight / weight.sum())
        return [
            replay.sample(int(part), steps, gamma, self.rng)
            for replay, part in zip(replays, counts, strict=True)
            if part
        ]

    def _batch(self, parts: Sequence[Draw], flags: Float32) -> Batch:
        column = self._column
        action = column([part.now["action"] for part in parts], "action")
        expert = column([_expert_action(part) for part in parts], "action") if self._demonstrated else action
        return Batch(
            column([part.now["obs"] for part in parts], "obs"),
            column([part.now["privileged"] for part in parts], "privileged"),
            action,
            torch.from_numpy(np.concatenate([part.reward for part in parts])),
            torch.from_numpy(np.concatenate([part.discount for part in parts])),
            column([part.after["obs"] for part in parts], "obs"),
            column([part.after["privileged"] for part in parts], "privileged"),
            torch.from_numpy(flags * expressible(expert.numpy())),
            expert,
        )


def _expert_action(part: Draw) -> Float32:
    """(B, n) what the expert would have done, where the replay has it; elsewhere the executed action."""
    action: Float32 = part.now.get("wanted", part.now["action"])
    return action
