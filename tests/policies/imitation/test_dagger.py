"""DAgger: whose tick counts how much, when it is over, and a whole run that can be interrupted."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leash_robot.launch.commands.dagger import Dagger, learn, main, shortened
from leash_robot.launch.commands.train.command import TrainBc, asking, weights
from leash_robot.launch.composition.demonstrators import ScriptedDemonstrator
from leash_robot.launch.composition.tracks import TrackArena, TrackPool
from leash_robot.launch.reporting.dagger_table import table
from leash_robot.policies.freshness import Input
from leash_robot.policies.image_observation import PixelsConfig
from leash_robot.policies.imitation.bc import BcConfig
from leash_robot.policies.imitation.checkpoint import checkpoint_of
from leash_robot.policies.imitation.collection import collect
from leash_robot.policies.imitation.dagger import (
    Role,
    StopRule,
    Weighting,
    beta,
    leading_up,
    roles,
    supervision,
    takeovers,
    weigh,
)
from leash_robot.policies.imitation.demonstrator import CollectionRequest, Method
from leash_robot.policies.imitation.image_bc import PixelsTraining
from leash_robot.policies.imitation.rounds import PLAIN, Rounds, RoundsConfig
from leash_robot.policies.imitation.run_log import RoundLog, RoundResult
from leash_robot.policies.imitation.score import HELD_OUT_TRACKS
from leash_robot.policies.policy_file import read_manifest
from leash_robot.robot.dataset.episode import Episode, load_dataset, read_episode
from leash_robot.robot.dataset.labels import add_label
from leash_robot.robot.dataset.mcap.writer import EpisodeWriter
from leash_robot.robot.dataset.metadata import End
from leash_robot.robot.dataset.tracks import recorded_tracks
from leash_robot.robot.errors import EpisodeError, UsageError
from leash_robot.robot.recording.recorder import Recorder
from leash_robot.robot.types import Action, Observation, Policy, Source
from leash_robot.sim.envs.line_track import Track, draw_track
from leash_robot.teleop.intervention.call_for_help import FITTED
from support.pixels import record
from support.recording.recordings import blind_spec, fill, start, ticks

PERIOD = 0.05


def asked(source: Source, *, said: bool, index: int) -> Action:
    """A decision with the proposals behind it; the policy doubts ever more."""
    n = len(blind_spec().joints)
    command = np.array([0.2, 0.0, 0.01 * index])
    human = Action(np.zeros(n), command + 1, "human") if said else None
    return Action(np.zeros(n), command, source, human=human, policy=Action(np.zeros(n), command, "policy", index / 100))


def episode(folder: Path, story: str, index: int = 0) -> Episode:
    """One tick a letter: p the policy drives, e the same and an expert speaks, h the person, d with no policy there,
    . nobody.
    """
    meaning: dict[str, tuple[Source, bool]] = {
        "p": ("policy", False), "e": ("policy", True), "h": ("human", True), "d": ("human", True), ".": ("hold", False),
    }  # fmt: skip
    spec = blind_spec()
    made = [
        replace(tick, wanted=asked(meaning[letter][0], said=meaning[letter][1], index=number))
        for number, (letter, tick) in enumerate(zip(story, ticks(len(story), spec), strict=True))
    ]
    writer = EpisodeWriter(folder / f"episode_{index:06d}.mcap", start(spec, index))
    fill(writer, made)
    return read_episode(writer.finish(End("success")))


def test_every_tick_has_a_role(tmp_path: Path) -> None:
    taken = episode(tmp_path, "..ppphhpp", 0)
    assert roles(taken, before=0.1).tolist() == [0, 0, 3, 0, 0, 2, 2, 3, 3]
    assert takeovers(taken).tolist() == [5]
    assert set(roles(episode(tmp_path, "..ddd", 1)).tolist()) == {Role.NONE, Role.DEMONSTRATION}
    assert roles(episode(tmp_path, "eeehh", 2)).tolist() == [Role.CORRECTION] * 5


def test_what_led_up_to_a_takeover_is_excluded_and_no_more(tmp_path: Path) -> None:
    taken = episode(tmp_path, "p" * 40 + "h" * 10 + "p" * 20)
    assert np.flatnonzero(leading_up(taken, 0.75)).tolist() == list(range(25, 40))
    assert not leading_up(episode(tmp_path, "pppp", 1), 0.75).any()


def test_a_clone_learns_half_from_corrections_and_asks_as_its_predecessor_should_have(tmp_path: Path) -> None:
    story = episode(tmp_path, "p" * 60 + "h" * 12 + "p" * 10), episode(tmp_path, "d" * 90, 1)
    config = TrainBc((tmp_path,))
    corrected, demonstrated = weights(story, replace(config, weighting=Weighting(most=100.0))) or []
    assert corrected.sum() == pytest.approx(demonstrated.sum())
    assert not corrected[:60].any(), "what a policy did is not what a person would do"
    both = weights(story, replace(config, bc=BcConfig(teacher="both"))) or []
    assert both[0][:40].all()
    assert weights(story, replace(config, bc=BcConfig(teacher="policy"))) is None
    assert 0.5 < asking(story[:1], 0.1)[FITTED] < 0.82


def test_a_clone_of_demonstrations_alone_weighs_them_alike(tmp_path: Path) -> None:
    story = [episode(tmp_path, "d" * 30)]
    (alike,) = weights(story, TrainBc((tmp_path,))) or []
    assert (alike == 1.0).all()


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> list[Episode]:
    folder = tmp_path_factory.mktemp("mixed")
    stories = ("." * 5 + "d" * 90, "p" * 60 + "h" * 12 + "p" * 10)
    return [episode(folder, story, index) for index, story in enumerate(stories)]


@pytest.mark.parametrize("own", [0.0, 0.3])
@pytest.mark.parametrize("part", [0.05, 0.5, 0.95])
def test_corrections_get_their_part_of_the_learning(mixed: list[Episode], part: float, own: float) -> None:
    weights = np.concatenate(weigh(mixed, Weighting(corrections=part, most=1e9, own=own)))
    whose = np.concatenate([roles(each) for each in mixed])
    assert weights[whose == Role.CORRECTION].sum() / weights.sum() == pytest.approx(part)
    assert weights[whose == Role.NONE].sum() == 0.0
    assert weights[weights > 0].mean() == pytest.approx(1.0)


def test_few_corrections_are_not_learned_by_heart(mixed: list[Episode]) -> None:
    weights, whose = np.concatenate(weigh(mixed)), np.concatenate([roles(each) for each in mixed])
    assert weights[whose == Role.CORRECTION][0] == pytest.approx(3 * weights[whose == Role.DEMONSTRATION][0])


def test_without_a_part_for_corrections_all_said_ticks_count_alike(mixed: list[Episode]) -> None:
    weights = np.concatenate(weigh(mixed, Weighting(corrections=0.0)))
    assert set(weights.tolist()) == {0.0, 1.0}
    assert weigh(mixed[:1])[0].sum() == 90


def test_supervision_counts_time_share_and_switches(mixed: list[Episode], tmp_path: Path) -> None:
    cost = supervision(mixed[1:])
    assert cost.human_s == pytest.approx(12 * PERIOD)
    assert cost.intervention_rate == pytest.approx(12 / 82)
    assert cost.switches_per_min == pytest.approx(2 / (82 * PERIOD / 60))
    told = supervision([episode(tmp_path, "eeee")])
    assert [told.human_s, told.intervention_rate] == pytest.approx([4 * PERIOD, 0.0])
    assert supervision([]).intervention_rate == 0.0


def test_rounds_end_when_nobody_needs_to_intervene_any_more() -> None:
    rule = StopRule()
    assert rule.met(0.96, 0.005)
    assert not rule.met(0.96, 0.02)
    assert not rule.met(0.90, 0.005)


def test_the_expert_drives_ever_less() -> None:
    assert [beta(number) for number in range(4)] == [1.0, 0.5, 0.25, 0.125]


ROW = RoundResult(1, "hg", 0.9, 0.8, 0.95, 0.97, 0.03, 0.05, 3.0, 40.0, 340.0, 7000, 60.0)


def test_a_ledger_goes_on_and_refuses_another_run(tmp_path: Path) -> None:
    log = RoundLog(tmp_path, {"seed": 0, "rounds": 3})
    log.add(ROW)
    log.compare(ROW)
    again = RoundLog(tmp_path, {"seed": 0, "rounds": 3})
    assert (again.state.rounds, again.state.plain) == ((ROW,), ROW)
    with pytest.raises(EpisodeError, match=r"seed 0, not 1.*--out"):
        RoundLog(tmp_path, {"seed": 1, "rounds": 3})
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(EpisodeError, match="--out"):
        RoundLog(tmp_path, {"seed": 0, "rounds": 3})


def test_the_table_has_a_line_for_every_round_and_the_comparison() -> None:
    made = table([ROW, ROW], msgspec.structs.replace(ROW, method="plain"))
    assert made.row_count == 3
    assert list(made.columns[0].cells) == ["1", "1", "plain"]


class Wanderer:
    """An upper policy that always turns a little."""

    def reset(self) -> None:
        """Nothing to forget."""

    def act(self, obs: Observation) -> Action:
        return Action(blind_spec().stand.copy(), np.array([0.2, 0.0, 0.25]), "policy", risk=0.1)


def supervised(
    folder: Path, seeds: Sequence[int], supervise: Callable[[TrackArena, Track], Policy], note: Callable[[str], None]
) -> list[Episode]:
    """Record tracks on which somebody supervises."""
    with TrackArena() as arena:

        def drive(seed: int, recorder: Recorder) -> str:
            track = draw_track(seed)
            return arena.drive(track, supervise(arena, track), recorder).verdict

        return collect(folder, arena.spec, seeds, drive, note)


def test_a_supervised_run_is_recorded_with_both_proposals_and_goes_on(tmp_path: Path) -> None:
    notes: list[str] = []

    def supervise(arena: TrackArena, track: Track) -> Policy:
        return arena.watched(track, Wanderer())

    for count in (1, 2, 2):
        data = supervised(tmp_path / "data", range(40, 40 + count), supervise, notes.append)
        assert len(data) == count
    assert len(notes) == 2, "what was there is not driven again"
    first = data[0]
    driving = first.wanted.source == 0
    assert np.isin(first.wanted.source, (0, 1)).all() and 0.1 < driving.mean() < 0.9
    assert np.isfinite(first.policy.command).all(), "what the policy would have done is always kept"
    assert first.policy.command[~driving, 2] == pytest.approx(0.25)
    assert ((first.human.source == 1) == ~driving).all(), "the person says something exactly while they drive"
    assert (first.image_index("head") >= 0).all()
    assert {Role.CORRECTION, Role.OWN} <= set(roles(first).tolist())


def test_an_alternating_person_speaks_at_every_tick(tmp_path: Path) -> None:
    def supervise(arena: TrackArena, track: Track) -> Policy:
        return arena.alternated(track, Wanderer(), 0.5)

    data = supervised(tmp_path / "data", [60], supervise, lambda line: None)
    assert (data[0].human.source == 1).all() and np.isfinite(data[0].human.command).all()
    assert set(roles(data[0]).tolist()) == {Role.CORRECTION}


TINY = RoundsConfig(
    rounds=1, demonstrations=2, episodes=1, tracks=2, refine=2, camera_age=0.3,
    training=PixelsTraining(PixelsConfig(height=32, width=40, members=2, channels=(2, 2, 2, 2), hidden=8), steps=3),
)  # fmt: skip


def test_a_run_resumes_where_it_was_interrupted(tmp_path: Path) -> None:
    notes: list[str] = []
    with TrackPool(1) as pool:
        first = next(iter(Rounds(tmp_path, TINY, pool, ScriptedDemonstrator(notes.append), notes.append).play()))
        driven = len(notes)
        rounds = Rounds(tmp_path, TINY, pool, ScriptedDemonstrator(notes.append), notes.append)
        rows = list(rounds.play())
        plain = rounds.compare()
        again = Rounds(tmp_path, TINY, pool, ScriptedDemonstrator(notes.append), notes.append)
        assert (list(again.play()), again.compare()) == (rows, plain)
    assert rows[0] == first and len(rows) == 2
    assert read_manifest(rounds.policy(1)).bounds["head"] == Input(max_age=0.3)
    assert first.method == "demonstrations" and first.intervention_rate == 1.0 and first.human_s > 20
    assert rows[1].human_total_s == pytest.approx(first.human_s + rows[1].human_s)
    assert plain.method == "plain" and abs(plain.ticks - rows[1].ticks) < 400
    assert not any("round_00" in note for note in notes[driven:]), "the demonstrations are not driven twice"
    assert [len(load_dataset(rounds.data(number))) for number in (0, 1)] == [2, 1]
    assert len(load_dataset(rounds.data(PLAIN))) >= 1
    seeds = {episode.start.info["track"] for number in (0, 1, PLAIN) for episode in load_dataset(rounds.data(number))}
    assert len(seeds) >= 4 and all(int(seed) < HELD_OUT_TRACKS.start for seed in seeds)


def rounds_of(config: RoundsConfig, folder: Path) -> Rounds:
    """Rounds that are asked for their parts, and play none."""
    return Rounds(folder, config, None, ScriptedDemonstrator(print), lambda line: None)  # type: ignore[arg-type]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.one_of(st.integers(0, 200), st.integers(0, 2**63 - 1)),
    demonstrations=st.integers(1, 300),
    episodes=st.integers(1, 300),
    more=st.integers(1, 20_000),
)
def test_no_run_learns_from_a_track_that_it_is_tried_on(
    seed: int, demonstrations: int, episodes: int, more: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    config = RoundsConfig(seed=seed, demonstrations=demonstrations, episodes=episodes)
    rounds = rounds_of(config, tmp_path_factory.mktemp("run"))
    driven = [*rounds._seeds(0, demonstrations), *rounds._seeds(1, episodes), *rounds._seeds(98, episodes)]
    driven += rounds._seeds(PLAIN, more)
    assert len(set(driven)) == demonstrations + 2 * episodes + more
    assert not any(track in HELD_OUT_TRACKS for track in driven)


def test_the_usual_seeds_are_what_they_were(tmp_path: Path) -> None:
    assert rounds_of(RoundsConfig(seed=3), tmp_path)._seeds(2, 2) == (30_200, 30_201)


def test_a_run_of_an_earlier_version_opens_with_what_it_did_not_know(tmp_path: Path) -> None:
    asked = {"seed": 0}
    RoundLog(tmp_path, asked).add(ROW)
    assert RoundLog(tmp_path, {**asked, "outcomes": ("success", "unlabelled")}).state.rounds == (ROW,)
    with pytest.raises(EpisodeError, match="outcomes"):
        RoundLog(tmp_path, {**asked, "outcomes": ("success", "failure")})


def test_the_run_log_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    """Note: the file was written before this module had its name; its keys are on people's disks."""
    shutil.copy(Path(__file__).parent / "earlier" / "run.json", tmp_path)
    log = RoundLog(tmp_path, {**msgspec.to_builtins(RoundsConfig()), "operator": "person"})
    assert log.state.plain is not None and [result.method for result in log.state.rounds] == ["demonstrations"]
    log.add(ROW)
    assert list(msgspec.json.decode((tmp_path / "run.json").read_bytes())) == ["asked", "rounds", "plain"]


