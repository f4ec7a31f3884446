"""`leash twin`: a simulated Pupper behind a serial port that speaks the firmware's protocol, until Ctrl-C."""

import signal
import time
from dataclasses import dataclass
from pathlib import Path

from leash_robot.launch.options.parsing import parsed
from leash_robot.launch.options.shipped import DynamicsFile
from leash_robot.launch.options.startup import interrupt
from leash_robot.launch.reporting.output import console, emit
from leash_robot.robot.errors import RobotError
from leash_robot.sim.firmware.firmware import Variant
from leash_robot.sim.twin.messages import Boot
from leash_robot.sim.twin.twin import TwinConfig, TwinProcess

LOOK_AGAIN = 0.2
"""How often the twin is looked after [s]."""


@dataclass(frozen=True)
class TwinOptions:
    """A simulated Pupper v2 that a client cannot tell from a Teensy: `leash twin`, and in another terminal
    `leash deploy trot --robot pupper --port PORT`.

    Prints its serial port, and runs until Ctrl-C.
    """

    dynamics: DynamicsFile = None
    """YAML with the masses, friction, latencies, bit errors and so on; `twins/nominal` has all keys."""
    link: Path | None = None
    """Make a symbolic link to the port here, and remove it at the end."""
    firmware: Variant = "icm20948"
    """icm20948 reports its IMU; head, the stock head, reports zeros."""
    boot: Boot = "cold"
    """cold boots and homes for about 6 s, as the robot does; homed starts as if that were over."""
    camera: bool = True
    """Serve the head camera as a stream on loopback."""
    seed: int = 0
    """Draws sensor noise, bit errors and bumps."""
    json: bool = False
    """Print the port and the cameras as one JSON object."""


def main(args: list[str]) -> int:
    """Run a twin until SIGINT or SIGTERM."""
    config = parsed(TwinOptions, "leash twin", args)
    signal.signal(signal.SIGTERM, interrupt)
    wanted = TwinConfig(
        dynamics=config.dynamics,
        seed=config.seed,
        firmware=config.firmware,
        boot=config.boot,
        camera=config.camera,
        link=config.link,
    )
    with TwinProcess(wanted) as twin:
        try:
            _announce(twin, config)
            _wait(twin)
        except KeyboardInterrupt:
            console.print(_farewell(twin))
    return 0


def _announce(twin: TwinProcess, config: TwinOptions) -> None:
    if config.json:
        emit({"port": twin.port, "link": str(config.link) if config.link else None, "cameras": twin.cameras})
        return
    console.print(f"serial port  {config.link or twin.port}", highlight=False)
    for name, url in twin.cameras.items():
        console.print(f"{name} camera  {url}", highlight=False)
    console.print("Ctrl-C switches it off", style="dim")


def _wait(twin: TwinProcess) -> None:
    while twin.alive:
        time.sleep(LOOK_AGAIN)
    raise RobotError("the twin's process ended by itself; start it again")


def _farewell(twin: TwinProcess) -> str:
    state = twin.state()
    return f"off after {state.time:.1f} s; {state.skipped:.1f} s skipped, {state.dropped:.0f} bytes that nobody read"
