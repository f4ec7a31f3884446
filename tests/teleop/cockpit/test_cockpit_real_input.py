"""The page under real keys and a real mouse: whatever swallows a key-up, the robot is let go."""

import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from leash_robot.teleop.cockpit.messages import Status
from leash_robot.teleop.operator import Event
from support.browsing import PATIENCE, Show, driven, show
from support.screens import Screen, missing, screen

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"no real window: {missing()}")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Show]:
    with show(tmp_path_factory.mktemp("episodes")) as made:
        yield made


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screen]:
    with screen(tmp_path_factory.mktemp("screen")) as made:
        yield made


@pytest.fixture
def shown(running: Show) -> Show:
    return running


@pytest.fixture
def window(running: Show, opened: Screen) -> Iterator[Screen]:
    """A page of its own for each test, in front, with no key down."""
    before = opened.page
    opened.page = before.context.new_page()
    before.close()
    running.renewed()
    opened.page.goto(running.cockpit.url)
    opened.page.bring_to_front()
    expect(opened.page.locator("#cameras canvas")).to_be_visible()
    opened.click("#cameras")
    try:
        yield opened
    finally:
        for key in ("w", "d", "Super_L", "Alt_L", "Shift_L"):
            opened.up(key)
        opened.tap("Escape")


def holds(shown: Show, window: Screen) -> None:
    """Hold W until the robot moves and W repeats; again where a busy machine made the page look dead."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        shown.next(lambda _: shown.drive.armed and shown.cockpit.armed)
        window.down("w")
        if waited(lambda: bool(shown.ticks) and driven(shown.ticks[-1]), 2.0):
            time.sleep(0.8)  # until it repeats
            return
        window.up("w")
    raise AssertionError("W never drove")


def waited(true: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()


def rests(shown: Show, ticks: int = 10) -> bool:
    """Whether the robot comes to rest, and stays so for some ticks."""

    def still() -> bool:
        last = list(shown.ticks)[-ticks:]
        return len(last) == ticks and not any(map(driven, last))

    return waited(still, 6.0)


def act(window: Screen, how: str) -> None:
    """Something that a person does while W is down."""
    {
        "right click": lambda: window.click("#cameras", 3),
        "middle click": lambda: window.click("#cameras", 2),
        "Cmd": lambda: window.down("Super_L"),
        "Alt": lambda: window.down("Alt_L"),
        "the menu of the window manager": lambda: window.tap("F8"),
        "the menu bar": lambda: window.tap("F10"),
        "a browser menu": lambda: window.tap("alt+f"),
        "fullscreen": lambda: window.tap("F11"),
        "the address bar": lambda: window.tap("ctrl+l"),
        "the find bar": lambda: window.tap("ctrl+f"),
        "another tab": lambda: window.tap("ctrl+t"),
        "a note": lambda: window.tap("m"),
    }[how]()


expect.set_options(PATIENCE * 1e3)

SWALLOWS = (
    "right click",
    "middle click",
    "Cmd",
    "Alt",
    "the menu of the window manager",
    "the menu bar",
    "a browser menu",
    "fullscreen",
    "the address bar",
    "the find bar",
    "another tab",
    "a note",
)


@pytest.mark.parametrize("how", SWALLOWS)
def test_whatever_can_swallow_a_key_up_lets_go_before_it_comes(window: Screen, shown: Show, how: str) -> None:
    holds(shown, window)
    act(window, how)
    assert rests(shown), "W is down all the time, and no key-up is needed"


def test_a_key_that_is_held_drives_for_as_long_as_it_is_held(window: Screen, shown: Show) -> None:
    """Once in several tries, for a busy machine repeats a key late."""

    def driven_throughout() -> bool:
        holds(shown, window)
        begun = time.monotonic()
        time.sleep(2.0)
        ticks = [tick for tick in list(shown.ticks) if tick.obs.time > begun]
        window.up("w")
        assert rests(shown)
        return all(map(driven, ticks)) and len(ticks) > 10

    assert any(driven_throughout() for _ in range(6))


def test_after_a_right_click_space_and_the_first_click_on_stop_are_heard(window: Screen, shown: Show) -> None:
    holds(shown, window)
    window.click("#cameras", 3)
    window.tap("space")
    shown.hears(Event.ESTOP)
    shown.events.clear()
    window.click("#cameras", 3)
    window.click("#estop")
    shown.hears(Event.ESTOP)


def test_a_drag_does_not_begin_and_lets_go(window: Screen, shown: Show) -> None:
    holds(shown, window)
    window.page.evaluate(
        "const link = Object.assign(document.createElement('a'), { href: '#', id: 'bait', textContent: 'drag me' });"
        "document.querySelector('aside').prepend(link); window.drags = 0;"
        "addEventListener('drag', () => (window.drags += 1))"
    )
    window.move("#bait")
    window.tool("mousedown", "1")
    x, y = window.place("#cameras")
    for step in range(5):
        window.tool("mousemove", str(x - 20 * step), str(y))
    assert rests(shown)
    window.tap("space")
    shown.hears(Event.ESTOP)
    window.tool("mouseup", "1")
    assert window.page.evaluate("drags") == 0


def test_a_key_that_stayed_down_is_told_to_come_up_first(window: Screen, shown: Show) -> None:
    shown.status = Status(armed=True)
    holds(shown, window)
    window.click("#cameras", 3)
    assert rests(shown)
    expect(window.page.locator("#mode-why")).to_have_text("let go first, then hold again")
    window.up("w")
    expect(window.page.locator("#mode-why")).to_contain_text("hold a key")
    holds(shown, window)


@pytest.mark.parametrize("key", ["space", "Escape", "ctrl+space", "super+space", "alt+space", "shift+Escape"])
def test_space_and_escape_stop_whatever_else_is_down(window: Screen, shown: Show, key: str) -> None:
    window.tap(key)
    shown.hears(Event.ESTOP)


@pytest.mark.parametrize("key", ["space", "Escape"])
def test_space_and_escape_stop_from_the_field_of_a_note(window: Screen, shown: Show, key: str) -> None:
    window.tap("m")
    expect(window.page.locator("#note-text")).to_be_focused()
    window.tool("type", "slipped")
    window.tap(key)
    shown.hears(Event.ESTOP)
    expect(window.page.locator("#note-text")).to_have_value("slipped")
    window.tap("underscore")
    window.tool("type", "twice")
    window.tap("shift+space")
    window.tool("type", "today")
    expect(window.page.locator("#note-text")).to_have_value("slipped twice today")
    window.tap("Return")
    shown.hears(Event.NOTE)
    assert shown.drive.stopped
