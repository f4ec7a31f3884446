"""The cockpit's page in a real browser: driving, letting go, watching, stopping, recording."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, ViewportSize, expect

from leash_robot.benchmarks.loop.chromium import chromium, missing
from leash_robot.robot.dataset.episode import read_episode
from leash_robot.robot.types import SOURCES
from leash_robot.teleop.cockpit.messages import Status
from leash_robot.teleop.operator import Event
from support.browsing import PATIENCE, SPEC, Show, driven, released, show

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"the page is not tested in a browser: {missing()}")
LAPTOP = ViewportSize(width=1280, height=800)
PHONE = ViewportSize(width=390, height=844)
ERRORS: list[Error] = []
"""What went wrong in the page's scripts."""
DRIVER = re.compile("you have the wheel")
expect.set_options(PATIENCE * 1e3)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(autouse=True)
def faultless() -> Iterator[None]:
    """Any error in a page's scripts fails the test."""
    ERRORS.clear()
    yield
    assert ERRORS == []


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport=LAPTOP)
    yield opened
    opened.close()


@pytest.fixture
def phone(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Show]:
    with show(tmp_path_factory.mktemp("episodes")) as made:
        yield made


@pytest.fixture
def shown(running: Show) -> Show:
    return running.renewed()


@pytest.fixture
def page(context: BrowserContext, shown: Show) -> Page:
    """A page that has the wheel."""
    return opened(context, shown)


def noted(error: Error) -> None:
    ERRORS.append(error)


def opened(context: BrowserContext, shown: Show) -> Page:
    page = context.new_page()
    page.on("pageerror", noted)
    page.goto(shown.cockpit.url)
    expect(page.locator("#cameras canvas")).to_be_visible()
    return page


def rested(shown: Show) -> None:
    """Wait until holding a key would drive."""
    shown.next(lambda _: shown.drive.armed and shown.cockpit.armed)


def drives(page: Page, shown: Show) -> None:
    """Hold a key until the robot moves."""
    held(shown, lambda: page.keyboard.down("w"), lambda: page.keyboard.up("w"))


