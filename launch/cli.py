"""The `leash` command: a table of commands, each in a file of its own that is imported only when asked for.

Exit codes: 0 done; 1 done, and the result is bad (a check failed, a recording is damaged or was lost); 2 refused or
failed, and one line says why; 130, 143 and 129 ended by Ctrl-C, SIGTERM and a closed terminal; 141 nobody reads on.
"""

import sys

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

FOLDER = "leash_robot.launch.commands"
SEVERAL = {"calibrate", "data", "demo", "doctor", "eval", "train"}
"""Commands that are more than one module."""


def usage() -> str:
    """What `leash --help` prints."""
    rows = "\n".join(f"  {name:<11}{summary}" for name, summary in COMMANDS.items())
    return f"""usage: leash COMMAND [options]

{rows}

`leash COMMAND --help` tells the rest, `leash --version` which version this is. Begin with `leash demo`."""


def chosen(name: str, args: list[str]) -> tuple[str, list[str]]:
    """The name of a command's module, and the arguments for it.

    Note: `leash train sac --robot ...` drives motors, so it is a module of its own, which loads no torch.
    """
    learns = name == "train" and args[:1] == ["sac"]
    if learns and any(word == "--robot" or word.startswith("--robot=") for word in args):
        return f"{FOLDER}.train.live", args[1:]
    if name == "bench":
        return "leash_robot.benchmarks.command", args
    return f"{FOLDER}.{name}.command" if name in SEVERAL else f"{FOLDER}.{name}", args


def main() -> int:
    """Run the command on the command line; whatever ends it, what a person sees is at most one line about it."""
    from leash_robot.launch.options import startup

    return startup.guarded(run, sys.argv[1:])


def run(words: list[str]) -> int:
    """Find the command and run it. Raises LeashError."""
    from leash_robot.robot.errors import UsageError

    name, args = (words[0], words[1:]) if words else ("--help", [])
    if name in {"--help", "-h", "help"}:
        print(usage())
        return 0
    if name in {"--version", "-V", "version"}:
        print(f"leash {version()}")
        return 0
    if name not in COMMANDS:
        from leash_robot.robot.config.settings import hint

        raise UsageError(f"no command is called {name!r}; {hint(name, COMMANDS)}")
    import importlib

    from leash_robot.launch.options import extras, startup

    module, rest = chosen(name, args)
    earlier = len(startup.received)
    with extras.help_without() if wants_help(rest) else extras.named(extras.told(name, args)):
        command = importlib.import_module(module)
        if len(startup.received) > earlier:
            # Note: what is imported may swallow the interruption
            raise KeyboardInterrupt
        code: int = command.main(rest)
    return code


def wants_help(args: list[str]) -> bool:
    """Whether the command will only explain itself."""
    return "--help" in args or "-h" in args


def version() -> str:
    """The installed version."""
    from importlib import metadata

    return metadata.version("leash-robot")


if __name__ == "__main__":
    sys.exit(main())
