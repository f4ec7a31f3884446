"""The rounds of DAgger: collect, weigh, train, score. All of it is on disk, so a run can be resumed."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from msgspec import Meta, to_builtins

from leash_robot.policies.image_policy import config_of
from leash_robot.policies.imitation.checkpoint import (
    Begun,
    Control,
    Interrupted,
    begun,
    checkpoint_of,
    load_interrupted,
    save_interrupted,
)
from leash_robot.policies.imitation.dagger import StopRule, Supervision, Weighting, beta, supervision, weigh
from leash_robot.policies.imitation.demonstrator import CollectionRequest, Demonstrator, Method, Rollout, RolloutResult
from leash_robot.policies.imitation.image_bc import HELD_BELOW, PixelsTraining, WarmStart, train_pixels
from leash_robot.policies.imitation.run_log import RoundLog, RoundResult
from leash_robot.policies.imitation.score import HELD_OUT_TRACKS, attempts, score, training_seeds
from leash_robot.policies.manifest import with_calibration, with_camera_age
from leash_robot.policies.networks.cnn import shapes
from leash_robot.policies.policy_file import read_manifest, read_weights, save_policy
from leash_robot.policies.registry import load_pixels
from leash_robot.robot.dataset.episode import Episode, list_episodes, load_dataset
from leash_robot.robot.dataset.learnable import OUTCOMES, Learnable, select_learnable
from leash_robot.robot.host.stopping import stoppable
from leash_robot.robot.types import Array

PLAIN = 99
"""The number under which the plain demonstrations of the comparison are kept among the rounds."""

Count = Annotated[int, Meta(ge=1, le=1_000_000)]


@dataclass(frozen=True)
class RoundsConfig:
    """What a run does."""

    method: Method = "hg"
    """hg: a person watches and takes over when the robot strays. thrifty: the policy also asks for help when it doubts.
    classic: person and policy take turns, and the person says at every tick what they would do."""
    rounds: Annotated[int, Meta(ge=0, lt=PLAIN)] = 5
    """Rounds after the demonstrations, at most."""
    demonstrations: Count = 20
    """Tracks that the person drives at first."""
    episodes: Count = 24
    """Tracks driven under supervision in each round."""
    tracks: Annotated[int, Meta(ge=1, le=len(HELD_OUT_TRACKS))] = 50
    """Unseen tracks on which each round's policy drives alone."""
    ask: Annotated[float, Meta(ge=0, le=1)] = 0.1
    """Part of the time in which thrifty's policy shall ask for help."""
    refine: Count = 800
    """Gradient steps in each round; the demonstrations get `--training.steps`."""
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    camera_age: Annotated[float, Meta(gt=0, le=10)] = 0.2
    """Oldest picture that the policy may act upon, from its capture to the moment at which an action goes out [s]."""
    training: PixelsTraining = field(default_factory=PixelsTraining)
    weighting: Weighting = field(default_factory=Weighting)
    stop: StopRule = field(default_factory=StopRule)
    outcomes: tuple[Learnable, ...] = OUTCOMES
    """Outcomes that are learned from; in rounds of classic also failures, where the expert says what was right."""


