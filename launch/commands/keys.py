"""`leash keys`: make the keys that let a policy server be reached from another machine."""

from dataclasses import dataclass
from pathlib import Path

from leash_robot.launch.options.parsing import subcommand
from leash_robot.launch.reporting.output import console, emit
from leash_robot.policies.serving.keys import ALLOWED, SERVER, new_keys


@dataclass(frozen=True)
class New:
    """Make a key pair for a robot, and one for the server where there is none yet: `leash keys new --name dog`."""

    folder: Path = Path("keys")
    """Where the keys are."""
    name: str = "robot"
    """Which robot; one pair each."""
    json: bool = False
    """Print one JSON object on the last line."""


def main(args: list[str]) -> int:
    """Make keys and say what belongs where."""
    config = subcommand({"new": New}, "leash keys", args)
    made = new_keys(config.folder, config.name)
    console.print("\n".join(f"made {path}" for path in made), highlight=False)
    console.print(_advice(config), highlight=False)
    if config.json:
        emit({"files": [str(path) for path in made]})
    return 0


def _advice(config: New) -> str:
    return (
        f"on the server keep {config.folder}/{SERVER}.key_secret and {config.folder}/{ALLOWED}/, and run:\n"
        f"  leash serve POLICY --endpoint tcp://0.0.0.0:5555 --keys {config.folder}\n"
        f"to the robot move {config.folder}/{config.name}.key_secret and copy {config.folder}/{SERVER}.key, and run:\n"
        f"  leash deploy tcp://SERVER:5555 --keys {config.folder} ..."
    )
