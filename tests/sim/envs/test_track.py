"""The task `track`: courses, floors, what the camera sees of them, the referee, and the person who knows the line."""

import math
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leash_robot.launch.composition.tracks import TrackArena
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Observation, Tick
from leash_robot.sim.envs.course import BEHIND, RUN_OUT, STEP, Course, CourseShape, draw_course
from leash_robot.sim.envs.floor import EXTENT, SCALE, SIDE, draw_floor
from leash_robot.sim.envs.line_track import (
    PICTURE,
    Rules,
    TrackCamera,
    TrackScorer,
    draw_track,
    from_above,
    place_at_start,
    planar_pose,
)
from leash_robot.sim.pybullet.camera import HeadCamera
from leash_robot.sim.pybullet.robot import SimPupper
from leash_robot.sim.rendering.lens import Exposure, Lens, draw_exposure
from leash_robot.teleop.intervention.line_expert import REST, LineOperator, Skill
from leash_robot.teleop.operator import Event

SPEC = load_spec()
seeds = st.integers(0, 10_000)


def straight(length: float = 2.0) -> Course:
    x = np.arange(-BEHIND, length + RUN_OUT, STEP)
    return Course(np.stack([x, np.zeros_like(x)], axis=1), length)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_courses_begin_at_the_origin_and_keep_to_their_shape(seed: int) -> None:
    shape = CourseShape()
    course = draw_course(np.random.default_rng(seed), shape)
    place, direction = course.at(0.0)
    steps = np.diff(course.points, axis=0)
    heading = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
    assert place == pytest.approx([0, 0], abs=2 * STEP) and direction == pytest.approx(0, abs=0.05)
    assert np.abs(np.diff(heading)).max() <= shape.sharpest * STEP * 1.01
    assert np.abs(heading).max() <= shape.turn
    assert shape.length[0] <= course.length <= shape.length[1]
    assert len(course.points) * STEP == pytest.approx(BEHIND + course.length + RUN_OUT, abs=3 * STEP)


@settings(max_examples=25, deadline=None)
@given(seeds, st.floats(0, 2.5), st.floats(-0.1, 0.1))
def test_a_point_beside_the_line_is_found_with_its_side(seed: int, arc: float, aside: float) -> None:
    course = draw_course(np.random.default_rng(seed))
    place, direction = course.at(arc)
    found, error = course.nearest(place + aside * np.array([-math.sin(direction), math.cos(direction)]), arc + 0.1)
    assert found == pytest.approx(arc, abs=0.06)
    assert error == pytest.approx(aside, abs=0.015)


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_the_line_stands_out_from_its_floor(seed: int) -> None:
    rng = np.random.default_rng(seed)
    course, floor = draw_course(rng), draw_floor(rng)
    painted = floor.painted(course)
    lab = cv2.cvtColor(painted, cv2.COLOR_RGB2LAB).astype(float)

    def colour(aside: float) -> np.ndarray:
        places = [course.at(arc) for arc in np.arange(0.1, course.length, 0.1)]
        points = [p + aside * np.array([-math.sin(d), math.cos(d)]) for p, d in places]
        return np.array([lab[round(y * SCALE) % SIDE, round(x * SCALE) % SIDE] for x, y in points])

    beside = np.concatenate([colour(0.08), colour(-0.08)])
    assert np.linalg.norm(colour(0.0).mean(axis=0) - beside.mean(axis=0)) > 12


def test_the_same_seed_is_the_same_track_and_another_is_another() -> None:
    one, same, other = draw_track(5), draw_track(5), draw_track(6)
    assert np.array_equal(one.course.points, same.course.points)
    assert np.array_equal(one.floor.painted(one.course), same.floor.painted(same.course))
    assert (one.dynamics, one.start) == (same.dynamics, same.start)
    assert one.dynamics != other.dynamics and one.start != other.start


@pytest.fixture(scope="module")
def eye() -> TrackCamera:
    return TrackCamera()


@pytest.fixture(scope="module")
def robot(eye: TrackCamera) -> Iterator[SimPupper]:
    with SimPupper(SPEC, camera={"head": eye}) as made:
        yield made


