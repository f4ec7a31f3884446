"""`leash calibrate`: find out what is particular about one machine. Each procedure is imported when it is called."""

import importlib
import sys

from leash_robot.robot.errors import UsageError

PROCEDURES = {
    "joints": "zeros of the joints, by feeling for the floor; also after every power-off",
    "imu": "how the IMU is mounted and errs, by standing in many poses",
    "camera": "lens and place of a camera, by a printed board",
    "latency": "the delays between a command, the motion, and what is seen of it",
    "motors": "gains, torque, friction and inertia of the motors, and the simulator's file from them",
    "all": "joints, imu, motors and latency in one go, within ten minutes",
    "show": "what the newest calibration of a machine says",
    "diff": "what changed between two calibrations",
    "history": "every calibration of a machine",
    "report": "a recording's targets in the simulator, before and after, against what the robot did",
    "selftest": "how well all of this works, on simulated machines with known errors",
}

FOLDER = "leash_robot.launch.commands.calibrate"
MODULES = {
    "joints": "robot:joints",
    "imu": "robot:imu",
    "motors": "robot:motors",
    "all": "robot:everything",
    "show": "versions:show",
    "diff": "versions:diff",
    "history": "versions:history",
}
"""Where the procedures are; any other is the `main` of the module of its name."""


def usage() -> str:
    """What `leash calibrate --help` prints."""
    rows = "\n".join(f"  {name:<10}{summary}" for name, summary in PROCEDURES.items())
    return f"""usage: leash calibrate WHAT [options]

Procedures run on the machine (--robot pupper --port PORT) as on the twin (--robot twin). Each writes a new version of
the machine's calibration into a folder, keeps the old ones, and leaves everything as it is when something goes wrong.

{rows}

With --page, the procedures also guide at a page in the browser, whose buttons confirm each step or stop.
`leash calibrate WHAT --help` tells the rest."""


def main(args: list[str]) -> int:
    """Hand over to a procedure. Raises UsageError for one that does not exist."""
    name, rest = (args[0], args[1:]) if args else ("--help", [])
    if name in {"--help", "-h", "help"}:
        sys.stdout.write(usage() + "\n")
        return 0
    if name not in PROCEDURES:
        raise UsageError(f"there is no calibration of {name!r}; known are {', '.join(PROCEDURES)}")
    module, _, function = MODULES.get(name, f"{name}:main").partition(":")
    code: int = getattr(importlib.import_module(f"{FOLDER}.{module}"), function)(rest)
    return code
