"""When simulated cameras take their frames: each on its own grid of simulated time, the newest kept."""

from collections.abc import Callable, Mapping
from typing import Protocol

from leash_robot.robot.cameras.image import Image, Pixels
from leash_robot.robot.spec import CameraSpec
from leash_robot.robot.types import Array
from leash_robot.sim.pybullet.camera import HeadCamera

Pose = Callable[[], tuple[Array, Array]]


class CameraRenderer(Protocol):
    """What draws a camera's view; its pictures may be smaller than the real camera's, of the same field."""

    def render(self, position: Array, rotation: Array) -> Pixels:
        """The view (h, w, 3) RGB from a body frame at `position` (3,) [m] turned by `rotation` (3, 3) to the world."""
        ...


class Shutter:
    """The newest frame of each camera; with no cameras it costs nothing. Times count from the robot's placing [s]."""

    def __init__(self, cameras: Mapping[str, CameraSpec], eyes: Mapping[str, CameraRenderer] | None = None) -> None:
        """`eyes` draw for some of the cameras; the others look at a plain world."""
        self._rates = {name: camera.rate for name, camera in cameras.items()}
        self._cameras = {name: (eyes or {}).get(name) or HeadCamera(camera) for name, camera in cameras.items()}
        self._taken = dict.fromkeys(cameras, 0)
        self._due: dict[str, tuple[int, int]] = {}
        self._frames: dict[str, Image] = {}

    def restart(self, pose: Pose, start: float) -> None:
        """Take the first frame of every camera; `start` is the monotonic time at which simulated time is zero."""
        self._start = start
        self._due = dict.fromkeys(self._cameras, (0, 0))
        self.expose(0, pose)

    def marks(self, time: float, steps: int, step: float) -> set[int]:
        """After which of the next `steps` physics steps, `step` long, a shutter opens: for the newest frame only."""
        self._due = {}
        for name, rate in self._rates.items():
            newest = int((time + steps * step) * rate + 1e-6)
            if newest > self._taken[name]:
                self._due[name] = (min(steps, max(0, round((newest / rate - time) / step))), newest)
        return {mark for mark, _ in self._due.values()}

    def expose(self, mark: int, pose: Pose) -> None:
        """Take the frames that are due at this mark."""
        for name, (due, count) in self._due.items():
            if due == mark:
                image = self._cameras[name].render(*pose())
                self._frames[name] = Image(self._start + count / self._rates[name], rgb=image)
                self._taken[name] = count

    @property
    def frames(self) -> Mapping[str, Image]:
        """The newest frame of each camera."""
        return dict(self._frames)
