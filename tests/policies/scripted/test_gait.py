"""Stand and trot: what they ask of the joints, for any command."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leash_robot.policies.scripted.gait import Stand, Trot, TrotConfig, walking_stance
from leash_robot.robot.bodies.pupper.kinematics import forward, jacobian
from leash_robot.robot.errors import SpecError
from leash_robot.robot.fake import FakeRobot, NoLog
from leash_robot.robot.limits import clamp
from leash_robot.robot.loop import run
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Array, Observation, unknown

SPEC = load_spec()
LEGS = SPEC.legs
assert LEGS is not None
TICK = SPEC.period
AHEAD = np.array([0.25, 0.0, 0.0])
MIRROR = np.array([1.0, -1.0, -1.0])
commands = st.tuples(st.floats(-0.4, 0.4), st.floats(-0.15, 0.15), st.floats(-1.0, 1.0)).map(np.array)


def seen(time: float, command: Array, gyro: Array | None = None) -> Observation:
    """An observation with a clock, a command, and a gyro if any."""
    nothing = unknown(12)
    return Observation(time, 0.0, nothing, nothing, nothing, unknown(3), unknown(3) if gyro is None else gyro, command)


def walk(trot: Trot, command: Array, ticks: range) -> list[Array]:
    """Targets of some ticks at one command."""
    return [trot.act(seen(k * TICK, command)).joint_pos for k in ticks]


def mirrored(joints: Array) -> Array:
    """Left and right legs exchanged, abductions negated."""
    return (joints.reshape(4, 3)[[1, 0, 3, 2]] * [-1.0, 1.0, 1.0]).reshape(12)


def tracked(targets: list[Array], lag: float, fine: int = 50) -> Array:
    """(ticks * fine, 12) joints behind a first-order lag under a zero-order hold."""
    state, rows = targets[0], []
    for target in targets:
        for _ in range(fine):
            state = state + (target - state) * (1 - np.exp(-TICK / fine / lag))
            rows.append(state)
    return np.array(rows)


def test_stand_keeps_the_stand_pose() -> None:
    policy = Stand(SPEC)
    policy.reset()
    action = policy.act(seen(3.0, AHEAD))
    assert np.array_equal(action.joint_pos, SPEC.stand)
    assert np.array_equal(action.command, np.zeros(3))


@pytest.mark.parametrize("command", [unknown(3), np.zeros(3), np.array([0.005, 0.0, -0.005])])
def test_without_a_command_the_trot_stands(command: Array) -> None:
    assert all(np.array_equal(target, SPEC.stand) for target in walk(Trot(SPEC), command, range(20)))


def test_an_action_names_the_command_it_realises_and_its_source() -> None:
    action = Trot(SPEC).act(seen(0.0, AHEAD))
    assert np.array_equal(action.command, AHEAD)
    assert action.source == "policy"


def test_the_first_target_is_the_stand_pose_and_the_last_one_too() -> None:
    trot = Trot(SPEC)
    moving = walk(trot, AHEAD, range(60))
    stopping = walk(trot, unknown(3), range(60, 100))
    assert np.array_equal(moving[0], SPEC.stand)
    assert not np.allclose(moving[-1], SPEC.stand, atol=0.02)
    assert np.array_equal(stopping[-1], SPEC.stand)


@settings(max_examples=40, deadline=None)
@given(st.lists(commands, min_size=1, max_size=5))
def test_no_sequence_of_commands_leaves_the_limits(sequence: list[Array]) -> None:
    trot, last = Trot(SPEC), SPEC.stand
    for k in range(16 * len(sequence) + 30):
        command = sequence[k // 16] if k < 16 * len(sequence) else np.zeros(3)
        target = trot.act(seen(k * TICK, command)).joint_pos
        assert np.array_equal(target, clamp(target, last, SPEC))
        last = target


@pytest.mark.parametrize("command", [(0.25, 0.0, 0.0), (0.0, 0.08, 0.0), (0.0, 0.0, 0.6), (0.25, 0.08, 0.6)])
def test_at_everyday_commands_the_clamp_has_nothing_to_do(command: tuple[float, float, float]) -> None:
    targets = np.array(walk(Trot(SPEC), np.array(command), range(60)))
    assert (np.abs(np.diff(targets, axis=0)) < 0.95 * SPEC.step).all()


def test_commands_past_the_limits_are_followed_only_up_to_them() -> None:
    action = Trot(SPEC).act(seen(0.0, np.array([9.0, 0.0, 0.0])))
    assert np.allclose(action.command, [0.4, 0.0, 0.0])


def test_a_command_too_fast_for_the_feet_is_scaled_as_a_whole() -> None:
    corner = np.array([0.4, 0.15, 1.0])
    followed = Trot(SPEC).act(seen(0.0, corner)).command
    assert np.allclose(followed / corner, followed[0] / corner[0])
    assert 0.5 < followed[0] / corner[0] < 1.0


@settings(deadline=None)
@given(commands)
def test_two_trots_that_see_the_same_do_the_same(command: Array) -> None:
    assert np.array_equal(walk(Trot(SPEC), command, range(12)), walk(Trot(SPEC), command, range(12)))


def test_reset_restarts_the_trot() -> None:
    trot = Trot(SPEC)
    first = walk(trot, AHEAD, range(15))
    trot.reset()
    assert np.array_equal(walk(trot, AHEAD, range(15)), first)


def test_a_missed_slot_does_not_shift_the_phase() -> None:
    steady, missing = Trot(SPEC), Trot(SPEC)
    expected = walk(steady, AHEAD, range(60))
    walk(missing, AHEAD, range(50))
    assert np.allclose(walk(missing, AHEAD, range(53, 60)), expected[53:], atol=1e-9)


def test_the_phase_follows_the_tick_and_not_the_age_of_the_state() -> None:
    fresh, aged = Trot(SPEC), Trot(SPEC)
    for k in range(40):
        age = 0.008 * (k % 2)
        old = replace(seen(k * TICK - age, AHEAD), age=age)
        assert np.allclose(aged.act(old).joint_pos, fresh.act(seen(k * TICK, AHEAD)).joint_pos, atol=1e-9)


@settings(deadline=None)
@given(commands)
def test_a_mirrored_command_gives_mirrored_targets_half_a_cycle_later(command: Array) -> None:
    half = round(TrotConfig().steps.period / TICK / 2)
    one = walk(Trot(SPEC), command, range(60))
    other = walk(Trot(SPEC), command * MIRROR, range(60))
    assert np.allclose(mirrored(one[50]), other[50 + half], atol=1e-9)


def test_led_targets_bring_lagging_joints_onto_the_path() -> None:
    path = TrotConfig(lead=0.0, delay=0.0, support=0.0)
    led = msgspec.structs.replace(path, lead=1.0, delay=TICK / 2)
    assert distance(led, path) < 0.3 * distance(path, path)


def distance(sent: TrotConfig, path: TrotConfig) -> float:
    """Root mean square distance of joints that lag behind what is `sent` from a path, at the ticks [rad]."""
    wanted = np.array(walk(Trot(SPEC, path), AHEAD, range(80)))
    reached = tracked(walk(Trot(SPEC, sent), AHEAD, range(80)), SPEC.gains.lag)[49::50]
    return float(np.sqrt(np.mean((reached[40:-1] - wanted[41:]) ** 2)))


def test_support_presses_standing_feet_down() -> None:
    light, heavy = (walk(Trot(SPEC, TrotConfig(support=force)), AHEAD, range(60)) for force in (0.0, 20.0))
    assert LEGS is not None
    lower = forward(np.array(heavy), LEGS)[40:, :, 2] - forward(np.array(light), LEGS)[40:, :, 2]
    assert lower.max() < 1e-3
    assert -0.02 < lower.min() < -0.004


def test_a_robot_that_turns_too_little_is_asked_to_turn_more() -> None:
    turn = np.array([0.0, 0.0, 0.6])
    bare = TrotConfig(lead=0.0, support=0.0)
    blind, lazy = Trot(SPEC, bare), Trot(SPEC, bare)
    asked = walk(blind, turn, range(60))
    more = [lazy.act(seen(k * TICK, turn, np.array([0.0, 0.0, 0.3]))).joint_pos for k in range(60)]
    assert LEGS is not None
    swept = [np.ptp(forward(np.array(targets), LEGS)[40:, 0, 0]) for targets in (asked, more)]
    assert swept[1] > 1.1 * swept[0]


def test_a_trot_needs_legs() -> None:
    with pytest.raises(SpecError, match="four legs"):
        Trot(msgspec.structs.replace(SPEC, legs=None))


def test_feet_stand_under_the_hips_as_the_configuration_says() -> None:
    assert LEGS is not None
    feet = walking_stance(LEGS, TrotConfig(height=0.14, shift=-0.01, widen=0.02))
    assert np.allclose(feet[0], [0.09, -0.1005, -0.14])
    assert np.allclose(feet[3], [-0.11, 0.1005, -0.14])


def test_the_trot_fits_the_loop() -> None:
    class Steered:
        """A trot that is told where to go."""

        def __init__(self) -> None:
            self.trot = Trot(SPEC)

        def reset(self) -> None:
            self.trot.reset()

        def act(self, obs: Observation) -> Action:
            return self.trot.act(replace(obs, command=AHEAD))

    with FakeRobot(SPEC) as robot, NoLog() as log:
        robot.reset()
        assert run(robot, Steered(), log, ticks=30) == log.count == 30


@settings(deadline=None)
@given(st.lists(st.floats(-0.7, 0.7), min_size=12, max_size=12).map(np.array))
def test_the_jacobian_is_the_slope_of_the_forward_kinematics(offset: Array) -> None:
    assert LEGS is not None
    joints, small = SPEC.stand + offset, 1e-6
    analytic = jacobian(joints, LEGS)
    for index in range(12):
        move = np.zeros(12)
        move[index] = small
        slope = (forward(joints + move, LEGS) - forward(joints - move, LEGS)) / (2 * small)
        assert np.allclose(slope[index // 3], analytic[index // 3, :, index % 3], atol=1e-7)