class Rounds:
    """One run in one folder."""

    def __init__(
        self,
        folder: Path,
        config: RoundsConfig,
        rollout: Rollout[RolloutResult],
        demonstrator: Demonstrator,
        note: Callable[[str], None],
    ) -> None:
        """Continue the folder's run where it ended; `note` receives lines for people. Raises EpisodeError when the
        folder holds a run with other options.
        """
        self.folder, self.config, self._rollout, self._note = folder, config, rollout, note
        self._demonstrator = demonstrator
        self.log = RoundLog(folder, {**to_builtins(config), **demonstrator.options})

    def play(self) -> Iterator[RoundResult]:
        """Yield the results of all rounds, those of earlier runs first, until the stop rule is met."""
        yield from self.log.state.rounds
        while not self.over:
            result = self._round(len(self.log.state.rounds))
            self.log.add(result)
            yield result

    @property
    def over(self) -> bool:
        """Whether all rounds are played, or the stop rule is met."""
        results = self.log.state.rounds
        if len(results) < 2:
            return len(results) > self.config.rounds
        last = results[-1]
        return len(results) > self.config.rounds or self.config.stop.met(last.success_high, last.intervention_rate)

    def compare(self) -> RoundResult:
        """The result of a policy that learned as long from as many ticks, all of them demonstrated."""
        result = self.log.state.plain or self._plain(self.log.state.rounds[-1])
        if self.log.state.plain is None:
            self.log.compare(result)
        return result

    def policy(self, number: int) -> Path:
        """The file of the policy that a round trained."""
        return self.folder / f"round_{number:02d}.safetensors"

    def data(self, number: int) -> Path:
        """The recordings of a round."""
        return self.folder / f"round_{number:02d}"

    def _round(self, number: int) -> RoundResult:
        """Collect under the last round's policy, learn from everything, and score."""
        started = time.monotonic()
        count = self.config.episodes if number else self.config.demonstrations
        cost = supervision(self._demonstrator.collect(self._request(number, count)))
        episodes = self._learned(range(number + 1))
        steps = self.config.refine if number else self.config.training.steps
        self._train(number, episodes, steps, self._warm_start(number - 1) if number else None)
        spent = sum(result.human_s for result in self.log.state.rounds)
        return self._score(number, episodes, cost, spent, started)

    def _plain(self, last: RoundResult) -> RoundResult:
        """Demonstrate on more tracks until there are as many ticks as the last round learned from."""
        started = time.monotonic()
        first = self._learned([0])
        have = ticks_of(first)
        mean = have / len(first)
        more = max(1, round((last.ticks - have) / mean))
        self._demonstrator.collect(CollectionRequest(self.data(PLAIN), self._seeds(PLAIN, more), "demonstrations"))
        episodes = self._learned([0, PLAIN])
        steps = self.config.training.steps + last.round * self.config.refine
        self._train(PLAIN, episodes, steps, None)
        return self._score(PLAIN, episodes, supervision(episodes), 0.0, started)

    def _seeds(self, number: int, count: int) -> tuple[int, ...]:
        """Seeds of a round: disjoint from other rounds' and from the held-out ones, whatever the run's seed."""
        room = max(100, self.config.demonstrations, self.config.episodes)
        return training_seeds((self.config.seed * 100 + number) * room, count)

    def _learned(self, numbers: Iterable[int]) -> list[Episode]:
        """The recordings of these rounds that are learned from. Raises EpisodeError when there are none."""
        files = [(file, self._outcomes(number)) for number in numbers for file in list_episodes(self.data(number))]
        found = select_learnable(files, str(self.folder))
        self._note(found.summary)
        return found.episodes

    def _outcomes(self, number: int) -> Sequence[Learnable]:
        advised = self.config.method == "classic" and number not in {0, PLAIN}
        return tuple({**dict.fromkeys(self.config.outcomes), "failure": None}) if advised else self.config.outcomes

    def _request(self, number: int, count: int) -> CollectionRequest:
        """What the demonstrator is to record in a round."""
        folder, seeds, config = self.data(number), self._seeds(number, count), self.config
        if number == 0:
            return CollectionRequest(folder, seeds, "demonstrations")
        file = self.policy(number - 1)
        _, make = load_pixels(file)
        risks = self._risks(number - 1) if number > 1 else None
        return CollectionRequest(folder, seeds, file.stem, config.method, make, risks, config.ask, beta(number))

    def _risks(self, number: int) -> Array:
        """(T,) the policy's risk at every tick of a round."""
        risks: list[Array] = [episode.policy.risk for episode in load_dataset(self.data(number))]
        return np.concatenate(risks)

    def _warm_start(self, number: int) -> WarmStart:
        """Note: a policy of an earlier version does not say what it held out, so what is now is only mostly unseen."""
        manifest = read_manifest(self.policy(number))
        weights = read_weights(self.policy(number), shapes(config_of(manifest)), manifest)
        return WarmStart(weights, float(manifest.training.get(HELD_BELOW, self.config.training.held_out)))

    def _train(self, number: int, episodes: Sequence[Episode], steps: int, start: WarmStart | None) -> None:
        """Train unless an earlier, interrupted run has done it already."""
        if self.policy(number).exists():
            return
        weights = weigh(episodes, self._weighting)
        checkpoint = checkpoint_of(self.policy(number))
        config = replace(self.config.training, steps=steps)
        with self._demonstrator.working(f"training {_named(number)}") as progress, stoppable() as requested:

            def report(step: int, loss: float) -> None:
                try:
                    progress(step / steps)
                except KeyboardInterrupt:  # the person at the page asked for the end
                    requested.set()
                if step % 100 == 0 or step == steps:
                    self._note(f"{self.policy(number).name}: step {step} of {steps}, loss {loss:.4f}")

            control = Control(report, requested.is_set, _resumed(checkpoint, begun(config, episodes, weights)))
            trained = train_pixels(episodes, episodes[0].spec, config, weights=weights, start=start, control=control)
        if trained.interrupted is not None:
            save_interrupted(checkpoint, trained.interrupted)
            self._note(f"{self.policy(number).name}: stopped at step {trained.interrupted.facts.step} of {steps}")
            raise KeyboardInterrupt
        manifest = with_camera_age(with_calibration(trained.manifest, episodes), self.config.camera_age)
        save_policy(self.policy(number), manifest, trained.weights)
        checkpoint.unlink(missing_ok=True)
        if requested.is_set():
            raise KeyboardInterrupt

    @property
    def _weighting(self) -> Weighting:
        """Note: where the person speaks at every tick, there is no part to give to corrections."""
        return Weighting(corrections=0.0) if self.config.method == "classic" else self.config.weighting

    def _score(
        self, number: int, episodes: Sequence[Episode], cost: Supervision, spent: float, started: float
    ) -> RoundResult:
        with self._demonstrator.working(f"trying {_named(number)} on unseen tracks") as progress:
            found = score(attempts(self._rollout, self.policy(number), self.config.tracks, progress))
        return RoundResult(
            round=len(self.log.state.rounds) - 1 if number == PLAIN else number,
            method={0: "demonstrations", PLAIN: "plain"}.get(number, self.config.method),
            success=found.success,
            success_low=found.success_low,
            success_high=found.success_high,
            progress=found.progress,
            off_m=found.off_m,
            intervention_rate=cost.intervention_rate,
            switches_per_min=cost.switches_per_min,
            human_s=cost.human_s,
            human_total_s=spent + cost.human_s,
            ticks=ticks_of(episodes),
            seconds=time.monotonic() - started,
        )


def _resumed(checkpoint: Path, now: Begun) -> Interrupted | None:
    """The interrupted training in this file, if it was begun with the same; None begins anew."""
    if not checkpoint.exists():
        return None
    found = load_interrupted(checkpoint)
    return found if found.facts.begun == now else None


def _named(number: int) -> str:
    """A round, for people."""
    return "the comparison" if number == PLAIN else f"round {number}"


def ticks_of(episodes: Sequence[Episode]) -> int:
    """The number of ticks at which the person said what they would do."""
    return sum(round(supervision([episode]).human_s / episode.spec.period) for episode in episodes)
