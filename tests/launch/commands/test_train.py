"""`leash train bc`, and what the server's bench measures."""

import json
import os
import re
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from leash_robot.benchmarks.loop import server as bench_server
from leash_robot.launch.commands.train import command as train
from leash_robot.launch.commands.train.command import TrainBc, clone
from leash_robot.policies.cloned_policy import load
from leash_robot.policies.imitation import training_loop
from leash_robot.policies.imitation.checkpoint import checkpoint_of
from leash_robot.policies.policy_file import read_manifest
from leash_robot.robot.cameras.image import Image
from leash_robot.robot.dataset.labels import add_label
from leash_robot.robot.dataset.mcap.writer import EpisodeWriter
from leash_robot.robot.dataset.metadata import End
from leash_robot.robot.errors import EpisodeError, PolicyError, UsageError
from leash_robot.robot.types import unknown
from support.recording.recordings import fill, flip, start
from support.walks import BLIND, demonstration, recorded


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for index in range(3):
        recorded(folder, demonstration(index, 60), index)
    return folder


QUICK = ["--steps", "20", "--network.members", "2", "--network.hidden", "16"]


def test_a_folder_of_episodes_becomes_a_policy_file(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "walk.safetensors"
    assert train.main(["bc", str(data), "--out", str(out), "--json", *QUICK]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["episodes"] == 3 and figures["out"] == str(out)
    manifest, _ = load(out)
    assert manifest.training["samples"] == figures["samples"]


def test_features_are_chosen_on_the_command_line(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "walk.safetensors"
    options = ["--features.no-gravity", "--features.no-gyro", "--features.clock", "0"]
    assert train.main(["bc", *map(str, sorted(data.glob("*.mcap"))), "--out", str(out), *options, *QUICK]) == 0
    manifest, _ = load(out)
    assert not manifest.needs_imu
    assert manifest.features is not None and manifest.features.clock == 0


def test_no_episodes_and_no_teacher_are_one_line(data: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "walk.safetensors")
    with pytest.raises(EpisodeError, match="none is neither an episode file nor a folder"):
        train.main(["bc", str(tmp_path / "none"), "--out", out])
    (tmp_path / "empty").mkdir()
    for nothing in ([], [str(tmp_path / "empty")]):
        with pytest.raises(EpisodeError, match="record some with `leash collect`"):
            train.main(["bc", *nothing, "--out", out])
    with pytest.raises(EpisodeError, match="no tick was driven by 'policy'"):
        train.main(["bc", str(data), "--out", out, "--teacher", "policy", *QUICK])
    assert not Path(out).exists()


def test_a_single_episode_is_enough(data: Path, tmp_path: Path) -> None:
    file = next(data.glob("*.mcap"))
    assert train.main(["bc", str(file), "--out", str(tmp_path / "walk.safetensors"), *QUICK]) == 0


def test_failures_damaged_files_and_copies_are_left_out_and_said(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_label(data / "episode_000000.mcap", "failure")
    shutil.copy(data / "episode_000001.mcap", data / "episode_000009.mcap")
    damaged = Path(recorded(data, demonstration(4, 60), 4).path)
    flip(damaged, damaged.stat().st_size // 2)
    out = tmp_path / "walk.safetensors"
    assert train.main(["bc", str(data), "--out", str(out), "--json", *QUICK]) == 0
    printed = capsys.readouterr()
    figures = json.loads(printed.out)
    assert (figures["episodes"], figures["ticks"], len(figures["left_out"])) == (2, 120, 3)
    assert "learning from 2 episodes, 120 ticks; 3 left out: 1 failure, 1 damaged, 1 a copy" in printed.err
    assert re.search(r"left out: .*episode_000004\.mcap: damaged, at byte", printed.err)
    assert train.main(["bc", str(data), "--out", str(out), "--json", *QUICK, "--outcomes", "failure"]) == 0
    assert json.loads(capsys.readouterr().out)["episodes"] == 1


def test_nothing_but_failures_is_one_line_with_the_remedy(data: Path, tmp_path: Path) -> None:
    for path in data.glob("*.mcap"):
        add_label(path, "failure")
    with pytest.raises(
        EpisodeError, match="none of 3 recordings .* 3 failure; give --outcomes success unlabelled failure"
    ):
        train.main(["bc", str(data), "--out", str(tmp_path / "walk.safetensors")])


def test_a_policy_file_in_place_of_recordings_is_one_line(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "walk.safetensors"
    clone(TrainBc((data,), out, replace(TrainBc(()).bc, steps=2)))
    with pytest.raises(EpisodeError, match=r"walk\.safetensors is a policy file; give folders of episodes"):
        train.main(["bc", str(out), "--out", str(tmp_path / "other.safetensors")])


def test_recordings_of_several_bodies_are_one_line(data: Path, tmp_path: Path) -> None:
    other = msgspec.structs.replace(BLIND, gains=msgspec.structs.replace(BLIND.gains, kp=BLIND.gains.kp + 1))
    writer = EpisodeWriter(data / "episode_000003.mcap", start(other, 3))
    fill(writer, demonstration(3, 30))
    writer.finish(End("success"))
    with pytest.raises(
        EpisodeError, match=r"recorded with gains\.kp = 51\.0, .* with 50\.0; learn from one kind of robot"
    ):
        train.main(["bc", str(data), "--out", str(tmp_path / "walk.safetensors")])


def test_an_output_that_cannot_be_written_is_said_before_anything_is_read(data: Path, tmp_path: Path) -> None:
    recording = next(data.glob("*.mcap"))
    for out, said in (
        (tmp_path, "it is a folder; give another --out"),
        (recording / "walk.safetensors", "cannot write a policy to"),
        (recording, "is there and would be replaced, but .* is no policy file"),
    ):
        with pytest.raises(PolicyError, match=said):
            train.main(["bc", str(tmp_path / "no recordings"), "--out", str(out)])


@pytest.mark.parametrize(
    "option", [("--steps", "0"), ("--weighting.corrections", "1"), ("--seed", "-1"), ("--held-out", "1")]
)
def test_numbers_out_of_bounds_are_one_line(data: Path, option: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match=" ".join(option).rpartition(".")[2]):
        train.main(["bc", str(data), *option])


def test_demonstrations_of_joints_alone_are_learned_from(tmp_path: Path) -> None:
    """An arm's person asks for joint targets and no body velocity."""
    jointly = [
        replace(
            tick,
            obs=replace(tick.obs, command=unknown(3)),
            wanted=replace(tick.wanted, command=unknown(3)),
            sent=replace(tick.sent, command=unknown(3)),
        )
        for tick in demonstration(0, 60)
    ]
    assert not np.isfinite(recorded(tmp_path, jointly).human.command).any()
    figures = clone(TrainBc((tmp_path,), tmp_path / "arm.safetensors", replace(TrainBc(()).bc, steps=5)))
    assert figures["samples"] + figures["held_out_samples"] == 60


def interrupting(monkeypatch: pytest.MonkeyPatch, step: int, number: signal.Signals = signal.SIGINT) -> None:
    """Send this process a signal while it takes that step."""
    real, taken = training_loop.schedule, iter(range(1, 10**6))

    def schedule(part: float) -> float:
        if next(taken) == step:
            os.kill(os.getpid(), number)
        return real(part)

    monkeypatch.setattr("leash_robot.policies.imitation.training_loop.schedule", schedule)


LONG = ["--steps", "250", *QUICK[2:]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_training_keeps_its_best_and_goes_on_to_the_same_end(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    whole, cut = tmp_path / "whole.safetensors", tmp_path / "cut.safetensors"
    assert train.main(["bc", str(data), "--out", str(whole), *LONG]) == 0
    with monkeypatch.context() as patch:
        interrupting(patch, 130, number)
        assert train.main(["bc", str(data), "--out", str(cut), *LONG]) == 130
    said = capsys.readouterr().err
    assert "interrupted after step 130 of 250" in said and "--resume goes on" in said
    assert read_manifest(cut).training["interrupted_at_step"] == 130
    load(cut)
    assert train.main(["bc", str(data), "--out", str(cut), *LONG, "--resume"]) == 0
    assert not checkpoint_of(cut).exists()
    manifests = [read_manifest(path) for path in (whole, cut)]
    assert manifests[0] == manifests[1]


def test_an_interrupted_training_replaces_no_finished_policy(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "walk.safetensors"
    assert train.main(["bc", str(data), "--out", str(out), *QUICK]) == 0
    before = out.read_bytes()
    interrupting(monkeypatch, 5)
    capsys.readouterr()
    assert train.main(["bc", str(data), "--out", str(out), "--json", *LONG]) == 130
    figures = json.loads(capsys.readouterr().out)
    assert figures["interrupted"] and figures["out"] == str(tmp_path / "walk.best.safetensors")
    assert out.read_bytes() == before
    load(Path(figures["out"]))


def test_going_on_with_other_options_or_recordings_or_nothing_is_one_line(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = str(tmp_path / "walk.safetensors")
    with pytest.raises(PolicyError, match="no interrupted training at .*; start one without --resume"):
        train.main(["bc", str(data), "--out", out, *LONG, "--resume"])
    with monkeypatch.context() as patch:
        interrupting(patch, 5)
        assert train.main(["bc", str(data), "--out", out, *LONG]) == 130
    with pytest.raises(PolicyError, match="begun with batch 256, this is 64; give the same, or start anew"):
        train.main(["bc", str(data), "--out", out, *LONG, "--batch", "64", "--resume"])
    add_label(data / "episode_000001.mcap", "failure")
    with pytest.raises(PolicyError, match="other recordings or weights .3 episodes, now 2."):
        train.main(["bc", str(data), "--out", out, *LONG, "--resume"])
    checkpoint_of(Path(out)).write_bytes(b"torn")
    with pytest.raises(PolicyError, match="cannot go on from .*; start anew without --resume"):
        train.main(["bc", str(data), "--out", out, *LONG, "--resume"])


def test_a_command_that_trains_on_the_way_ends_when_it_is_interrupted(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupting(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        clone(TrainBc((data,), tmp_path / "walk.safetensors"))


def test_the_bench_measures_the_server_the_network_and_the_bare_echo() -> None:
    figures = bench_server.measure(0.1)
    assert figures["late"] == 0
    assert figures["round_trips"] > 0
    assert figures["payload_bytes"] > bench_server.FRAME_BYTES
    assert figures["rtt_p50_ms"] > figures["model_p50_ms"] > 0
    assert figures["network_rtt_p50_ms"] > figures["network_model_p50_ms"] > 0
    assert figures["ratio"] == pytest.approx(figures["rtt_p50_ms"] / figures["bare_p50_ms"])


def test_the_benchs_frame_is_as_large_as_a_cameras() -> None:
    frame: Image = bench_server.frame()
    assert frame.rgb.shape == (480, 640, 3)
    assert 1.0 <= len(frame.jpeg) / bench_server.FRAME_BYTES < 1.2