def test_a_run_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EpisodeError, match="cannot write to .*file/run: Not a directory; choose another --out"):
        RoundLog(tmp_path / "file" / "run", {})


def test_failures_are_learned_from_where_an_expert_advised(tmp_path: Path) -> None:
    hg, classic = RoundsConfig(), RoundsConfig(method="classic")
    assert "failure" not in rounds_of(hg, tmp_path / "hg")._outcomes(1)
    rounds = rounds_of(classic, tmp_path / "classic")
    assert ["failure" in rounds._outcomes(number) for number in (0, 1, PLAIN)] == [False, True, False]


def test_failed_demonstrations_are_left_out_of_a_round(tmp_path: Path) -> None:
    rounds = rounds_of(RoundsConfig(), tmp_path)
    rounds.data(0).mkdir()
    for index in range(2):
        episode(rounds.data(0), "d" * 10 * (index + 1), index)
    add_label(rounds.data(0) / "episode_000001.mcap", "failure")
    assert [len(one) for one in rounds._learned([0])] == [10]


def test_an_interrupted_track_is_discarded_and_driven_again(tmp_path: Path) -> None:
    ticks = iter(range(10))

    class Interrupting(Wanderer):
        def act(self, obs: Observation) -> Action:
            if next(ticks, None) == 9:
                raise KeyboardInterrupt
            return super().act(obs)

    with pytest.raises(KeyboardInterrupt):
        supervised(tmp_path, [50], lambda arena, track: Interrupting(), lambda line: None)
    assert recorded_tracks(tmp_path) == {0: (50, "discarded")}
    supervised(tmp_path, [50], lambda arena, track: Interrupting(), lambda line: None)
    assert recorded_tracks(tmp_path)[1][0] == 50


