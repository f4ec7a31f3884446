"""The driver, through a real gate process, against a small firmware behind a pseudo-terminal."""

import contextlib
import errno
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from msgspec.structs import replace

from leash_robot.robot import posture
from leash_robot.robot.bodies import gated_robot
from leash_robot.robot.bodies.pupper.driver import Pupper
from leash_robot.robot.bodies.pupper.imu import gravity_and_gyro
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.cameras.image import Image
from leash_robot.robot.errors import GateLatched, PortError, RobotError
from leash_robot.robot.fake import NoLog
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.loop import run
from leash_robot.robot.safety import client as gate_link
from leash_robot.robot.safety.client import GateClient, GateLink, _why_unopened
from leash_robot.robot.safety.messages import Arm, Command, Telemetry, Unopened
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action, Array, Observation
from support.firmware import BRISK_GATE, REST, Firmware, hasten, wait_for

SPEC = load_spec()


@pytest.fixture(autouse=True)
def undisturbed() -> Iterator[None]:
    """Before other programs where that is permitted, as the loop runs: these tests are not about a busy machine."""
    with first_in_line(0):
        yield


@pytest.fixture
def firmware(tmp_path: Path) -> Iterator[Firmware]:
    with Firmware(tmp_path) as teensy:
        yield teensy


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand up, get ready and sink in a tenth of the time; nothing here has mass."""
    hasten(monkeypatch, 0.3)


@contextlib.contextmanager
def standing(firmware: Firmware) -> Iterator[Pupper]:
    with Pupper(SPEC, str(firmware.path)) as robot:
        robot.reset()
        yield robot


class Stand:
    """A policy that wants the stand pose and a little more."""

    def __init__(self, offset: float = 0.0) -> None:
        self.target = SPEC.stand + offset

    def reset(self) -> None:
        return None

    def act(self, obs: Observation) -> Action:
        return Action(self.target)


class Eye:
    def __init__(self, image: Image | None) -> None:
        self.image = image

    def latest(self) -> Image | None:
        return self.image


# --- opening ----------------------------------------------------------------------------------------------------


def gate_of(robot: Pupper) -> subprocess.Popen[bytes]:
    """The robot's gate process."""
    assert isinstance(robot._link, GateLink)
    return robot._link.process


def test_a_missing_port_names_the_remedy() -> None:
    with (
        pytest.raises(PortError, match=r"there is no port /nowhere/tty.*leash twin"),
        Pupper(SPEC, "/nowhere/tty"),
    ):
        pass


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EACCES, "dialout"),
        (errno.EAGAIN, "in use by another program"),
        (errno.EBUSY, "in use by another program"),
        (errno.ENOTTY, "as a serial port: reason"),
    ],
)
def test_every_reason_why_a_port_cannot_be_opened_has_its_remedy(number: int, remedy: str) -> None:
    assert remedy in _why_unopened("/dev/ttyACM0", Unopened(number, "reason"))


def test_a_port_without_a_robot_is_an_error_that_says_so(firmware: Firmware, monkeypatch: pytest.MonkeyPatch) -> None:
    firmware.silent = True
    firmware.say("hello")
    monkeypatch.setattr(gated_robot, "SILENCE", 2.0)
    with (
        pytest.raises(RobotError, match="no telemetry yet, it says 'hello'; power-cycle"),
        Pupper(SPEC, str(firmware.path)),
    ):
        pass


def test_homing_that_does_not_end_is_an_error_that_says_what_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gated_robot, "HOMING", 3.0)
    with (
        Firmware(tmp_path, age=0.0) as teensy,
        pytest.raises(RobotError, match=r"front_right_hip is at 0\.60 rad, not in"),
    ):
        teensy.pos = teensy.target = SPEC.stand.tolist()
        with Pupper(SPEC, str(teensy.path)):
            pass
    assert teensy.frames == []


def test_homing_is_waited_for_without_a_word(tmp_path: Path) -> None:
    with Firmware(tmp_path, age=0.0, homing=0.8) as teensy:
        with Pupper(SPEC, str(teensy.path)) as robot:
            assert teensy.frames == []
            assert robot.gate.phase == "disarmed"
        wait_for(lambda: teensy.mode == "idle")


