"""A person beside a robot that no operator drives: Space or Escape in the terminal stops it; they may be asked."""

import contextlib
from collections.abc import Iterator

from leash_robot.launch.reporting.output import console
from leash_robot.robot.types import Observation
from leash_robot.teleop.brake import Brake
from leash_robot.teleop.devices.stop_keys import StopKeys, in_foreground

ENDS = "Ctrl-C ends: the robot lies down; a second one lets go of it at once"
BEAT = 0.1
"""How long a question waits before it looks again whether it still stands [s]."""


class Attendant:
    """Whoever can stop the robot, and may be asked."""

    def __init__(self, brake: Brake, keys: StopKeys | None) -> None:
        self.brake, self._keys = brake, keys

    def watch(self, obs: Observation) -> str:
        """Fits `Watch`: why a person stops the robot, or an empty string."""
        return self.brake.watch(obs)

    def agrees(self, cause: str) -> bool:
        """Fits `Agree`: ask in the terminal, where there is one; no key but y agrees."""
        if self._keys is None or self.brake.cause:
            return False
        console.print(f"{cause}\nSee to the robot. Stand up again? (y/n)", highlight=False)
        self._keys.forget()
        while not (key := self._keys.key(BEAT)) and not self.brake.cause:
            pass
        return key == "y" and not self.brake.cause


@contextlib.contextmanager
def attended(brake: Brake | None = None) -> Iterator[Attendant]:
    """Hear the terminal's keys for the length of the block, in which the robot shall be opened; says which count."""
    brake = brake or Brake()
    with contextlib.ExitStack() as stack:
        keys = None
        if in_foreground():
            keys = stack.enter_context(StopKeys(lambda name: brake.pull(f"a person pressed {name}")))
        console.print(f"Space stops the robot at once; {ENDS}" if keys else ENDS, highlight=False)
        yield Attendant(brake, keys)