class Ending:
    """Fits `Demonstrator`: somebody who asks for the end at a step of the training."""

    options: Mapping[str, str] = {}

    def __init__(self, step: int) -> None:
        self.step = step

    def collect(self, request: CollectionRequest) -> list[Episode]:
        raise NotImplementedError

    @contextmanager
    def working(self, what: str) -> Iterator[Callable[[float], None]]:
        def report(part: float) -> None:
            if part >= self.step / TINY.training.steps:
                raise KeyboardInterrupt

        yield report


def test_the_training_of_a_round_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    data = [read_episode(record(tmp_path / "data", index)) for index in range(3)]
    made = []
    for folder, stops in (("whole", ()), ("cut", (2,))):
        rounds = rounds_of(TINY, tmp_path / folder)
        for step in stops:
            rounds._demonstrator = Ending(step)
            with pytest.raises(KeyboardInterrupt):
                rounds._train(0, data, TINY.training.steps, None)
            assert not rounds.policy(0).exists() and checkpoint_of(rounds.policy(0)).exists()
        rounds._demonstrator = Ending(10**6)
        rounds._train(0, data, TINY.training.steps, None)
        assert not checkpoint_of(rounds.policy(0)).exists()
        made.append(read_manifest(rounds.policy(0)))
    assert made[0] == made[1]


