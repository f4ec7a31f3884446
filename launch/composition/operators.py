"""Opens the operator that `--operator keyboard|gamepad|browser|scripted` names, several at once if asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import tyro
from msgspec import Meta

from leash_robot.launch.reporting.output import console
from leash_robot.launch.reporting.screen import keys
from leash_robot.robot.clock import Clock, MonotonicClock
from leash_robot.robot.errors import OperatorError
from leash_robot.robot.spec import Axis
from leash_robot.teleop.attention import Attention
from leash_robot.teleop.cockpit.client import LOOPBACK, Cockpit
from leash_robot.teleop.cockpit.operator import BrowserOperator
from leash_robot.teleop.devices.gamepad import Gamepad
from leash_robot.teleop.devices.keyboard import HELP, Keyboard
from leash_robot.teleop.devices.keymap import KeyMap
from leash_robot.teleop.devices.sticks import Speeds
from leash_robot.teleop.operator import LOST, Merged, Operator
from leash_robot.teleop.scripted_operator import Hand, Scripted, Segment, VelocityBox, demonstrations

Script = Callable[[int, float, int, VelocityBox | None], list[Segment]]
"""What a scripted operator does in so many episodes of so many seconds, drawn from a seed and a box of velocities."""


@dataclass(frozen=True)
class OperatorOptions:
    """Who drives."""

    operator: tuple[Literal["keyboard", "gamepad", "browser", "scripted"], ...] = ("keyboard",)
    """One device, or several: who holds the dead-man first drives, and the e-stop counts from any."""
    keys: tuple[str, ...] = ()
    """Other keys, as ACTION=KEY: `--keys stop=p start=g`."""
    page_host: str = LOOPBACK
    """Address at which `browser` serves its page; 0.0.0.0 serves it in all networks. Leave it at loopback and come by
    `ssh -L` from other machines."""
    page_port: int | None = None
    """Port of the page; 8420, or another when that is in use."""
    speeds: Annotated[Speeds, tyro.conf.OmitArgPrefixes] = field(default_factory=Speeds)
    reaction: float = 0.0
    """How late the scripted operator reacts [s]."""
    lost: Annotated[float, Meta(ge=0.2, le=60)] = LOST
    """How long a device that drove may be silent before the robot, which stands by then, is stopped softly [s]."""
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


def make_operator(
    options: OperatorOptions,
    episodes: int,
    seconds: float,
    seed: int,
    cockpit: Cockpit | None = None,
    *,
    script: Script = demonstrations,
    axes: Sequence[Axis] | None = None,
) -> Operator:
    """The operator to be entered; a scripted one follows the `script` for `episodes` of `seconds` each, `browser` is at
    the cockpit. A live one is heard between ticks, too. `axes` are what a body is commanded instead of a velocity.

    Raises OperatorError.
    """
    if not options.operator:
        raise OperatorError("nobody drives; give --operator keyboard, gamepad, browser or scripted")

    def device(name: str) -> Operator:
        if name == "scripted":
            return _scripted(options, script, (episodes, seconds, seed), axes)
        return _page(cockpit, options) if name == "browser" else _device(name, options)

    made = [device(name) for name in options.operator]
    operator = made[0] if len(made) == 1 else Merged(made)
    return Attention(operator, MonotonicClock()) if options.live else operator


def _page(cockpit: Cockpit | None, options: OperatorOptions) -> Operator:
    if cockpit is None:
        raise OperatorError("this command serves no page; use another --operator")
    return BrowserOperator(cockpit, options.speeds)


def _scripted(
    options: OperatorOptions, script: Script, size: tuple[int, float, int], axes: Sequence[Axis] | None
) -> Operator:
    full: tuple[float, ...] = (options.speeds.forward, options.speeds.side, options.speeds.turn)
    box = VelocityBox((0.0, -options.speeds.side, -options.speeds.turn), full)
    if axes is not None:
        full = tuple(axis.limit for axis in axes)
        box = VelocityBox(tuple(-limit for limit in full), full)
    hand = Hand(options.reaction, options.noise, full, blend=0.3)
    return Scripted(script(*size, box), hand, seed=size[-1])


def _device(name: str, options: OperatorOptions) -> Operator:
    speeds = options.speeds
    if name == "gamepad":
        return Gamepad(speeds=speeds, opened=lambda pad: console.print(keys(pad.name, pad.table())))
    keyboard = Keyboard(KeyMap().remapped(options.keys), speeds)
    console.print(keys("keyboard", keyboard.keymap.table()), HELP)
    return keyboard