def test_the_camera_sees_the_line_ahead_of_the_robot(robot: SimPupper) -> None:
    floor, camera = draw_floor(np.random.default_rng(3)), HeadCamera(PICTURE)
    views = []
    for aside in (0.0, 3.0):
        course = straight()
        camera.lay(floor.painted(Course(course.points + np.array([0.0, aside]), course.length)), EXTENT)
        robot.place(0.2, 0.0)
        views.append(camera.render(*robot.world.pose()).astype(int))
    rows, columns = np.nonzero(np.abs(views[0] - views[1]).max(axis=-1) > 40)
    assert len(columns) > 300
    assert columns[rows > PICTURE.height - 20].mean() == pytest.approx(PICTURE.width / 2, abs=4)


def test_a_robot_at_the_start_of_a_track_sees_it_through_its_lens(robot: SimPupper, eye: TrackCamera) -> None:
    place_at_start(robot, eye, draw_track(3))
    first = robot.observe().images["head"].rgb
    assert first.shape == (PICTURE.height, PICTURE.width, 3)
    place_at_start(robot, eye, draw_track(4))
    assert np.abs(robot.observe().images["head"].rgb.astype(int) - first).mean() > 10


def test_a_lens_only_changes_how_a_scene_looks() -> None:
    scene = np.full((24, 32, 3), 100, np.uint8)
    clear = Lens(Exposure(np.ones(3), 1.0, 0.0, 0.0, 0.0, 0), 24, 32)
    dim = Lens(Exposure(np.full(3, 0.5), 1.0, 0.0, 0.5, 0.0, 0), 24, 32)
    assert np.array_equal(clear.through(scene), scene)
    assert dim.through(scene)[12, 16].max() <= 50 and dim.through(scene)[0, 0].max() < 30
    noisy = Lens(draw_exposure(np.random.default_rng(0)), 24, 32)
    assert not np.array_equal(noisy.through(scene), noisy.through(scene)), "frames have noise of their own"


def tick(robot: SimPupper) -> Tick:
    obs = robot.observe()
    wanted = Action(SPEC.stand.copy(), source="hold")
    return Tick(obs, wanted, wanted)


@pytest.mark.parametrize(
    ("aside", "arc", "verdict"), [(0.0, 0.0, "running"), (0.21, 0.0, "strayed"), (-0.21, 0.0, "strayed")]
)
def test_the_referee_notes_where_the_robot_is(robot: SimPupper, aside: float, arc: float, verdict: str) -> None:
    robot.place(arc, aside)
    referee = TrackScorer(robot, straight())
    with referee:
        referee.add(tick(robot))
    assert referee.verdict == verdict
    assert referee.errors[0] == pytest.approx(aside, abs=0.01)
    assert referee.over(tick(robot)) is (verdict != "running")


def test_the_referee_wants_the_whole_course_in_time(robot: SimPupper) -> None:
    referee = TrackScorer(robot, straight(0.25), Rules(slowest=5.0))
    robot.place(0.1, 0.0)
    referee.add(tick(robot))
    assert referee.progress == pytest.approx(0.4, abs=0.05)
    referee.add(tick(robot))
    verdicts = [referee.verdict]
    robot.place(0.26, 0.0)
    referee.add(tick(robot))
    assert [*verdicts, referee.verdict] == ["late", "completed"]
    assert referee.progress == 1.0


def test_the_referee_sees_a_fall(robot: SimPupper) -> None:
    robot.place(0.0, 0.0, joint_pos=SPEC.rest)
    referee = TrackScorer(robot, straight())
    referee.add(tick(robot))
    assert referee.verdict == "fell"


def test_where_the_robot_is_includes_its_heading(robot: SimPupper) -> None:
    robot.place(0.3, -0.2, 0.7)
    assert planar_pose(robot) == pytest.approx((0.3, -0.2, 0.7), abs=0.02)


def test_a_course_seen_from_above_shows_the_driven_path() -> None:
    track = draw_track(1)
    bare, driven = from_above(track), from_above(track, (track.course.points, (255, 0, 255)))
    assert bare.shape == driven.shape
    assert (driven == (255, 0, 255)).all(axis=-1).sum() > 500 > (bare == (255, 0, 255)).all(axis=-1).sum()


