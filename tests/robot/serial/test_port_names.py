"""A port that returns under another name is named."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from serial.tools import list_ports

from leash_robot.robot.serial.port_names import whereabouts


def attach(monkeypatch: pytest.MonkeyPatch, **serials: str) -> None:
    found = [SimpleNamespace(device=f"/dev/{name}", serial_number=serial) for name, serial in serials.items()]
    monkeypatch.setattr(list_ports, "comports", lambda: found)


def test_a_port_that_is_there_needs_no_word(tmp_path: Path) -> None:
    assert whereabouts(str(tmp_path)) == ""


def test_the_same_robot_is_found_under_its_new_name(monkeypatch: pytest.MonkeyPatch) -> None:
    attach(monkeypatch, ttyACM3="55", ttyACM1="77")
    line = whereabouts("/dev/gone", "77")
    assert "there is no port /dev/gone; the same robot is /dev/ttyACM1 now: give --port /dev/ttyACM1" in line
    assert "/dev/serial/by-id" in line


def test_other_ports_are_listed_where_the_serial_number_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    attach(monkeypatch, ttyACM3="55", ttyACM1="77")
    assert "ports here: /dev/ttyACM3, /dev/ttyACM1; give --port" in whereabouts("/dev/gone")


def test_no_port_at_all_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    attach(monkeypatch)
    assert whereabouts("/dev/gone", "77") == "there is no port /dev/gone, and no other one; plug the robot in"
