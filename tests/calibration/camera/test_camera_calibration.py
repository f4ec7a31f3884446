"""Cameras with known faults, rendered by MuJoCo, are found out; views that teach nothing or mislead are refused."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from leash_robot.calibration.camera.charuco_board import Board
from leash_robot.calibration.camera.collection import collect
from leash_robot.calibration.camera.coverage import LEANS, fields, leans, missing
from leash_robot.calibration.camera.intrinsics import Fit, fit_intrinsics
from leash_robot.calibration.camera.mount import board_in_camera, fit_mount, mount_from_known_board
from leash_robot.calibration.camera.picture import coverage_picture, straightened
from leash_robot.calibration.camera.stances import UPRIGHT, joints_of, stances, way
from leash_robot.calibration.camera.views import BoardView, Finder, refusal
from leash_robot.calibration.footprints import stance_poses
from leash_robot.calibration.legs import legs_of
from leash_robot.calibration.pose import Pose
from leash_robot.launch.commands.calibrate.selftest import rendered_cameras
from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.errors import CalibrationError
from leash_robot.robot.spec import load_spec
from leash_robot.sim.rendering.board_scene import Pattern, board_scene
from leash_robot.sim.rendering.flawed_camera import Flaws, draw_flaws
from leash_robot.sim.rendering.shown_board import ShownBoard

LEASH = Path(sys.executable).with_name("leash")
SPEC = load_spec()
LEGS = legs_of(SPEC)


@dataclass
class Shot:
    """Pictures by one camera, and what the finder makes of them."""

    flaws: Flaws
    pictures: list[Pixels]
    views: list[BoardView]
    fit: Fit


@pytest.fixture(scope="module")
def shot() -> Iterator[Shot]:
    rng = np.random.default_rng(11)
    board = Board()
    flaws = draw_flaws(rng)
    room = board_scene(Pattern(board.modules, board.size[0]))
    with ShownBoard(flaws, board.size, room, rng) as shown:
        pictures = list(islice(shown.held(), 30))
    finder = Finder(board)
    views: list[BoardView] = []
    for number, picture in enumerate(pictures):
        if not refusal(view := finder.find(picture, f"view {number}"), views):
            views.append(view)
    yield Shot(flaws, pictures, views, fit_intrinsics(views))


def test_a_lens_is_found_by_pictures_alone(shot: Shot) -> None:
    lens = shot.fit.camera
    assert np.abs(np.array(lens.focal) / shot.flaws.focal - 1).max() < 0.003
    assert np.linalg.norm(np.array(lens.centre) - shot.flaws.centre) < 1.5
    assert lens.reprojection < 0.3
    assert abs(lens.focal[0] - shot.flaws.focal[0]) < 5 * lens.focal_doubt


def test_every_target_of_the_selftest_is_met_by_another_camera() -> None:
    figures = rendered_cameras(1, seed=7)
    limits = {
        "focal_p95_percent": 0.3,
        "principal_p95_px": 1.5,
        "reprojection_p95_px": 0.3,
        "camera_pose_p95_mm": 2.0,
        "camera_pose_p95_deg": 0.5,
    }
    assert {name for name, limit in limits.items() if not figures[name] < limit} == set()


def test_a_view_that_was_spoilt_is_thrown_out(shot: Shot) -> None:
    bent = replace(shot.views[3], seen=shot.views[3].seen + 4 * np.sin(np.arange(len(shot.views[3])))[:, None])
    fit = fit_intrinsics([*shot.views[:3], bent, *shot.views[4:]])
    assert [view.name for view, _ in fit.rejected if view.name == bent.name] == [bent.name]
    assert np.abs(np.array(fit.camera.focal) / shot.flaws.focal - 1).max() < 0.003


def test_too_few_views_are_refused(shot: Shot) -> None:
    with pytest.raises(CalibrationError, match="7 good views .* at least 8"):
        fit_intrinsics(shot.views[:7])


def test_views_from_one_angle_are_refused(shot: Shot) -> None:
    camera, board = shot.fit.camera, Board()
    flat = []
    for number in range(12):
        place = np.array([-0.2 + 0.02 * number, -0.1, 0.35 + 0.01 * number])
        seen, _ = cv2.projectPoints(board.corners, np.zeros(3), place, camera.matrix, camera.bends)
        corners = np.asarray(seen, np.float64).reshape(-1, 2)
        flat.append(BoardView(np.arange(40.0), corners, board.corners, camera.size, 0.5, f"view {number}"))
    with pytest.raises(CalibrationError, match="from one angle"):
        fit_intrinsics(flat)


def test_pictures_of_two_sizes_are_refused(shot: Shot) -> None:
    with pytest.raises(CalibrationError, match=f"{shot.views[2].name} is 320x240 but {shot.views[0].name} is 640x480"):
        fit_intrinsics([*shot.views[:2], replace(shot.views[2], size=(320, 240)), *shot.views[3:]])


def test_a_smeared_view_is_refused_and_a_sharp_one_is_not(shot: Shot) -> None:
    sharp = next(picture for picture in shot.pictures if len(Finder(Board()).find(picture)) == 40)
    wide = cv2.resize(sharp, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    smeared = cv2.blur(wide, (11, 1))
    finder = Finder(Board())
    assert "blurred" in refusal(finder.find(np.asarray(smeared, np.uint8)), [])
    assert refusal(finder.find(sharp), []) == ""


def test_a_board_that_moves_or_was_seen_before_is_refused(shot: Shot) -> None:
    view = shot.views[0]
    moved = replace(view, seen=view.seen + 3.0)
    assert refusal(moved, [], before=view).startswith("moving")
    assert refusal(moved, [view]) == "as one taken before"
    assert refusal(replace(view, ids=view.ids[:5], seen=view.seen[:5], points=view.points[:5]), []).startswith("only 5")


def test_the_guide_asks_for_what_is_missing_and_then_is_content(shot: Shot) -> None:
    everything = missing([])
    assert len(everything) == 12 + len(LEANS)
    assert len(missing(shot.views)) < len(everything)
    assert missing([*shot.views] * 20) == []
    assert fields(shot.views).sum() == sum(len(view) for view in shot.views)
    assert set(leans(shot.views)) == set(LEANS)


def test_collecting_stops_at_enough_views_and_says_why_others_were_refused(shot: Shot) -> None:
    black = np.zeros((480, 640, 3), np.uint8)
    frames = iter([("black", black), *((f"{n}", picture) for n, picture in enumerate(shot.pictures))])
    collected = collect(frames, Finder(Board()), 5, 60.0, live=False)
    assert len(collected.views) == 5
    assert "x no board in sight" in collected.reasons()


def test_the_pictures_for_people_show_every_view(shot: Shot) -> None:
    page = coverage_picture(shot.fit)
    assert page.shape[1] == 1280
    assert straightened(shot.pictures[0], shot.fit.camera).shape[1] == 1280
    for view in shot.fit.views[:3]:
        x, y = (2 * (view.seen[0] + 0.5)).round().astype(int)
        assert tuple(page[y, x]) != (250, 250, 248)


def test_a_body_that_leans_over_rolling_feet_is_followed() -> None:
    leaning = stances(SPEC, LEGS, 12)
    joints = [joints_of(lean, SPEC, LEGS) for lean in leaning]
    assert len(leaning) == 12
    poses = stance_poses(np.array(joints), LEGS)
    for lean, pose in zip(leaning, poses, strict=True):
        first, now = (Pose.of(np.concatenate([each.turn, each.shift])) for each in (leaning[0], lean))
        error = (pose.inverse @ (first.inverse @ now)).vector
        assert np.degrees(np.linalg.norm(error[:3])) < 0.1
        assert np.linalg.norm(error[3:]) < 1e-3


def test_the_way_into_a_stance_stays_within_what_a_tick_allows() -> None:
    targets = np.array(way(UPRIGHT, stances(SPEC, LEGS, 20)[3], SPEC, LEGS))
    assert (np.abs(np.diff(targets, axis=0)) < 0.25 * SPEC.step).all()


def synthetic(shot: Shot, count: int, share: float = 1.0) -> tuple[np.ndarray, list[BoardView], Pose]:
    """Joints, views and the true mount, for stances before an upright board."""
    camera, board = shot.fit.camera, Board()
    mount = Pose(shot.flaws.axes, shot.flaws.place)
    held = Pose(np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]), np.array([0.48, 0.126, 0.04]))
    joints, views = [], []
    for lean in stances(SPEC, LEGS, count):
        less = UPRIGHT.towards(lean, share)
        joints.append(joints_of(less, SPEC, LEGS))
        seen = (Pose.of(np.concatenate([less.turn, less.shift])) @ mount).inverse @ held
        turn = cv2.Rodrigues(seen.rotation)[0]
        corners, _ = cv2.projectPoints(board.corners, turn, seen.place, camera.matrix, camera.bends)
        views.append(
            BoardView(np.arange(40.0), np.asarray(corners, np.float64).reshape(-1, 2), board.corners, camera.size, 0.0)
        )
    return np.array(joints), views, mount


def test_a_mount_is_found_from_stances(shot: Shot) -> None:
    joints, views, mount = synthetic(shot, 12)
    found = fit_mount(joints, LEGS, views, shot.fit.camera)
    assert np.linalg.norm(found.pose.place - mount.place) < 1.5e-3
    assert np.degrees(np.linalg.norm((found.pose.inverse @ mount).vector[:3])) < 0.3


def test_a_mount_is_found_from_a_board_at_a_known_place(shot: Shot) -> None:
    _, views, mount = synthetic(shot, 6)
    camera = shot.fit.camera
    known = mount @ board_in_camera(views[0], camera)
    found = mount_from_known_board(views[0], camera, known)
    np.testing.assert_allclose(found.pose.place, mount.place, atol=1e-4)


def test_stances_that_do_not_serve_are_refused(shot: Shot) -> None:
    joints, views, _ = synthetic(shot, 12)
    with pytest.raises(CalibrationError, match="from 5 stances; at least 6"):
        fit_mount(joints[:5], LEGS, views[:5], shot.fit.camera)
    with pytest.raises(CalibrationError, match="lean further"):
        fit_mount(*synthetic(shot, 12, share=0.05)[:1], LEGS, views, shot.fit.camera)
    with pytest.raises(CalibrationError, match="do not agree"):
        fit_mount(joints, LEGS, views[::-1], shot.fit.camera)


def leash(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [str(LEASH), "calibrate", "camera", *args, "--json"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200)


def test_a_folder_of_pictures_becomes_a_version_of_the_machines_calibration(shot: Shot, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, picture in enumerate(shot.pictures):
        cv2.imwrite(str(photos / f"{number:02d}.png"), picture[..., ::-1])
    done = leash(tmp_path, "--pictures", "photos", "--machine", "desk")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["reprojection_px"] < 0.3
    before = {path: path.read_bytes() for path in (tmp_path / "calibrations" / "desk").iterdir()}
    assert len(before) == 1
    assert (tmp_path / "coverage.png").exists()
    assert (tmp_path / "straightened.png").exists()
    cv2.imwrite(str(photos / "99.png"), cv2.resize(shot.pictures[0][..., ::-1], (320, 240)))
    for path in sorted(photos.glob("*.png"))[:-4]:
        path.unlink()
    refused = leash(tmp_path, "--pictures", "photos", "--machine", "desk")
    assert refused.returncode == 2
    assert "leash calibrate: " in refused.stderr.splitlines()[-1]
    assert before == {path: path.read_bytes() for path in (tmp_path / "calibrations" / "desk").iterdir()}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--pictures", "."), "no pictures in"),
        ((), "which camera?"),
        (("--pictures", "rendered", "--name", "tail"), "no camera 'tail'"),
        (("--pictures", "rendered", "--keep-lens", "--mount", "stances"), "leave --keep-lens out"),
        (("--square-mm", "60", "--board", "b.pdf"), "do not fit"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_writes_nothing(tmp_path: Path, args: tuple[str, ...], said: str) -> None:
    done = leash(tmp_path, *args)
    assert done.returncode == 2
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []
