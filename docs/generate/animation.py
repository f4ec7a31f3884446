"""Draws the README's animation: the shipped gait in PyBullet from outside, beside the cockpit of a twin that is driven.

python docs/generate/animation.py, which writes docs/images/walk.webp
"""

import re
import signal
import subprocess
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path

from PIL import Image

from leash_robot.benchmarks.loop.chromium import chromium
from leash_robot.policies.registry import load_policy
from leash_robot.policies.shipped import WALK
from leash_robot.robot.fake import NoLog
from leash_robot.robot.locomotion.velocity_command import ConstantCommand
from leash_robot.robot.loop import run
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Tick
from leash_robot.sim.pybullet.robot import SimPupper
from leash_robot.sim.rendering.studio import Studio

OUT = Path(__file__).parents[1] / "images" / "walk.webp"
FRAMES = 40
PERIOD = 0.1
"""Time between two frames [s]: two ticks of the loop."""
WARM_UP = 40
"""Ticks that are walked before the first frame."""
SIZE = (400, 400)
SCREEN = (1000, 640)


def outside() -> list[Image.Image]:
    """What a bystander sees of a walk with a slight turn."""
    spec = load_spec()
    pictures: list[Image.Image] = []
    _, make = load_policy(WALK)
    with SimPupper(spec) as robot, Studio(*SIZE) as studio, NoLog() as log:

        def look(_: Tick) -> bool:
            if log.count > WARM_UP and log.count % 2 == 0:
                joints = [joint[0] for joint in robot.world.sample().joints]
                pictures.append(Image.fromarray(studio.draw(*robot.world.pose(), joints)))
            return len(pictures) == FRAMES

        robot.reset()
        run(robot, ConstantCommand(make(), (0.35, 0.0, 0.25)), log, done=look)
    return pictures


def cockpit() -> list[Image.Image]:
    """What a person sees who drives the twin from a browser: held W, and D now and then."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(Path(sys.executable).with_name("leash")), "collect", f"{folder}/data"]
        command += ["--robot", "twin", "--camera", "on", "--operator", "browser"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as session:
            try:
                assert session.stdout is not None
                address = next(found[0] for line in session.stdout if (found := re.search(r"http://\S+", line)))
                return _driven(address)
            finally:
                session.send_signal(signal.SIGINT)
                session.communicate(timeout=60)


def _driven(address: str) -> list[Image.Image]:
    pictures: list[Image.Image] = []
    with chromium() as browser:
        page = browser.new_page(viewport={"width": SCREEN[0], "height": SCREEN[1]})
        page.goto(address)
        time.sleep(8.0)  # the robot stands up
        page.keyboard.press("Enter")
        time.sleep(1.0)
        page.keyboard.down("w")
        began = time.monotonic()
        for frame in range(FRAMES):
            time.sleep(max(0.0, began + frame * PERIOD - time.monotonic()))
            if frame in {10, 25}:
                page.keyboard.down("d")
            if frame in {18, 32}:
                page.keyboard.up("d")
            pictures.append(Image.open(BytesIO(page.screenshot(type="jpeg", quality=90))).convert("RGB"))
        page.keyboard.up("w")
    return pictures


def main() -> None:
    """Write the two side by side."""
    width = round(SIZE[1] * SCREEN[0] / SCREEN[1])
    frames = []
    for left, right in zip(outside(), cockpit(), strict=True):
        frame = Image.new("RGB", (SIZE[0] + width, SIZE[1]))
        frame.paste(left, (0, 0))
        frame.paste(right.resize((width, SIZE[1]), Image.Resampling.LANCZOS), (SIZE[0], 0))
        frames.append(frame)
    milliseconds = round(1000 * PERIOD)
    frames[0].save(OUT, save_all=True, append_images=frames[1:], duration=milliseconds, loop=0, quality=55, method=4)


if __name__ == "__main__":
    main()