def held(shown: Show, hold: Callable[[], object], let_go: Callable[[], object]) -> None:
    """Hold something, again if the busy machine made the page look dead meanwhile, until it drives."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        rested(shown)
        hold()
        if wait(lambda: bool(shown.ticks) and driven(shown.ticks[-1]), 2.0):
            return
        let_go()
    raise AssertionError("what was held never drove")


def wait(true: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return true()


def test_a_held_key_drives_and_letting_it_go_stops(page: Page, shown: Show) -> None:
    expect(page.locator("#seat")).to_have_text(DRIVER)
    drives(page, shown)
    moved = shown.next(lambda tick: driven(tick) and not (tick.sent.joint_pos == SPEC.stand).all())
    assert moved.wanted.command[0] > 0
    expect(page.locator("#mode-name")).to_contain_text("HUMAN")
    page.keyboard.up("w")
    shown.next(released)
    expect(page.locator("#mode-name")).to_contain_text("HOLD")


def test_keys_ask_what_the_screen_says(page: Page, shown: Show) -> None:
    asked = {"Enter": "start", "t": "stop", "y": "success", "n": "fail", "x": "discard", "u": "undo"}
    for key, event in {**asked, "h": "takeover", "b": "handback", "r": "rearm", "Space": "estop"}.items():
        page.keyboard.press(key)
        shown.hears(Event(event))
    assert len(shown.events) == 10


def test_a_key_that_repeats_asks_once_unless_it_is_the_stop(page: Page, shown: Show) -> None:
    for key in ("y", "Space"):
        for _ in range(3):
            page.keyboard.down(key)
        page.keyboard.up(key)
    shown.until(lambda _: shown.events.count(Event.ESTOP) == 3)
    assert shown.events.count(Event.SUCCESS) == 1


def test_losing_focus_lets_go_and_a_key_that_stayed_down_does_not_drive_on(
    page: Page, shown: Show, context: BrowserContext
) -> None:
    drives(page, shown)
    page.evaluate("document.hasFocus = () => false; dispatchEvent(new Event('blur'))")
    gone = shown.next(released)
    assert gone.wanted.source != "human" or not gone.wanted.command.any()
    page.evaluate("document.hasFocus = () => true; dispatchEvent(new Event('focus'))")
    rested(shown)
    page.keyboard.down("w")  # the system repeats a key that is still down
    expect(page.locator("#mode-name")).to_contain_text("HOLD")
    page.keyboard.up("w")
    drives(page, shown)


def test_a_page_that_is_hidden_lets_go(page: Page, shown: Show) -> None:
    drives(page, shown)
    page.evaluate(
        "Object.defineProperty(document, 'visibilityState', { value: 'hidden' });"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    shown.next(released)
    expect(page.locator("#mode-why")).to_have_text("click this page to drive")


def test_a_page_that_hangs_lets_go(page: Page, shown: Show) -> None:
    drives(page, shown)
    page.evaluate("setTimeout(() => { const end = performance.now() + 1500; while (performance.now() < end); })")
    shown.next(released)


def test_a_closed_tab_lets_go_and_gives_the_wheel_back(page: Page, shown: Show, context: BrowserContext) -> None:
    drives(page, shown)
    page.close()
    shown.next(released)
    again = opened(context, shown)
    expect(again.locator("#seat")).to_have_text(DRIVER)
    drives(again, shown)


def test_a_second_page_watches_can_stop_and_steals_only_when_sure(
    page: Page, shown: Show, phone: BrowserContext
) -> None:
    second = opened(phone, shown)
    expect(second.locator("[data-event=start]")).to_be_disabled()
    expect(second.locator("[data-event=success]")).to_be_enabled()
    drives(page, shown)
    second.locator("#estop").tap()
    shown.hears(Event.ESTOP)
    stopped = shown.next(lambda tick: tick.wanted.source == "safety")
    assert stopped.sent.source == "safety"
    expect(page.locator("#mode-name")).to_contain_text("SOFT STOP")
    expect(second.locator("#mode-name")).to_contain_text("SOFT STOP")
    second.locator("#wheel").tap()
    expect(second.locator("#wheel")).to_contain_text("Really?")
    expect(page.locator("#seat")).to_have_text(DRIVER)
    second.locator("#wheel").tap()
    expect(second.locator("[data-event=start]")).to_be_enabled()
    expect(page.locator("#seat")).to_contain_text("another page has the wheel")


def test_touch_sticks_drive_while_a_thumb_is_on_them(shown: Show, phone: BrowserContext) -> None:
    page = opened(phone, shown)
    box = page.locator("#left-stick").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    session = phone.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": a, "y": b} for a, b in points]})

    def push() -> None:
        touch("touchStart", (x, y))
        touch("touchMove", (x, y - 60))

    held(shown, push, lambda: touch("touchEnd"))
    assert shown.ticks[-1].wanted.command[0] > 0
    touch("touchEnd")
    shown.next(released)


PAD = """
window.pad = { index: 0, connected: true, mapping: 'standard', timestamp: 1, axes: [0, 0, 0, 0],
  buttons: Array.from({ length: 17 }, () => ({ pressed: false, value: 0 })) };
navigator.getGamepads = () => (window.pad ? [window.pad] : [null]);
window.press = (index, pressed) => (window.pad.buttons[index] = { pressed, value: Number(pressed) });
window.noise = setInterval(() => { if (window.pad) window.pad.timestamp += 1; }, 10);
"""


def pushed(page: Page, shown: Show) -> None:
    """Push the pad's stick ahead, its shoulder held, until the robot moves."""
    hold, let_go = "pad.axes[1] = -1; press(4, true)", "press(4, false); pad.axes[1] = 0"
    held(shown, lambda: page.evaluate(hold), lambda: page.evaluate(let_go))


def test_a_gamepad_drives_while_its_shoulder_is_held_and_its_buttons_ask(shown: Show, context: BrowserContext) -> None:
    context.add_init_script(PAD)
    page = opened(context, shown)
    pushed(page, shown)
    assert shown.ticks[-1].wanted.command[0] > 0
    page.evaluate("press(4, false)")
    shown.next(released)
    page.evaluate("pad.axes[1] = 0; press(0, true)")
    shown.hears(Event.SUCCESS)


def test_a_gamepad_that_freezes_or_vanishes_while_it_drives_is_let_go(shown: Show, context: BrowserContext) -> None:
    context.add_init_script(PAD)
    page = opened(context, shown)
    pushed(page, shown)
    page.evaluate("clearInterval(noise)")
    shown.next(released)
    page.evaluate("press(4, false); pad.axes[1] = 0")
    pushed(page, shown)
    page.evaluate("window.gone = pad; window.pad = null")
    shown.next(released)
    page.evaluate("window.pad = gone")
    rested(shown)
    assert released(shown.next(lambda tick: True))


