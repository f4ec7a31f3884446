"""The `leash` command: a table of commands, each in a file of its own that is imported only when asked for."""

import importlib
import sys

from launch.output import emit
from robot.errors import LeashError

COMMANDS = {
    "demo": "everything at once on the twin: drive, record, clone, and drive with the clone",
    "collect": "drive a robot and record demonstrations",
    "intervene": "let a policy drive, take over when it errs, and record both",
    "dagger": "rounds of driving under supervision and learning from the corrections",
    "train": "train a policy: `leash train bc`, `leash train sac`",
    "serve": "run a policy behind a server, away from the motors",
    "deploy": "let a policy drive a robot",
    "eval": "measure a policy: falls, speed, smoothness; on many machines, fastest walk",
    "sim": "look at the machines and floors that a table of ranges draws: `leash sim show`",
    "data": "list, show, verify, recover and replay recordings",
    "calibrate": "find out what is particular about one machine: joints, IMU, cameras, delays, motors",
    "twin": "a simulated Pupper behind a serial port that speaks the firmware's protocol",
    "doctor": "check computer and robot before driving; every problem comes with its fix",
    "bench": "measure the loop, the server and the simulator",
    "keys": "make the keys that let a policy server be reached from another machine",
}


def usage() -> str:
    """What `leash --help` prints."""
    rows = "\n".join(f"  {name:<11}{summary}" for name, summary in COMMANDS.items())
    return f"usage: leash COMMAND [options]\n\n{rows}\n\n`leash COMMAND --help` tells the rest."


def chosen(name: str, args: list[str]) -> tuple[str, list[str]]:
    """The module of a command, and the arguments for it.

    Note: `leash train sac --robot ...` drives motors, so it is a module of its own, which loads no torch.
    """
    learns = name == "train" and args[:1] == ["sac"]
    if learns and any(word == "--robot" or word.startswith("--robot=") for word in args):
        return "live", args[1:]
    return name, args


def main() -> int:
    """Run the command on the command line; a LeashError is one line and exit code 2."""
    name, args = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("--help", [])
    if name in {"--help", "-h", "help"}:
        print(usage())
        return 0
    if name not in COMMANDS:
        print(f"leash: no command is called {name!r}; known are {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        module, rest = chosen(name, args)
        code: int = importlib.import_module(f"launch.{module}").main(rest)
    except LeashError as error:
        print(f"leash {name}: {error}", file=sys.stderr)
        if "--json" in args:
            emit({"error": str(error)})
        return 2
    except KeyboardInterrupt:
        return 130
    return code


if __name__ == "__main__":
    sys.exit(main())
