"""The rounds of DAgger on tracks: collect, weigh, train, score. All of it is on disk, so a run can be resumed."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from msgspec import Meta, to_builtins

from leash_robot.launch.dagger.pool import TrackPool
from leash_robot.launch.dagger.run_log import Ledger, Row
from leash_robot.launch.dagger.score import KEPT, attempts, score, training_seeds
from leash_robot.launch.dagger.teacher import Lesson, Method, Note, Scripted, Teacher
from leash_robot.launch.options.checked import Count
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
from leash_robot.policies.imitation.image_bc import HELD_BELOW, PixelsTraining, WarmStart, train_pixels
from leash_robot.policies.manifest import with_calibration, with_camera_age
from leash_robot.policies.networks.cnn import shapes
from leash_robot.policies.policy_file import read_manifest, read_weights, save_policy
from leash_robot.policies.registry import load_pixels
from leash_robot.robot.dataset.episode import Episode, list_episodes, load_dataset
from leash_robot.robot.dataset.learnable import OUTCOMES, Learnable, select_learnable
from leash_robot.robot.host.stopping import stoppable
from leash_robot.robot.types import Array
from leash_robot.teleop.intervention.call_for_help import Limits, refit

PLAIN = 99
"""In whose place among the rounds the plain demonstrations of the comparison are."""


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
    episodes: Annotated[Count, tyro.conf.arg(help="Tracks driven under supervision in each round.")] = 24
    tracks: Annotated[int, Meta(ge=1, le=KEPT)] = 50
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
        self, folder: Path, config: RoundsConfig, pool: TrackPool, note: Note, teacher: Teacher | None = None
    ) -> None:
        """Go on where the folder's run ended; the teacher is scripted if left out. Raises EpisodeError when it was
        another run.
        """
        self.folder, self.config, self._pool, self._note = folder, config, pool, note
        self._teacher = teacher or Scripted(note)
        self.ledger = Ledger(folder, {**to_builtins(config), **self._teacher.asked})

    def play(self) -> Iterator[Row]:
        """Play the rounds that are missing, until the rule says stop; yields the row of every round."""
        yield from self.ledger.book.rounds
        while not self.over:
            row = self._round(len(self.ledger.book.rounds))
            self.ledger.add(row)
            yield row

    @property
    def over(self) -> bool:
        """Whether all rounds are played, or the rule says stop."""
        rows = self.ledger.book.rounds
        if len(rows) < 2:
            return len(rows) > self.config.rounds
        return len(rows) > self.config.rounds or self.config.stop.met(rows[-1].success_high, rows[-1].intervention_rate)

    def compare(self) -> Row:
        """The row of a policy that learned as long from as many ticks, all of them demonstrated."""
        row = self.ledger.book.plain or self._plain(self.ledger.book.rounds[-1])
        if self.ledger.book.plain is None:
            self.ledger.compare(row)
        return row

    def policy(self, number: int) -> Path:
        """The file of the policy that came of a round."""
        return self.folder / f"round_{number:02d}.safetensors"

    def data(self, number: int) -> Path:
        """The recordings of a round."""
        return self.folder / f"round_{number:02d}"

    def _round(self, number: int) -> Row:
        """Collect under the last round's policy, learn from everything, and score."""
        started = time.monotonic()
        count = self.config.episodes if number else self.config.demonstrations
        cost = supervision(self._teacher.teach(self._lesson(number, count)))
        episodes = self._learned(range(number + 1))
        steps = self.config.refine if number else self.config.training.steps
        self._train(number, episodes, steps, self._warm_start(number - 1) if number else None)
        spent = sum(row.human_s for row in self.ledger.book.rounds)
        return self._score(number, episodes, cost, spent, started)

    def _plain(self, last: Row) -> Row:
        """Demonstrate on more tracks until there are as many ticks as the last round learned from."""
        started = time.monotonic()
        first = self._learned([0])
        have = ticks_of(first)
        mean = have / len(first)
        more = max(1, round((last.ticks - have) / mean))
        self._teacher.teach(Lesson(self.data(PLAIN), self._seeds(PLAIN, more), "demonstrations"))
        episodes = self._learned([0, PLAIN])
        steps = self.config.training.steps + last.round * self.config.refine
        self._train(PLAIN, episodes, steps, None)
        return self._score(PLAIN, episodes, supervision(episodes), 0.0, started)

    def _seeds(self, number: int, count: int) -> tuple[int, ...]:
        """Those of a round: no other round's, and none that policies are tried on, whatever the run's seed."""
        room = max(100, self.config.demonstrations, self.config.episodes)
        return training_seeds((self.config.seed * 100 + number) * room, count)

    def _learned(self, numbers: Iterable[int]) -> list[Episode]:
        """What is learned from of the recordings of these rounds. Raises EpisodeError when that is nothing."""
        files = [(file, self._outcomes(number)) for number in numbers for file in list_episodes(self.data(number))]
        found = select_learnable(files, str(self.folder))
        self._note(found.summary)
        return found.episodes

    def _outcomes(self, number: int) -> Sequence[Learnable]:
        advised = self.config.method == "classic" and number not in {0, PLAIN}
        return tuple({**dict.fromkeys(self.config.outcomes), "failure": None}) if advised else self.config.outcomes

    def _lesson(self, number: int, count: int) -> Lesson:
        """What the teacher is to do in a round."""
        folder, seeds, method = self.data(number), self._seeds(number, count), self.config.method
        if number == 0:
            return Lesson(folder, seeds, "demonstrations")
        file = self.policy(number - 1)
        _, make = load_pixels(file)
        return Lesson(folder, seeds, file.stem, method, make, self._limits(number), beta(number))

    def _limits(self, number: int) -> Limits:
        """From where on thrifty's policy asks: refitted to how much it doubted in the round before."""
        if number < 2:
            return Limits()
        doubts: list[Array] = [episode.policy.risk for episode in load_dataset(self.data(number - 1))]
        return refit(np.concatenate(doubts), self.config.ask)

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

        held = checkpoint_of(self.policy(number))
        config = replace(self.config.training, steps=steps)
        with self._teacher.working(f"training {_named(number)}") as done, stoppable() as asked:

            def report(step: int, loss: float) -> None:
                try:
                    done(step / steps)
                except KeyboardInterrupt:  # the person at the page asked for the end
                    asked.set()
                if step % 100 == 0 or step == steps:
                    self._note(f"{self.policy(number).name}: step {step} of {steps}, loss {loss:.4f}")

            control = Control(report, asked.is_set, _resumed(held, begun(config, episodes, weights)))
            trained = train_pixels(episodes, episodes[0].spec, config, weights=weights, start=start, control=control)
        if trained.interrupted is not None:
            save_interrupted(held, trained.interrupted)
            self._note(f"{self.policy(number).name}: stopped at step {trained.interrupted.facts.step} of {steps}")
            raise KeyboardInterrupt
        manifest = with_camera_age(with_calibration(trained.manifest, episodes), self.config.camera_age)
        save_policy(self.policy(number), manifest, trained.weights)
        held.unlink(missing_ok=True)
        if asked.is_set():
            raise KeyboardInterrupt

    @property
    def _weighting(self) -> Weighting:
        """Note: where the person speaks at every tick, there is no part to give to corrections."""
        return Weighting(corrections=0.0) if self.config.method == "classic" else self.config.weighting

    def _score(self, number: int, episodes: Sequence[Episode], cost: Supervision, spent: float, started: float) -> Row:
        with self._teacher.working(f"trying {_named(number)} on unseen tracks") as done:
            found = score(attempts(self._pool, self.policy(number), self.config.tracks, done))
        return Row(
            round=len(self.ledger.book.rounds) - 1 if number == PLAIN else number,
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


def _resumed(held: Path, now: Begun) -> Interrupted | None:
    """The training that was interrupted here, if it was begun with the same; else it begins anew."""
    if not held.exists():
        return None
    found = load_interrupted(held)
    return found if found.facts.begun == now else None


def _named(number: int) -> str:
    """A round, for people."""
    return "the comparison" if number == PLAIN else f"round {number}"


def ticks_of(episodes: Sequence[Episode]) -> int:
    """At how many ticks the person said what they wanted."""
    return sum(round(supervision([episode]).human_s / episode.spec.period) for episode in episodes)
