"""A headless Chromium, for measuring and testing the cockpit's page as people see it."""

import contextlib
import importlib.util
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

from leash_robot.robot.errors import OperatorError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MISSING = f"no Chromium at {CHROMIUM}: apt-get install chromium"


def missing() -> str:
    """Why there is no browser here; empty when there is one."""
    if importlib.util.find_spec("playwright") is None:
        return "no package 'playwright': pip install 'leash-robot[dev]'"
    return "" if shutil.which(CHROMIUM) else MISSING


@contextlib.contextmanager
def chromium() -> Iterator["Browser"]:
    """A browser with an empty profile, closed at the end of the block. Raises OperatorError when there is none."""
    if problem := missing():
        raise OperatorError(problem)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()
