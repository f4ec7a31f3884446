"""The process of the twin's head camera: draws the shared state at 30 frames a second while somebody watches."""

import importlib
import os
import signal
import socket
import sys
from pathlib import Path

from leash_robot.robot.cameras.image import Image
from leash_robot.robot.clock import Grid, MonotonicClock
from leash_robot.sim.rendering.board_scene import standing_board
from leash_robot.sim.rendering.mjpeg_server import MjpegStream
from leash_robot.sim.rendering.twin_camera import Drawn, Renderer
from leash_robot.sim.twin.messages import Ready, send
from leash_robot.sim.twin.state import SharedState

PERIOD = 1 / 30
"""[s]"""
IDLE = 0.2
"""How often a camera that nobody watches looks whether its owner is still there [s]."""


def best_renderer(width: int = 640, height: int = 480, board: Path | None = None) -> Drawn:
    """MuJoCo's renderer, or the plain one where there is no OpenGL; a `board` only the former shows."""
    try:
        return Renderer(width, height, model=None if board is None else standing_board(board))
    except RuntimeError as error:
        sys.stderr.write(f"twin camera: {error}; drawing small pictures with PyBullet instead\n")
        tiny: Drawn = importlib.import_module("leash_robot.sim.rendering.small_renderer").TinyRenderer()
        return tiny


def serve(owner: socket.socket, shared: SharedState, board: Path | None = None) -> None:
    """Tell where the stream is and draw until the owner is gone."""
    renderer = best_renderer(board=board)
    stream = MjpegStream()
    send(owner, Ready(stream.url))
    owner.setblocking(False)
    grid = Grid(PERIOD, MonotonicClock())
    parent = os.getppid()
    while os.getppid() == parent and not _hung_up(owner):
        if not stream.wanted(IDLE):
            continue
        grid.wait()
        state = shared.read()
        stream.put(state.captured, Image(state.captured, rgb=renderer.render(state.qpos)).jpeg)
    stream.close()
    renderer.close()


def _hung_up(owner: socket.socket) -> bool:
    try:
        return owner.recv(1) == b""
    except BlockingIOError:
        return False


def main() -> None:
    """Arguments: OWNER_SOCKET STATE_FILE [BOARD], two inherited descriptors and a picture."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    owner_descriptor, state_descriptor = map(int, sys.argv[1:3])
    with socket.socket(fileno=owner_descriptor) as owner:
        try:
            serve(owner, SharedState(state_descriptor), Path(sys.argv[3]) if len(sys.argv) > 3 else None)
        except BrokenPipeError:
            return
