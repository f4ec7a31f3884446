"""`leash doctor` finds what is wrong, and says exactly what to do about it."""

import json
import os
import pty
import shutil
import subprocess
import sys
import tty
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from leash_robot.launch.commands.doctor import computer as doctor_computer
from leash_robot.launch.commands.doctor import robot as doctor_robot
from leash_robot.launch.commands.doctor import telemetry as doctor_telemetry
from leash_robot.launch.commands.doctor.finding import Finding
from leash_robot.robot.calibration import Calibration, dump_calibration
from leash_robot.robot.serial.line import SerialLine
from leash_robot.robot.spec import CameraSpec, load_spec
from support.firmware import Firmware

LEASH = Path(sys.executable).with_name("leash")
SPEC = load_spec()
NONE = Calibration.identity(SPEC)


def doctor(folder: Path, *args: str, before: tuple[str, ...] = ()) -> tuple[int, dict[str, Any]]:
    command = [*before, str(LEASH), "doctor", *args, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def only(findings: Iterator[Finding]) -> Finding:
    (finding,) = findings
    return finding


def test_a_twin_with_the_stock_firmware_is_looked_at_and_rehearsed(tmp_path: Path) -> None:
    code, said = doctor(tmp_path, "--robot", "twin", "--firmware", "head", "--seconds", "2")
    checks = said["checks"]
    assert checks["imu"]["level"] == "warn"
    assert "icm20948" in checks["imu"]["fix"]
    assert checks["firmware"]["seen"] == "as stock head: IMU off"
    assert checks["homing"]["level"] == "ok"
    assert 90 < checks["telemetry"]["rate_hz"] < 110
    assert checks["rehearsal"]["ticks"] == 40
    assert checks["camera head"]["rate_hz"] > 0
    assert code == (1 if said["fail"] else 0)


def test_without_a_robot_it_says_what_is_missing(tmp_path: Path) -> None:
    code, said = doctor(tmp_path)
    assert "--robot twin" in said["checks"]["port"]["fix"]
    assert said["checks"]["port"]["level"] == "warn"
    assert said["checks"]["python"]["level"] == "ok"
    assert code == (1 if said["fail"] else 0)


@pytest.mark.parametrize("args", [("--robot", "pupper"), ("--port", "/dev/ttyNone")])
def test_a_robot_that_is_not_there_is_a_problem(tmp_path: Path, args: tuple[str, ...]) -> None:
    code, said = doctor(tmp_path, *args, "--camera", "head=synthetic")
    assert code == 1
    assert said["checks"]["port"]["level"] == "fail"
    assert "plug the robot in" in said["checks"]["port"]["fix"]
    assert "rehearsal" not in said["checks"]


@pytest.fixture
def port() -> Iterator[str]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


def test_a_port_without_permission_names_the_group_to_join(tmp_path: Path, port: str) -> None:
    setpriv = shutil.which("setpriv")
    assert setpriv is not None, "apt-get install util-linux"
    Path(port).chmod(0o620 if os.getuid() else 0)
    drop = (setpriv, "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all")
    code, said = doctor(tmp_path, "--port", port, "--camera", "head=synthetic", before=drop if not os.getuid() else ())
    assert code == 1
    assert said["checks"]["port"]["seen"] == f"no permission to open {port}"
    assert "usermod -aG" in said["checks"]["port"]["fix"]
    assert "log in anew" in said["checks"]["port"]["fix"]


def test_a_port_that_another_program_uses_says_how_to_find_it(port: str) -> None:
    line = SerialLine(port)
    finding = only(doctor_telemetry.ports(port, wanted=True))
    line.close()
    assert finding.level == "fail"
    assert finding.fix == f"end it: `fuser -v {port}` names it"


def test_listening_writes_nothing_and_tells_what_it_hears(tmp_path: Path) -> None:
    with Firmware(tmp_path) as firmware:
        firmware.say("ERROR")
        heard = doctor_telemetry.listen(str(firmware.path), 1.0)
        quiet = list(firmware.frames)
    found = {finding.name: finding for finding in doctor_telemetry.telemetry(heard)}
    assert quiet == []
    assert found["alarm"].level == "fail"
    assert found["imu"].level == "warn"
    assert only(doctor_telemetry.homing(heard, SPEC, NONE)).level == "ok"


def test_a_robot_that_homes_or_hangs_up_is_told_apart(tmp_path: Path) -> None:
    with Firmware(tmp_path, age=0.0, homing=60.0) as firmware:
        moving = only(doctor_telemetry.homing(doctor_telemetry.listen(str(firmware.path), 0.5), SPEC, NONE))
    with Firmware(tmp_path, age=5.0) as firmware:
        firmware.pos[2] = firmware.target[2] = -1.0
        hung = only(doctor_telemetry.homing(doctor_telemetry.listen(str(firmware.path), 0.5), SPEC, NONE))
    assert (moving.level, moving.seen) == ("fail", "the joints move")
    assert hung.level == "fail"
    assert "front_right_knee -1.00 rad" in hung.seen


def test_a_silent_port_says_to_switch_the_robot_on(port: str) -> None:
    finding = only(doctor_telemetry.telemetry(doctor_telemetry.listen(port, 0.2)))
    assert finding.level == "fail"
    assert "battery" in finding.fix


def test_a_secret_key_that_others_can_read_is_a_problem(tmp_path: Path) -> None:
    secret = tmp_path / "robot.key_secret"
    secret.write_text("secret")
    secret.chmod(0o644)
    finding = only(doctor_computer.keys(tmp_path))
    assert (finding.level, finding.fix) == ("fail", f"chmod 600 {secret}")
    subprocess.run(finding.fix.split(), check=True)
    assert only(doctor_computer.keys(tmp_path)).level == "ok"


def test_a_small_full_disk_is_a_problem_and_says_so(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    fill = f'mount -t tmpfs -o size=1m none {disk} && head -c 1040000 /dev/zero > {disk}/filler; exec "$@"'
    code, said = doctor(tmp_path, "--folder", str(disk), before=("unshare", "-rm", "sh", "-c", fill, "sh"))
    assert code == 1
    assert said["checks"]["disk space"]["level"] == "fail"
    assert said["checks"]["disk speed"]["fix"] == f"make room in {disk}"


def test_versions_out_of_range_are_named() -> None:
    assert doctor_computer._problem("numpy", [(">=", "99")]).endswith("is not >=99")
    assert doctor_computer._problem("numpy", [(">=", "1.5"), ("<", "99")]) == ""
    assert doctor_computer._problem("no-such-package", []) == "no-such-package is not installed"
    assert [finding.level for finding in doctor_computer.versions() if finding.name in {"python", "packages"}] == [
        "ok",
        "ok",
    ]


@pytest.mark.parametrize(("days", "level"), [(0, "ok"), (200, "warn"), (-3, "warn")])
def test_an_old_calibration_and_one_from_the_future_are_doubted(tmp_path: Path, days: int, level: str) -> None:
    path = tmp_path / "desk.yaml"
    when = date.today() - timedelta(days=days)
    signs: Any = NONE.joint_sign
    path.write_text(dump_calibration(Calibration("desk", when, NONE.joint_offset, signs)))
    known, finding = doctor_robot.calibration(path, SPEC, None, real=True)
    assert (finding.level, known.machine) == (level, "desk")
    path.write_text("machine: 7")
    assert doctor_robot.calibration(path, SPEC, None, real=True)[1].level == "fail"
    assert doctor_robot.calibration(None, SPEC, None, real=True)[1].level == "warn"


def test_the_folder_that_calibrate_would_choose_is_found_and_its_age_told(tmp_path: Path) -> None:
    when, signs = date.today() - timedelta(days=3), NONE.joint_sign
    folder = tmp_path / "calibrations" / "desk"
    folder.mkdir(parents=True)
    desk = Calibration("desk", when, NONE.joint_offset, signs)
    (folder / f"0001-{desk.hash}.yaml").write_text(dump_calibration(desk))
    _, said = doctor(tmp_path, "--machine", "desk")
    assert said["checks"]["calibration"]["age_days"] == 3
    assert said["checks"]["calibration"]["hash"] == desk.hash
    _, said = doctor(tmp_path, "--machine", "shelf")
    assert "age_days" not in said["checks"]["calibration"]


def test_a_camera_tells_its_true_rate_and_age() -> None:
    spec = CameraSpec(64, 48, 30)
    good = only(doctor_robot.camera("head", "synthetic:64x48@30", spec))
    assert good.figures["rate_hz"] == pytest.approx(30, abs=3)
    slow = only(doctor_robot.camera("head", "synthetic:64x48@10", spec))
    assert (slow.level, slow.figures["rate_hz"]) == ("fail", pytest.approx(10, abs=2))
    assert only(doctor_robot.camera("head", "/dev/video99", spec)).level == "fail"


def test_a_policy_for_another_robot_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "policy.safetensors"
    path.write_bytes(b"not a policy")
    finding = only(doctor_robot.policy(path, SPEC, NONE, None, imu=True, real=False))
    assert finding.level == "fail"
    assert finding.fix