@pytest.mark.usefixtures("brisk")
def test_a_policy_that_needs_an_imu_is_refused_when_it_is_all_zero(firmware: Firmware) -> None:
    with pytest.raises(RobotError, match="needs an IMU"), Pupper(SPEC, str(firmware.path), needs_imu=True):
        pass
    firmware.imu = (0.1,) * 6
    with Pupper(SPEC, str(firmware.path), needs_imu=True) as robot:
        assert robot.gate.ready


def test_outside_its_block_the_robot_cannot_be_used(firmware: Firmware) -> None:
    robot = Pupper(SPEC, str(firmware.path))
    assert robot.spec is SPEC
    with pytest.raises(RobotError, match="not open"):
        robot.observe()
    robot.__exit__()


# --- standing, seeing, moving -----------------------------------------------------------------------------------


def test_reset_ramps_from_where_the_robot_lies_to_the_stand_pose(firmware: Firmware) -> None:
    with standing(firmware) as robot:
        sent = firmware.sent("pos")
        times, targets = [when for when, _ in sent], np.array([target for _, target in sent])
        assert times[-1] - times[0] >= posture.RAMP
        np.testing.assert_allclose(targets[0], REST, atol=1e-6)
        np.testing.assert_allclose(targets[-1], SPEC.stand, atol=1e-6)
        assert np.abs(np.diff(targets, axis=0)).max() < 0.15
        assert robot.gate.phase == "armed"
        np.testing.assert_allclose(robot.observe().joint_pos, SPEC.stand, atol=1e-6)
        time.sleep(0.4)
        assert robot.gate.phase == "armed", "until the first command, the stand pose is held"


@pytest.mark.usefixtures("brisk")
def test_the_loop_drives_the_robot_and_what_was_sent_is_what_is_on_the_wire(firmware: Firmware) -> None:
    with standing(firmware) as robot:
        assert run(robot, Stand(0.1), NoLog(), ticks=10) == 10
        obs = robot.observe()
        sent = robot.send(Action(SPEC.stand + 9.0, np.array([0.1, 0.0, 0.0]), "human", 0.5))
        wait_for(lambda: firmware.target[0] > 0.4)
        np.testing.assert_allclose(firmware.target, sent.joint_pos, atol=1e-6)
        np.testing.assert_allclose(sent.joint_pos[:2], [0.5, 1.5], atol=1e-6)
        assert (sent.source, sent.risk, sent.command[0]) == ("human", 0.5, 0.1)
        assert robot.gate_stops == 0
        assert 0 <= obs.age < 0.1
        assert obs.time <= time.monotonic()
        assert obs.late >= 0


@pytest.mark.usefixtures("brisk")
def test_what_is_not_measured_is_nan(firmware: Firmware) -> None:
    with standing(firmware) as robot:
        obs = robot.observe()
        for unmeasured in (obs.joint_effort, obs.gravity, obs.gyro, obs.command):
            assert np.isnan(unmeasured).all()
        assert obs.images == {}


