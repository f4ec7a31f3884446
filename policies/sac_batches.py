"""From replays to batches: online and demonstrated steps in their shares, half of them mirrored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from policies.replay import Draw, Replay
from policies.sac import Batch, SacConfig
from policies.symmetry import Mirror


@dataclass(frozen=True)
class Share:
    """How much of a batch is demonstrated (RLPD, Ball et al. 2023)."""

    first: float = 0.5
    last: float = 0.1
    updates: int = 20_000
    """Over how many updates it goes from first to last."""

    def at(self, update: int) -> float:
        """The part at this update."""
        return self.last + (self.first - self.last) * max(0.0, 1.0 - update / self.updates)


class Batches:
    """Draws batches; the same from the same replays and seed."""

    def __init__(
        self,
        online: Sequence[Replay],
        config: SacConfig,
        mirrors: Mapping[str, Mirror],
        *,
        seed: int = 0,
        demonstrated: Sequence[Replay] = (),
        share: Share | None = None,
    ) -> None:
        self._online, self._demonstrated = online, demonstrated
        self._config, self._mirrors = config, mirrors
        self._share = share or Share()
        self.rng = np.random.default_rng(seed)

    def ready(self) -> int:
        """Steps that can be drawn, demonstrated ones apart."""
        return sum(replay.ready(self._config.steps) for replay in self._online)

    def draw(self, update: int) -> Batch:
        """A batch for this update."""
        count = self._config.batch
        shown = round(self._share.at(update) * count) if self._demonstrated else 0
        parts = self._spread(self._online, count - shown) + self._spread(self._demonstrated, shown)
        flags = np.repeat([0.0, 1.0], [count - shown, shown]).astype(np.float32)
        return self._batch(parts, flags)

    def _spread(self, replays: Sequence[Replay], count: int) -> list[Draw]:
        """So many samples, each replay as often as it has steps."""
        if not count:
            return []
        steps, gamma = self._config.steps, self._config.gamma
        weight = np.array([replay.ready(steps) for replay in replays], np.float64)
        counts = self.rng.multinomial(count, weight / weight.sum())
        return [
            replay.sample(int(part), steps, gamma, self.rng) for replay, part in zip(replays, counts, strict=True) if part
        ]

    def _batch(self, parts: Sequence[Draw], flags: NDArray[np.float32]) -> Batch:
        flip = np.arange(len(flags)) % 2 == 1 if self._mirrors else np.zeros(len(flags), np.bool_)

        def column(rows: list[NDArray[np.float32]], name: str) -> torch.Tensor:
            joined = np.concatenate(rows)
            if self._mirrors:
                joined[flip] = self._mirrors[name](joined[flip])
            return torch.from_numpy(joined)

        return Batch(
            column([part.now["obs"] for part in parts], "obs"),
            column([part.now["privileged"] for part in parts], "privileged"),
            column([part.now["action"] for part in parts], "action"),
            torch.from_numpy(np.concatenate([part.reward for part in parts])),
            torch.from_numpy(np.concatenate([part.discount for part in parts])),
            column([part.after["obs"] for part in parts], "obs"),
            column([part.after["privileged"] for part in parts], "privileged"),
            torch.from_numpy(flags),
        )