def test_a_pad_asks_only_of_the_page_in_front_but_stops_from_every_page(shown: Show, context: BrowserContext) -> None:
    context.add_init_script(PAD)
    front, behind = opened(context, shown), opened(context, shown)
    behind.evaluate("document.hasFocus = () => false")
    front.bring_to_front()
    for page in (front, behind):
        page.evaluate("document.hasFocus ||= () => true; press(0, true)")
    shown.hears(Event.SUCCESS)
    behind.evaluate("press(11, true)")
    shown.hears(Event.ESTOP)
    assert shown.events.count(Event.SUCCESS) == 1


UNKNOWN = """
window.pad = { index: 0, id: '054c-09cc-Odd Pad', connected: true, mapping: '', timestamp: 1,
  axes: [0, 0, 0, 0, 0, 0], buttons: Array.from({ length: 13 }, () => ({ pressed: false, value: 0 })) };
navigator.getGamepads = () => [window.pad];
window.press = (index, pressed) => (window.pad.buttons[index] = { pressed, value: Number(pressed) });
window.noise = setInterval(() => { window.pad.timestamp += 1; }, 10);
"""


def tapped(page: Page, button: int) -> None:
    """Press a button of the pad and let it go, each for longer than the page takes to look."""
    page.evaluate(f"press({button}, true)")
    page.wait_for_timeout(60)
    page.evaluate(f"press({button}, false)")
    page.wait_for_timeout(60)


def tilted(page: Page, axis: int, value: float, back: float = 0.0) -> None:
    """Push a stick and let it spring back."""
    page.evaluate(f"pad.axes[{axis}] = {value}")
    page.wait_for_timeout(60)
    page.evaluate(f"pad.axes[{axis}] = {back}")
    page.wait_for_timeout(60)


def test_a_pad_that_the_browser_does_not_know_does_nothing_and_the_page_says_so(
    shown: Show, context: BrowserContext
) -> None:
    context.add_init_script(UNKNOWN)
    page = opened(context, shown)
    expect(page.locator("#pads")).to_contain_text("Odd Pad: unknown to this browser. It does nothing, not even stop")
    rested(shown)
    for button in range(13):
        tapped(page, button)
    page.evaluate("pad.axes.fill(1); press(4, true)")
    shown.next(lambda _: True)
    page.wait_for_timeout(300)
    assert shown.events == []
    assert not any(map(driven, shown.ticks))
    expect(page.locator("#note")).to_be_hidden()


def test_a_pad_drives_once_a_person_has_mapped_it_and_stays_mapped(shown: Show, context: BrowserContext) -> None:
    context.add_init_script(UNKNOWN)
    page = opened(context, shown)
    page.locator("#pads-map").click()
    expect(page.locator("#mapper-text")).to_contain_text("hold to drive")
    tapped(page, 5)
    expect(page.locator("#mapper-text")).to_contain_text("STOP")
    tapped(page, 5)
    expect(page.locator("#mapper-text")).to_contain_text("STOP")
    tapped(page, 12)
    expect(page.locator("#mapper-text")).to_contain_text("forward")
    page.evaluate("pad.axes[2] = -1")  # a trigger that said 0 until it was touched
    page.wait_for_timeout(60)
    tilted(page, 1, -1.0)
    expect(page.locator("#mapper-text")).to_contain_text("to the left")
    tilted(page, 0, -1.0)
    tilted(page, 3, -0.9)
    expect(page.locator("#mapper-text")).to_contain_text("Record")
    tapped(page, 9)
    while page.locator("#mapper").is_visible():
        page.locator("#mapper-skip").click()
    assert shown.events == []
    page.reload()
    expect(page.locator("#cameras canvas")).to_be_visible()
    expect(page.locator("#pads")).to_be_hidden()
    hold, let_go = "pad.axes[1] = -1; press(5, true)", "press(5, false); pad.axes[1] = 0"
    held(shown, lambda: page.evaluate(hold), lambda: page.evaluate(let_go))
    assert shown.ticks[-1].wanted.command[0] > 0
    page.evaluate(let_go)
    tapped(page, 9)
    shown.hears(Event.START)
    tapped(page, 12)
    shown.hears(Event.ESTOP)