class Cart:
    """A point that goes where it is told: what a tracker steers when nobody needs physics."""

    def __init__(self, course: Course, skill: Skill, aside: float = 0.0) -> None:
        self.place = (0.0, aside, 0.0)
        self.course = course
        self.tracker = LineOperator(course, lambda: self.place, "watch", skill, called=lambda: self.called, share=0.5)
        self.called = False
        self.time = 0.0

    def tick(self, drift: float = 0.0) -> bool:
        """One tick in which the robot walks ahead, turning at `drift`, unless the person holds the dead-man."""
        intent = self.tracker.read(self.time)
        vx, _, wz = intent.command if intent.engaged else (0.2, 0.0, drift)
        x, y, heading = self.place
        self.place = (x + vx * 0.05 * math.cos(heading), y + vx * 0.05 * math.sin(heading), heading + wz * 0.05)
        self.time += 0.05
        self.handed_back = Event.HANDBACK in intent.events
        return intent.engaged


def test_a_watching_person_takes_over_from_a_robot_that_strays_and_hands_back() -> None:
    cart = Cart(straight(6.0), Skill())
    held = [cart.tick(drift=0.15) for _ in range(400)]
    switches = np.flatnonzero(np.diff(np.array(held).astype(int)))
    errors = abs(cart.place[1])
    assert not any(held[: round(REST / 0.05)])
    assert len(switches) >= 4, "taken over and handed back more than once"
    assert errors < 0.25 and 0.1 < np.mean(held) < 0.9


def test_a_person_keeps_their_hands_off_a_robot_that_does_well() -> None:
    cart = Cart(straight(), Skill())
    assert not any(cart.tick() for _ in range(200))


def test_a_robot_that_gets_nowhere_is_helped() -> None:
    course = straight()
    tracker = LineOperator(course, lambda: (0.0, 0.0, 0.0), "watch")
    held = [tracker.read(0.05 * n).engaged for n in range(80)]
    assert not any(held[:50]) and any(held[50:])


def test_a_reaction_takes_its_time() -> None:
    course, place = straight(), [(0.5, 0.0, 0.0)]
    tracker = LineOperator(course, lambda: place[0], "watch", Skill(reaction=0.3))
    for n in range(20):
        assert not tracker.read(0.05 * n).engaged
    place[0] = (0.5, 0.15, 0.0)
    held = [tracker.read(0.05 * n).engaged for n in range(20, 30)]
    assert held.index(True) == 6


def test_one_who_answers_comes_when_called_and_stays_until_all_is_well() -> None:
    course, calls = straight(), [False]
    tracker = LineOperator(course, lambda: (0.5, 0.0, 0.0), "answer", Skill(reaction=0.0), called=lambda: calls[0])
    assert not any(tracker.read(0.05 * n).engaged for n in range(20))
    calls[0] = True
    assert tracker.read(1.0).engaged
    calls[0] = False
    held = [tracker.read(1.05 + 0.05 * n).engaged for n in range(20)]
    assert held[5] and not held[-1]


def test_one_who_alternates_drives_their_share() -> None:
    for share, low, high in ((0.0, 0.0, 0.0), (0.5, 0.3, 0.7), (1.0, 0.95, 1.0)):
        tracker = LineOperator(straight(), lambda: (0.5, 0.0, 0.0), "alternate", share=share, seed=2)
        held = [tracker.read(0.05 * n).engaged for n in range(12, 2012)]
        assert low <= np.mean(held[20:]) <= high


def test_a_scripted_person_completes_tracks() -> None:
    with TrackArena() as arena:
        for seed in (0, 1):
            track = draw_track(seed)
            ran = arena.drive(track, arena.demonstrator(track))
            assert (ran.verdict, ran.progress) == ("completed", 1.0)
            assert ran.human > 0.9 * ran.ticks and ran.off < 0.06


class Blind:
    """An upper policy that always walks straight ahead."""

    def reset(self) -> None:
        """Nothing to forget."""

    def act(self, obs: Observation) -> Action:
        return Action(SPEC.stand.copy(), np.array([0.2, 0.0, 0.0]), "policy", risk=0.0)


def test_a_blind_robot_strays_alone_and_arrives_under_supervision() -> None:
    track = draw_track(7)
    with TrackArena() as arena:
        alone = arena.drive(track, Blind())
        watched = arena.drive(track, arena.watched(track, Blind()))
    assert alone.verdict == "strayed"
    assert watched.verdict == "completed"
    assert 0 < watched.human < watched.ticks and watched.switches >= 1
