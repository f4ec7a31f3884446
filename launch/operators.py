"""Opens the operator that `--operator keyboard|gamepad|scripted` names, several at once if asked."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import tyro

from launch.output import console
from launch.screen import keys
from robot.clock import Clock, MonotonicClock
from robot.errors import OperatorError
from teleop.gamepad import Gamepad
from teleop.keyboard import HELP, Keyboard
from teleop.keymap import KeyMap
from teleop.operator import Merged, Operator
from teleop.scripted import Box, Hand, Scripted, demonstrations
from teleop.sticks import Speeds


@dataclass(frozen=True)
class OperatorOptions:
    """Who drives."""

    operator: tuple[Literal["keyboard", "gamepad", "scripted"], ...] = ("keyboard",)
    """One device, or several: who holds the dead-man first drives, and the e-stop counts from any."""
    keys: tuple[str, ...] = ()
    """Other keys, as ACTION=KEY: `--keys stop=p start=g`."""
    speeds: Annotated[Speeds, tyro.conf.OmitArgPrefixes] = field(default_factory=Speeds)
    reaction: float = 0.0
    """How late the scripted operator reacts [s]."""
    noise: float = 0.0
    """How much the scripted operator trembles, as a share of full speed."""

    @property
    def live(self) -> bool:
        """Whether a person is among them, who lives in real time."""
        return set(self.operator) != {"scripted"}

    @property
    def clock(self) -> Clock | None:
        """The clock that stamps the devices; None when observations are the only time there is."""
        return MonotonicClock() if self.live else None


def make_operator(options: OperatorOptions, episodes: int, seconds: float, seed: int) -> Operator:
    """The operator to be entered; a scripted one drives `episodes` of `seconds` each. Raises OperatorError."""
    if not options.operator:
        raise OperatorError("nobody drives; give --operator keyboard, gamepad or scripted")
    made = [_device(name, options, episodes, seconds, seed) for name in options.operator]
    return made[0] if len(made) == 1 else Merged(made)


def _device(name: str, options: OperatorOptions, episodes: int, seconds: float, seed: int) -> Operator:
    speeds = options.speeds
    if name == "scripted":
        full = (speeds.forward, speeds.side, speeds.turn)
        box = Box((0.0, -speeds.side, -speeds.turn), full)
        hand = Hand(options.reaction, options.noise, full, blend=0.3)
        return Scripted(demonstrations(episodes, seconds, seed, box), hand, seed)
    if name == "gamepad":
        pad = Gamepad(speeds=speeds)
        console.print(keys("gamepad", pad.pad.table()))
        return pad
    keyboard = Keyboard(KeyMap().remapped(options.keys), speeds)
    console.print(keys("keyboard", keyboard.keymap.table()), HELP)
    return keyboard