def test_the_buttons_of_a_pad_are_named_as_they_are_printed(shown: Show, context: BrowserContext) -> None:
    named = PAD.replace(
        "connected: true", "connected: true, id: 'DualSense (STANDARD GAMEPAD Vendor: 054c Product: 0ce6)'"
    )
    context.add_init_script(named)
    page = opened(context, shown)
    shown.status = Status(armed=True)
    page.locator("#help summary").click()
    expect(page.locator("#pad-keys")).to_contain_text("DualSense")
    expect(page.locator("#pad-keys")).to_contain_text("Squareundo")
    expect(page.locator("#pad-keys")).to_contain_text("Trianglediscard")
    expect(page.locator("#mode-why")).to_have_text("hold a key or L1 to drive")


@pytest.mark.parametrize(("typed", "code", "event"), [("ч", "KeyX", Event.DISCARD), ("ψ", "KeyN", Event.FAIL)])
def test_keys_count_by_their_place_whatever_they_type(
    page: Page, shown: Show, typed: str, code: str, event: Event
) -> None:
    cdp = page.context.new_cdp_session(page)

    def key(kind: str, typed: str, code: str) -> None:
        cdp.send("Input.dispatchKeyEvent", {"type": kind, "key": typed, "code": code, "text": typed})

    key("keyDown", typed, code)
    key("keyUp", typed, code)
    shown.hears(event)
    held(shown, lambda: key("keyDown", "ц", "KeyW"), lambda: key("keyUp", "ц", "KeyW"))
    assert shown.ticks[-1].wanted.command[0] > 0


def test_a_stop_says_its_cause_first_and_what_to_do(page: Page, shown: Show) -> None:
    page.keyboard.press("Space")
    shown.status = Status(
        stopped=True, cause="somebody pressed STOP", refused="it lies on its side", warnings=("late",)
    )
    expect(page.locator("#alert.bad")).to_have_text(
        "somebody pressed STOP · re-arming was refused: it lies on its side · late"
    )
    expect(page.locator("#mode-why")).to_have_text("see to the robot, then press Re-arm")


def test_after_the_last_episode_the_page_says_so(page: Page, shown: Show) -> None:
    shown.status = Status(state="stopped", kept=4, enough=4, index=3, undo_left=21.5, outcome="success", armed=True)
    expect(page.locator("#alert.info")).to_have_text(re.compile("All 4 episodes are recorded.*in 22 s"))
    expect(page.locator("#mode-why")).to_have_text("judge the last episode, or press End")
    shown.status = Status(state="done", kept=4, enough=4)
    expect(page.locator("#alert.info")).to_contain_text("is being saved")


def test_a_note_is_typed_while_the_robot_holds(page: Page, shown: Show) -> None:
    page.keyboard.press("m")
    page.keyboard.type("it_slipped_on_w_and_y")
    expect(page.locator("#note-text")).to_have_value("it slipped on w and y")
    page.keyboard.press("Enter")
    shown.hears(Event.NOTE)
    assert shown.events == [Event.NOTE]
    expect(page.locator("#note")).to_be_hidden()


def test_help_is_asked_for_in_words_and_colour(page: Page, shown: Show) -> None:
    shown.status = Status(shared=True, request="the policy is unsure (risk 0.8)", policy="clone.safetensors")
    expect(page.locator("#alert")).to_contain_text("Help is asked: the policy is unsure (risk 0.8)")
    expect(page.locator("#alert")).to_have_class("help")
    expect(page.locator("[data-event=takeover]")).to_have_class(re.compile("wanted"))
    shown.status = Status(shared=True, takeover=1, taken=True, reason="risk")
    expect(page.locator("#alert")).to_be_hidden()
    expect(page.locator("#past")).to_contain_text("1: risk")
    page.locator("[data-event=handback]").click()
    shown.hears(Event.HANDBACK)


def test_what_a_person_can_do_is_said_and_waiting_is_no_trouble(page: Page, shown: Show) -> None:
    shown.status = Status(hint="Track 2 of 5: hold to drive along the line", kept=1, enough=5)
    expect(page.locator("#alert.info")).to_have_text("Track 2 of 5: hold to drive along the line")
    shown.status = Status(state="busy", hint="training round 2: 40%")
    expect(page.locator("#alert.info")).to_have_text("training round 2: 40%")
    expect(page.locator("#state")).to_have_text("please wait")
    expect(page.locator("#mode-why")).to_have_text("nothing to do for you now")


