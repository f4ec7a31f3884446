"""The twin: a Pupper v2 in MuJoCo under the stock firmware's behaviour, in a process of its own.

A client reaches it by the pseudo-terminal alone and cannot tell it from a Teensy. The owner, who started it, may also
look at the truth and use a person's hands. For use without real time see `leash_robot.sim.twin.machine.Twin`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from leash_robot.robot.bodies.registry import Simulated
from leash_robot.robot.errors import RobotError
from leash_robot.robot.host.extras import require
from leash_robot.robot.types import Array
from leash_robot.sim.firmware.firmware import Variant
from leash_robot.sim.ground_truth import GroundTruth
from leash_robot.sim.twin.child import Child, address
from leash_robot.sim.twin.dynamics import TwinDynamics, load_dynamics
from leash_robot.sim.twin.messages import Boot, Change, PlaceRequest, PowerCycle, Push, StartRequest
from leash_robot.sim.twin.state import SharedState, TwinState


@dataclass(frozen=True)
class TwinConfig:
    """Which machine, and how it starts."""

    dynamics: TwinDynamics | Path | None = None
    """The machine and its floor, or a YAML file that says what differs from the nominal one."""
    seed: int = 0
    """Draws sensor noise, bit errors and bumps."""
    firmware: Variant = "icm20948"
    """`icm20948` reports its IMU; `head`, the stock head, reports zeros."""
    boot: Boot = "homed"
    """`cold` boots and homes for about 6 s; `homed` starts as if that were over."""
    camera: bool = False
    """Whether the head camera runs."""
    board: Path | None = None
    """Picture of a pattern, one pixel a module, printed on a board that stands before the camera."""
    link: Path | None = None
    """Symbolic link to the port, removed at the end."""


class TwinProcess:
    """Runs a twin for as long as the `with` lasts; it also ends when this process dies."""

    def __init__(self, config: TwinConfig | None = None) -> None:
        self.config = config or TwinConfig()
        self.port = ""
        """Path of the serial port."""
        self.cameras: dict[str, str] = {}
        """URLs of the camera streams, by name."""

    def __enter__(self) -> Self:
        require("mujoco")
        self._shared = SharedState.create()
        self._body = Child("leash_robot.sim.twin.server", self._shared.descriptor)
        self._children = [self._body]
        try:
            self._start()
        except RobotError as error:
            self._end()
            raise RobotError(self._of_file(str(error))) from None
        except BaseException:
            self._end()
            raise
        return self

    def _of_file(self, reason: str) -> str:
        """What went wrong, with the file that the dynamics are from where there is one."""
        return f"{self.config.dynamics}: {reason}" if isinstance(self.config.dynamics, Path) else reason

    def _start(self) -> None:
        """Start the camera first and ask it last: it takes longest to come up."""
        config = self.config
        words = () if config.board is None else (str(config.board),)
        camera = (
            Child("leash_robot.sim.rendering.twin_camera_server", self._shared.descriptor, *words)
            if config.camera
            else None
        )
        self._children += [camera] if camera else []
        dynamics = config.dynamics if isinstance(config.dynamics, TwinDynamics) else load_dynamics(config.dynamics)
        link = str(config.link.absolute()) if config.link else None
        start = StartRequest(dynamics, config.seed, config.firmware, config.boot, link)
        self.port = address(self._body.ask(start))
        self.cameras = {"head": address(camera.answer())} if camera else {}

    def __exit__(self, *exc: object) -> None:
        reason = self._body.last_words()
        self._end()
        if reason:
            raise RobotError(self._of_file(reason))

    def _end(self) -> None:
        for child in self._children:
            child.hang_up()
        for child in self._children:
            child.wait()
        self._shared.close()

    @property
    def alive(self) -> bool:
        """Whether the robot still runs."""
        return self._body.alive

    @property
    def pid(self) -> int:
        """The robot's process."""
        return self._body.pid

    def state(self) -> TwinState:
        """The newest state, generalized coordinates included."""
        return self._shared.read()

    def truth(self) -> GroundTruth:
        """What really is, now; costs microseconds."""
        return self.state().truth()

    def place(self) -> None:
        """A person's hands: upright on the floor at the origin, joints as they are, everything at rest."""
        self._body.ask(PlaceRequest())

    def power_cycle(self) -> None:
        """Switch the robot off and on: it boots and homes again. The port stays."""
        self._body.ask(PowerCycle())

    def push(self, velocity: Array) -> None:
        """Shove the body: change its velocity at once (3,), world axes [m/s]."""
        x, y, z = (float(value) for value in velocity)
        self._body.ask(Push((x, y, z)))

    def set_dynamics(self, dynamics: TwinDynamics) -> None:
        """Become another machine in the same pose."""
        self._body.ask(Change(dynamics))


def open_twin(how: Simulated) -> TwinProcess:
    """The twin as the registry of bodies opens it."""
    config = TwinConfig(dynamics=how.dynamics, camera=how.camera, seed=how.seed, boot=how.boot, board=how.board)
    return TwinProcess(config)
