"""A person is led through a calibration at the page as in the terminal, and whoever answers first goes on."""

import os
import pty
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from playwright.sync_api import expect

from leash_robot.benchmarks.loop.chromium import chromium, missing
from leash_robot.calibration.camera.charuco_board import Board
from leash_robot.calibration.camera.collection import collect
from leash_robot.calibration.camera.frames import Frame
from leash_robot.calibration.camera.views import Finder
from leash_robot.calibration.session import CalibrationSession, Found, Procedure
from leash_robot.launch.commands.calibrate.guide import GuideOptions, OperatorGuide, guided
from leash_robot.launch.commands.calibrate.session import MachineOptions, calibrate
from leash_robot.launch.commands.deploy import terminable
from leash_robot.robot.errors import CalibrationError
from leash_robot.teleop.cockpit.client import Cockpit, CockpitOptions
from leash_robot.teleop.operator import Event
from support.browsing import PATIENCE, Visitor, printed

PAGE = GuideOptions(page=True, page_port=0)
READY = "Lay the robot on its belly."


class Waiting:
    """A procedure that says something and goes on as soon as it was seen."""

    def __init__(self) -> None:
        self.begun, self.seen = threading.Event(), threading.Event()

    def __call__(self, session: CalibrationSession) -> Found:
        self.begun.set()
        session.say("moving the knees")
        assert self.seen.wait(PATIENCE)
        return replace(session.given, gyro_bias=(0.1, 0.0, 0.0)), {}


def machine(folder: Path, *, yes: bool = False) -> MachineOptions:
    return MachineOptions("pupper", "/dev/null", "desk", folder, yes=yes, guide=PAGE)


def shows(visitor: Visitor, text: str, state: str) -> None:
    visitor.sees(lambda m: text in m.get("status", {}).get("hint", "") and m["status"]["state"] == state)


def beside(person: Callable[[], None], work: Callable[[], object]) -> None:
    """Let a person act while the main thread, which signals reach, works."""
    with ThreadPoolExecutor(1) as pool:
        acting = pool.submit(person)
        try:
            work()
        finally:
            acting.result(PATIENCE)


def dark() -> Iterator[Frame]:
    """A camera in the dark."""
    while True:
        time.sleep(0.02)
        yield "dark", np.zeros((48, 64, 3), np.uint8)


@pytest.fixture
def cockpit(tmp_path: Path) -> Iterator[Cockpit]:
    with Cockpit(CockpitOptions(tmp_path, port=0)) as opened:
        yield opened


def test_success_at_the_page_begins_and_each_step_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    procedure = Waiting()

    def person() -> None:
        with Visitor(printed(capsys)) as visitor:
            shows(visitor, READY, "asked")
            assert not procedure.begun.is_set()
            visitor.asks(Event.SUCCESS)
            shows(visitor, "moving the knees", "busy")
            procedure.seen.set()

    beside(person, lambda: calibrate(machine(tmp_path), Procedure(READY, procedure)))
    assert len(list((tmp_path / "desk").glob("0001-*.yaml"))) == 1


def test_stopping_at_the_page_ends_a_running_procedure_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def person() -> None:
        with Visitor(printed(capsys)) as visitor:
            shows(visitor, "moving the knees", "busy")
            visitor.asks(Event.ESTOP)

    with pytest.raises(CalibrationError, match="stopped at the page"):
        beside(person, lambda: calibrate(machine(tmp_path, yes=True), Procedure(READY, Waiting())))
    assert not (tmp_path / "desk").exists()


def test_with_yes_nothing_waits(tmp_path: Path) -> None:
    assert calibrate(machine(tmp_path, yes=True), Procedure(READY, lambda session: (session.given, {}))) == 0


def test_the_terminal_may_answer_first(cockpit: Cockpit, monkeypatch: pytest.MonkeyPatch) -> None:
    keyboard, terminal = pty.openpty()
    with os.fdopen(terminal) as stdin, os.fdopen(keyboard, "wb", buffering=0) as keys, OperatorGuide(cockpit) as guide:
        monkeypatch.setattr("sys.stdin", stdin)
        keys.write(b"y\n")
        guide.ask(READY)


def test_the_camera_and_what_to_show_next_are_at_the_page_and_success_is_enough(cockpit: Cockpit) -> None:
    def person() -> None:
        with Visitor(cockpit) as visitor:
            shows(visitor, "0 of 5 views   no board in sight", "asked")
            while not visitor.frames:
                visitor.looks()
            assert visitor.frames[0][0]["camera"] == "board"
            visitor.asks(Event.START)

    with OperatorGuide(cockpit) as guide:
        beside(person, lambda: collect(dark(), Finder(Board()), 5, PATIENCE, live=True, guide=guide))
        assert not guide.aborted


def test_stopping_while_the_board_is_shown_does_not_go_on_with_what_there_is(cockpit: Cockpit) -> None:
    def person() -> None:
        with Visitor(cockpit) as visitor:
            shows(visitor, "0 of 5 views", "asked")
            visitor.asks(Event.QUIT)

    with terminable(), OperatorGuide(cockpit) as guide, pytest.raises(KeyboardInterrupt):
        beside(person, lambda: collect(dark(), Finder(Board()), 5, PATIENCE, live=True, guide=guide))


@pytest.mark.skipif(bool(missing()), reason=f"the page is not tested in a browser: {missing()}")
def test_in_a_browser_the_button_confirms_the_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def person() -> None:
        with chromium() as browser:
            page = browser.new_page()
            page.goto(printed(capsys).url)
            expect(page.locator("#alert.info")).to_contain_text(READY)
            expect(page.locator("#state")).to_have_text("your turn")
            page.locator("button.wanted[data-event=success]").click()
            expect(page.locator("#alert")).to_be_hidden()
            expect(page.locator("#facts")).to_be_hidden()
            expect(page.locator("#estop")).to_be_visible()

    with guided(PAGE, tmp_path) as guide:
        beside(person, lambda: guide.ask(READY))