@pytest.mark.usefixtures("brisk")
def test_what_is_measured_is_calibrated_on_the_way_in_and_out(firmware: Firmware) -> None:
    signs = tuple(-1 if joint == 3 else 1 for joint in range(12))
    calibration = replace(
        Calibration.identity(SPEC),
        machine="desk",
        date=date(2025, 1, 1),
        joint_offset=(0.02,) * 12,
        joint_sign=signs,
        imu_mount=((0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
        gyro_bias=(0.1, 0.2, 0.3),
    )
    firmware.imu = (0.2, 0.0, 2.0, 0.4, 0.4, 0.4)
    firmware.optional = {"cur": [1.0] * 12}
    image = Image.blank(1.0, 16, 16)
    with Pupper(
        SPEC, str(firmware.path), cameras={"head": Eye(image), "dark": Eye(None)}, calibration=calibration
    ) as robot:
        obs = robot.observe()
        np.testing.assert_allclose(obs.joint_pos, np.array(signs) * REST + 0.02, atol=1e-6)
        np.testing.assert_allclose(obs.joint_effort, 0.18 * np.array(signs), atol=1e-6)
        np.testing.assert_allclose(obs.gravity, [np.sin(0.2), 0.0, -np.cos(0.2)], atol=1e-6)
        np.testing.assert_allclose(obs.gyro, [-0.2, 0.3, 0.1], atol=1e-6)
        assert obs.images == {"head": image}
        robot.reset()
        np.testing.assert_allclose(firmware.target, np.array(signs) * (SPEC.stand - 0.02), atol=1e-6)
        sent = robot.send(Action(SPEC.stand))
        np.testing.assert_allclose(sent.joint_pos, SPEC.stand, atol=1e-6)


@pytest.mark.parametrize(
    ("angles", "gravity"),
    [
        ((1e-9, 0.0, 0.0), (0.0, 0.0, -1.0)),
        ((np.pi / 2, 0.0, 0.0), (0.0, -1.0, 0.0)),
        ((0.0, np.pi / 2, 0.0), (1.0, 0.0, 0.0)),
        ((0.0, np.pi / 2, 1.0), (1.0, 0.0, 0.0)),
        ((0.0, 0.0, 1.0), (0.0, 0.0, -1.0)),
    ],
)
def test_gravity_follows_roll_about_x_and_pitch_about_y(
    angles: tuple[float, float, float], gravity: tuple[float, float, float]
) -> None:
    frame = Telemetry(0.0, 0.0, REST, REST, (*angles, 0.0, 0.0, 0.0))
    seen, _ = gravity_and_gyro(frame, Calibration.identity(SPEC))
    np.testing.assert_allclose(seen, gravity, atol=1e-6)


@pytest.mark.usefixtures("brisk")
def test_every_state_is_handed_out_once(firmware: Firmware) -> None:
    with standing(firmware) as robot:
        before = robot.frames()[-1]
        for _ in range(10):
            robot.observe()
            robot.send(Action(SPEC.stand))
        frames = robot.frames()
        stamps = [before.ts, *(frame.ts for frame in frames)]
        assert len(frames) >= 40
        assert all(later > earlier for earlier, later in itertools.pairwise(stamps))
        assert len(robot.frames()) <= 2


def test_hold_repeats_the_last_target_and_feeds_the_gate(firmware: Firmware) -> None:
    with standing(firmware) as robot:
        robot.observe()
        robot.send(Action(SPEC.stand + 0.1))
        for _ in range(6):
            robot.observe()
            sent = robot.send(Action(np.full(12, np.nan), source="hold"))
            assert sent.source == "hold"
            np.testing.assert_allclose(sent.joint_pos, SPEC.stand + 0.1, atol=1e-9)
        assert robot.gate.phase == "armed"


# --- stopping and going on --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("brisk")
@pytest.mark.parametrize("target", [np.full(12, np.nan), np.zeros(11)])
def test_a_refused_target_comes_back_as_what_is_held(firmware: Firmware, target: Array) -> None:
    with standing(firmware) as robot:
        robot.observe()
        sent = robot.send(Action(target))
        assert sent.source == "hold"
        np.testing.assert_allclose(sent.joint_pos, SPEC.stand, atol=1e-9)
        assert robot.gate.phase == "armed"
        for source in ("hold", "safety"):
            robot.observe()
            assert robot.send(Action(target)).source == source
        assert "malformed" in robot.gate.cause


@pytest.mark.usefixtures("brisk")
def test_a_gate_that_does_not_answer_is_held_for_and_one_that_dies_is_an_error(firmware: Firmware) -> None:
    with standing(firmware) as robot:
        gate_of(robot).send_signal(signal.SIGSTOP)
        robot.observe()
        sent = robot.send(Action(SPEC.stand))
        assert sent.source == "hold"
        np.testing.assert_allclose(sent.joint_pos, SPEC.stand, atol=1e-9)
        gate_of(robot).kill()
        with pytest.raises(RobotError, match="ended with code -9"):
            while True:
                robot.observe()


@pytest.mark.usefixtures("brisk")
def test_a_command_whose_answer_would_come_too_late_does_not_go_out(
    firmware: Firmware, monkeypatch: pytest.MonkeyPatch
) -> None:
    with standing(firmware) as robot:
        robot.observe()
        with monkeypatch.context() as impatient:
            impatient.setattr(gated_robot, "ANSWER", 0.0)
            sent = robot.send(Action(SPEC.stand + 0.1))
        assert sent.source == "hold"
        np.testing.assert_allclose(sent.joint_pos, SPEC.stand, atol=1e-9)
        time.sleep(0.1)
        np.testing.assert_allclose(firmware.target, SPEC.stand, atol=1e-6)


class Distracted:
    """A gate whose answers are never heard."""

    def __init__(self, link: GateClient) -> None:
        self._link = link

    def __getattr__(self, name: str) -> object:
        return getattr(self._link, name)

    def ask(self, question: Arm | Command, timeout: float) -> None:
        self._link.ask(question, timeout)


@pytest.mark.usefixtures("brisk")
def test_where_an_answer_is_missed_the_gates_report_says_what_went_out(firmware: Firmware) -> None:
    with standing(firmware) as robot:
        robot.observe()
        aim = SPEC.stand + 0.1
        robot._link = cast(GateClient, Distracted(robot._gate))
        sent = robot.send(Action(aim))
        assert sent.source == "policy"
        np.testing.assert_allclose(sent.joint_pos, aim, atol=1e-9)
        robot.observe()
        np.testing.assert_allclose(robot.send(Action(SPEC.stand, source="hold")).joint_pos, aim, atol=1e-9)


@pytest.mark.usefixtures("brisk")
def test_after_a_stop_only_a_person_goes_on(firmware: Firmware) -> None:
    with standing(firmware) as robot:
        robot.observe()
        assert robot.send(Action(SPEC.stand)).source == "policy"
        sent = robot.send(Action(SPEC.stand, source="safety"))
        assert sent.source == "safety"
        wait_for(lambda: robot.gate.phase == "damped")
        assert robot.send(Action(SPEC.stand)).source == "safety"
        with pytest.raises(GateLatched, match=r"a soft stop was asked for; .*rearm"):
            robot.reset()
        robot.rearm()
        robot.reset()
        assert robot.gate.phase == "armed"
        assert robot.gate_stops == 0


@pytest.mark.usefixtures("brisk")
def test_a_pause_holds_between_episodes(firmware: Firmware) -> None:
    with standing(firmware) as robot:
        for _ in range(2):
            run(robot, Stand(), NoLog(), ticks=3)
            robot.pause()
            time.sleep(0.4)
            robot.reset()
        robot.send(Action(SPEC.stand, source="safety"))
        wait_for(lambda: robot.gate.phase != "armed")
        robot.pause()
        assert robot.gate.phase != "armed"


@pytest.mark.usefixtures("brisk")
def test_a_gate_that_stops_during_the_ramp_is_named(firmware: Firmware) -> None:
    with Pupper(SPEC, str(firmware.path)) as robot:
        threading.Timer(0.2, firmware.say, ["ERROR"]).start()
        with pytest.raises(GateLatched, match="while it stood up: not armed: the firmware says 'ERROR'"):
            robot.reset()


@pytest.mark.usefixtures("brisk")
def test_a_gate_that_does_not_arm_is_named(firmware: Firmware, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gated_robot, "ARMING", 0.3)
    with Pupper(SPEC, str(firmware.path)) as robot:
        firmware.silent = True
        time.sleep(0.2)
        with pytest.raises(RobotError, match="does not arm: telemetry has not been healthy"):
            robot.reset()


@pytest.mark.usefixtures("brisk")
def test_an_unplugged_robot_is_seen_as_old_and_latched(firmware: Firmware) -> None:
    with standing(firmware) as robot:
        firmware.unplug()
        wait_for(lambda: robot.gate.latched)
        assert "went away" in robot.gate.cause
        robot.observe()
        assert robot.observe().age > 0.04
        assert robot.send(Action(SPEC.stand)).source == "safety"
        firmware.replug()
        wait_for(lambda: robot.gate.ready)
        with pytest.raises(GateLatched):
            robot.reset()
        robot.rearm()
        robot.reset()


# --- the end ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("brisk")
@pytest.mark.parametrize("road", [None, KeyboardInterrupt, ZeroDivisionError])
def test_by_any_road_the_current_goes_off_and_no_process_is_left(
    firmware: Firmware, road: type[BaseException] | None
) -> None:
    with contextlib.suppress(KeyboardInterrupt, ZeroDivisionError), standing(firmware) as robot:
        child = gate_of(robot)
        run(robot, Stand(), NoLog(), ticks=3)
        if road:
            raise road
    assert child.returncode == 0
    wait_for(lambda: firmware.mode == "idle")
    assert {"kp": 0.0, "kd": SPEC.gains.kd, "max_current": SPEC.gains.max_current} in [f for _, f in firmware.frames]


@pytest.mark.usefixtures("brisk")
def test_a_dead_gate_is_one_line_and_not_a_hang(firmware: Firmware) -> None:
    with standing(firmware) as robot:
        gate_of(robot).kill()
        gate_of(robot).wait()
        for use in (robot.observe, lambda: robot.send(Action(SPEC.stand)), robot.reset, lambda: robot.gate):
            with pytest.raises(RobotError, match=r"gate process ended with code -9; the robot holds its last pose"):
                use()


def test_an_action_that_has_expired_is_not_sent(brisk: None, firmware: Firmware) -> None:
    with standing(firmware) as robot:
        robot.observe()
        sent = robot.send(Action(SPEC.stand + 0.05, expires=time.monotonic() - 0.001))
        assert sent.source == "hold"
        np.testing.assert_allclose(sent.joint_pos, SPEC.stand, atol=1e-6)
        robot.observe()
        sent = robot.send(Action(SPEC.stand + 0.05, expires=time.monotonic() + 5.0))
        assert sent.source == "policy"
        np.testing.assert_allclose(sent.joint_pos, SPEC.stand + 0.05, atol=1e-6)


def test_a_gate_that_does_not_end_is_killed(firmware: Firmware, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_link, "ENDING", 0.1)
    robot = Pupper(SPEC, str(firmware.path)).__enter__()
    child = gate_of(robot)
    os.kill(child.pid, signal.SIGSTOP)
    robot.__exit__()
    assert child.returncode == -signal.SIGKILL


CONTROL = """
import sys
from leash_robot.robot import posture
from leash_robot.robot.bodies.pupper import driver as pupper
from leash_robot.robot.safety import client as gate_link
from leash_robot.robot.fake import NoLog
from leash_robot.robot.loop import run
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Action

class Stand:
    def reset(self): pass
    def act(self, obs): return Action(load_spec().stand)

posture.RAMP = posture.SETTLE = posture.LOWER = 0.2
gate_link.COMMAND = (sys.executable, "-c", sys.argv[2])
with pupper.Pupper(load_spec(), sys.argv[1]) as robot:
    robot.reset()
    print(robot._link.process.pid, flush=True)
    run(robot, Stand(), NoLog())
"""


@contextlib.contextmanager
def control(firmware: Firmware) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A whole control process that drives for ever, and the pid of its gate."""
    command = [sys.executable, "-c", CONTROL, str(firmware.path), BRISK_GATE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        yield process, int(process.stdout.readline())
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_control_process_that_dies_leaves_the_robot_idle_and_no_gate(firmware: Firmware, number: int) -> None:
    with control(firmware) as (process, gate):
        wait_for(lambda: firmware.mode == "position")
        process.send_signal(number)
        process.wait(5)
        wait_for(lambda: firmware.mode == "idle")
        wait_for(lambda: not Path(f"/proc/{gate}").exists())
    kinds = [next(iter(fields)) for _, fields in firmware.frames]
    assert kinds[-3:] == ["idle"] * 3
    assert "kp" in kinds[kinds.index("pos") :]


def test_a_control_process_that_hangs_is_a_soft_stop_then_damped(firmware: Firmware) -> None:
    with control(firmware) as (process, _):
        time.sleep(0.2)
        process.send_signal(signal.SIGSTOP)
        wait_for(lambda: firmware.gains[0] == 0.0)
        last = len(firmware.sent("pos"))
        process.send_signal(signal.SIGCONT)
        time.sleep(0.3)
        assert len(firmware.sent("pos")) == last
        assert firmware.gains[0] == 0.0


@pytest.mark.usefixtures("brisk")
def test_noise_on_the_line_moves_nothing_that_was_not_asked(firmware: Firmware) -> None:
    with standing(firmware) as robot:
        firmware.ber = 1e-4
        for tick in range(30):
            if tick % 5 == 0:
                firmware.say("p[0],v[0] and other text")
            obs = robot.observe()
            assert np.abs(obs.joint_pos - SPEC.stand).max() < 1.5
            robot.send(Action(SPEC.stand))
        firmware.ber = 0.0
        targets = np.array([target for _, target in firmware.sent("pos")])
        assert np.abs(targets[-20:] - SPEC.stand).max() < 1e-6
