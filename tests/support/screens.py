"""A real browser window on a virtual screen, with a keyboard and a mouse that the system believes in, for tests."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from leash_robot.benchmarks.loop.chromium import CHROMIUM
from leash_robot.benchmarks.loop.chromium import missing as no_browser
from support.browsing import PATIENCE

NEEDED = ("Xvfb", "xdotool", "openbox")
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
CONFIG = """<?xml version="1.0"?>
<openbox_config xmlns="http://openbox.org/3.4/rc">
<keyboard><keybind key="F8"><action name="ShowMenu"><menu>client-menu</menu></action></keybind></keyboard>
</openbox_config>
"""
"""F8 opens the window manager's menu, which takes the keyboard and tells no window so."""


def missing() -> str:
    """Why there can be no window here; empty when there can."""
    absent = [name for name in NEEDED if shutil.which(name) is None]
    return no_browser() or (f"no {absent[0]}: apt-get install xvfb xdotool openbox" if absent else "")


@dataclass
class Screen:
    """A virtual screen with one page in a window of its own."""

    display: str
    page: Page

    def tool(self, *args: str) -> str:
        """Run xdotool."""
        command = ["xdotool", *args]
        env = {**os.environ, "DISPLAY": self.display}
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout

    def down(self, key: str) -> None:
        """Press a key and keep it down."""
        self.tool("keydown", key)

    def up(self, key: str) -> None:
        """Let a key go."""
        self.tool("keyup", key)

    def tap(self, key: str) -> None:
        """Press a key and let it go."""
        self.tool("key", key)

    def click(self, selector: str, button: int = 1) -> None:
        """Click into the middle of what a selector finds."""
        self.move(selector)
        self.tool("click", str(button))

    def move(self, selector: str) -> None:
        """Move the mouse there."""
        x, y = self.place(selector)
        self.tool("mousemove", str(x), str(y))

    def place(self, selector: str) -> tuple[int, int]:
        """Where the middle of something is on the screen [pixels]."""
        box = self.page.locator(selector).bounding_box()
        assert box is not None
        left, top = self.page.evaluate("[screenX + (outerWidth - innerWidth) / 2, screenY + outerHeight - innerHeight]")
        return round(left + box["x"] + box["width"] / 2), round(top + box["y"] + box["height"] / 2)


@contextlib.contextmanager
def started(*command: str, env: dict[str, str], pass_fds: tuple[int, ...] = ()) -> Iterator[None]:
    """Run a program for the length of the block."""
    null = subprocess.DEVNULL
    process = subprocess.Popen(command, env=env, stdout=null, stderr=null, pass_fds=pass_fds)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def server() -> Iterator[str]:
    """An X server without a screen; its name."""
    read, write = os.pipe()
    try:
        args = ("-displayfd", str(write), "-screen", "0", "1280x900x24", "-nolisten", "tcp")
        with started("Xvfb", *args, env={**os.environ}, pass_fds=(write,)):
            os.set_blocking(read, False)
            number = ""
            deadline = time.monotonic() + PATIENCE
            while not number.endswith("\n"):
                assert time.monotonic() < deadline, "the X server did not start"
                time.sleep(0.02)
                number += _piece(read).decode()
            yield f":{number.strip()}"
    finally:
        os.close(read)
        os.close(write)


def _piece(fd: int) -> bytes:
    try:
        return os.read(fd, 64)
    except BlockingIOError:
        return b""


@contextlib.contextmanager
def screen(folder: Path) -> Iterator[Screen]:
    """An X server, a window manager and a browser with an empty page."""
    config = folder / "openbox.xml"
    config.write_text(CONFIG)
    with server() as display, sync_playwright() as playwright:
        env = {**os.environ, "DISPLAY": display}
        with started("openbox", "--sm-disable", "--config-file", str(config), env=env):
            window = [*FLAGS, "--window-size=1200,860", "--window-position=10,10"]
            browser = playwright.chromium.launch(headless=False, executable_path=CHROMIUM, args=window, env={**env})
            try:
                yield Screen(display, browser.new_context(no_viewport=True).new_page())
            finally:
                browser.close()