def test_warnings_and_a_missing_camera_say_what_to_do(tmp_path: Path, context: BrowserContext) -> None:
    with show(tmp_path, images=False) as shown:
        page = context.new_page()
        page.goto(shown.cockpit.url)
        expect(page.locator("#no-camera")).to_contain_text("--camera on")
        shown.status = Status(warnings=("200 MB are free in data; make room first",))
        expect(page.locator("#alert")).to_have_text("200 MB are free in data; make room first")


def test_the_age_of_a_picture_is_told_and_its_silence_too(tmp_path: Path, context: BrowserContext) -> None:
    with show(tmp_path) as shown:
        page = opened(context, shown)
        expect(page.locator("#cameras figcaption")).to_contain_text(re.compile(r"head · \d+ ms old"))
        shown.over.set()
        expect(page.locator("#cameras figcaption")).to_contain_text("no new picture for")
        expect(page.locator("#alert")).to_contain_text("No tick for")
    expect(page.locator("#mode-name")).to_have_text("SESSION OVER")
    expect(page.locator("#alert.info")).to_contain_text("start the command again")


def test_a_page_without_its_server_says_so_and_comes_back(page: Page, shown: Show) -> None:
    before = shown.cockpit.pid
    os.kill(before, signal.SIGKILL)
    expect(page.locator("#mode-name")).to_have_text("NO LINK")
    expect(page.locator("#seat")).to_have_text(DRIVER)
    expect(page.locator("#alert")).to_be_hidden()
    drives(page, shown)


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_everything_that_stops_or_drives_is_on_the_screen_and_large_enough(
    shown: Show, browser: Browser, size: ViewportSize
) -> None:
    touch = size is PHONE
    context = browser.new_context(viewport=size, has_touch=touch, is_mobile=touch)
    page = opened(context, shown)
    buttons = page.locator("button:visible").all() + (page.locator(".stick").all() if touch else [])
    assert len(buttons) >= 10
    for button in buttons:
        box = button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44
        assert box["x"] >= 0 and box["x"] + box["width"] <= size["width"]
        assert box["y"] >= 0 and box["y"] + box["height"] <= size["height"]
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    context.close()


def test_the_page_asks_nobody_else_for_anything(shown: Show, context: BrowserContext) -> None:
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    opened(context, shown)
    assert asked
    assert {url.split("/")[2] for url in asked} == {shown.cockpit.url.split("/")[2]}


def test_a_wrong_token_shows_nothing(shown: Show, context: BrowserContext) -> None:
    page = context.new_page()
    answer = page.goto(shown.cockpit.url[:-5] + "/")
    assert answer is not None
    assert answer.status == 403


def test_another_sites_script_cannot_open_the_socket(shown: Show, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto("data:text/html,<title>evil</title>")
    address = shown.cockpit.url.replace("http", "ws") + "socket"
    came = page.evaluate(
        "address => new Promise(done => { const socket = new WebSocket(address);"
        " socket.onopen = () => done('open'); socket.onclose = () => done('closed'); })",
        address,
    )
    assert came == "closed"


def test_an_episode_is_recorded_in_the_browser(tmp_path: Path, context: BrowserContext) -> None:
    folder = tmp_path / "walk"
    command = ["collect", str(folder), "--robot", "sim", "--operator", "browser", "--page-port", "0", "--json"]
    run = [sys.executable, "-m", "leash_robot.launch.cli", *command]
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as leash:
        assert leash.stderr is not None and leash.stdout is not None
        said = leash.stderr.readline()
        page = context.new_page()
        page.goto(said.split()[1])
        expect(page.locator("#mode-name")).to_contain_text("HOLD")
        page.keyboard.press("Enter")
        expect(page.locator("#state")).to_contain_text("REC")
        while "HUMAN" not in page.locator("#mode-name").inner_text():
            page.keyboard.up("w")
            page.wait_for_timeout(500)
            page.keyboard.down("w")
            page.wait_for_timeout(300)
        page.keyboard.up("w")
        page.keyboard.press("y")
        expect(page.locator("#label")).to_contain_text("last: success")
        page.keyboard.press("Enter")
        expect(page.locator("#state")).to_contain_text("REC")
        page.locator("[data-event=quit]").click()
        page.locator("[data-event=quit]").click()
        expect(page.locator("#mode-name")).to_have_text("SESSION OVER")
        figures = json.loads(leash.stdout.read().splitlines()[-1])
    assert (figures["success"], figures["unlabelled"]) == (1, 1)
    episode = read_episode(folder / "episode_000000.mcap")
    assert episode.outcome == "success"
    assert SOURCES.index("human") in episode.wanted.source