def test_an_interrupted_run_says_how_to_go_on_and_ends_with_another_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("leash_robot.launch.commands.dagger._played", interrupt)
    assert main(["--operator", "scripted", "--out", str(tmp_path), "--json"]) == 130
    printed = capsys.readouterr()
    assert "ended in round 0; the same command goes on" in printed.err
    assert msgspec.json.decode(printed.out)["finished"] is False


@pytest.mark.parametrize("option", [("--workers", "0"), ("--tracks", "0"), ("--rounds", "99"), ("--seed", "-1")])
def test_numbers_out_of_bounds_are_one_line(option: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match=" ".join(option)):
        main([*option])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["hg", "thrifty", "classic"])
def test_the_command_prints_every_round_and_writes_its_report(method: Method, tmp_path: Path) -> None:
    run = replace(TINY, method=method, rounds=2)
    figures = learn(Dagger(out=tmp_path / "run", run=run, compare=False))
    keys = {"success", "success_low", "success_high", "intervention_rate", "switches_per_min", "human_s"}
    assert len(figures["rounds"]) == 3 and all(keys <= set(row) for row in figures["rounds"])
    assert (tmp_path / "run" / "report.html").stat().st_size > 50_000
    assert (tmp_path / "run" / "rounds.png").exists() and Path(figures["policy"]).exists()


def test_a_quick_run_is_short() -> None:
    quick = shortened(RoundsConfig())
    assert quick.rounds * quick.episodes + quick.demonstrations + quick.rounds * quick.tracks < 30
