"""`leash train bc`, and what the server's bench measures."""

import json
from pathlib import Path

import pytest
from walks import demonstration, recorded

from launch import bench_server, train
from policies.clone import load
from robot.errors import EpisodeError
from robot.image import Image


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
    with pytest.raises(EpisodeError, match="is not a folder of episodes"):
        train.main(["bc", str(tmp_path / "none"), "--out", out])
    (tmp_path / "empty").mkdir()
    for nothing in ([], [str(tmp_path / "empty")]):
        with pytest.raises(EpisodeError, match="record some with `leash collect`"):
            train.main(["bc", *nothing, "--out", out])
    with pytest.raises(EpisodeError, match="no tick was driven by 'policy'"):
        train.main(["bc", str(data), "--out", out, "--teacher", "policy", *QUICK])
    assert not Path(out).exists()


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
