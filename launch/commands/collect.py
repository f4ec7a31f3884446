"""`leash collect`: drive a robot and record demonstrations, episode after episode, into one folder."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import tyro

from leash_robot.launch.commands.deploy import terminable
from leash_robot.launch.composition.cockpit import open_cockpit
from leash_robot.launch.composition.operators import OperatorOptions, Script, make_operator
from leash_robot.launch.composition.policies import PolicyHandle
from leash_robot.launch.composition.robots import Opened, RobotOptions
from leash_robot.launch.composition.session import already_full, open_session, run_session, script_size
from leash_robot.launch.options.checked import Count, Seconds, checked
from leash_robot.launch.options.parsing import parsed
from leash_robot.launch.options.shipped import PolicyName
from leash_robot.launch.reporting.output import print_figures
from leash_robot.policies.imitation.dart import DisturbedPolicy
from leash_robot.robot.types import Policy
from leash_robot.teleop.drive import Drive, Reins
from leash_robot.teleop.scripted_operator import demonstrations
from leash_robot.teleop.session.files import outcomes
from leash_robot.teleop.session.panel import Panel


@dataclass(frozen=True)
class Collect:
    """Drive a robot and record demonstrations: `leash collect data/walk --robot twin --operator keyboard`.

    The same command goes on where it left off.
    """

    folder: Annotated[Path, tyro.conf.Positional]
    """Where the episodes go."""
    robot: Annotated[RobotOptions, tyro.conf.OmitArgPrefixes] = field(default_factory=RobotOptions)
    who: Annotated[OperatorOptions, tyro.conf.OmitArgPrefixes] = field(default_factory=OperatorOptions)
    policy: PolicyName = ""
    """What carries out the operator's commands: the body's own gait (`trot` for Pupper) unless it is given, a policy
    file, or a server's endpoint."""
    episodes: Count = 10
    """How many episodes the folder shall hold, those from earlier included and discarded ones not counted."""
    seconds: Seconds = 60.0
    """Longest episode; a scripted operator drives each this long."""
    disturb: float = 0.0
    """Deviation of noise on the targets that go out, so that recoveries are recorded too; the intention recorded
    beside it stays clean [rad]."""
    task: str = ""
    """A few words that are kept with each episode."""
    json: bool = False
    """Print one JSON object on the last line."""


def main(args: list[str]) -> int:
    """Collect until there are enough episodes, the operator quits, or somebody presses Ctrl-C; 1 when any was lost."""
    config = checked(parsed(Collect, "leash collect", args))
    return print_figures(collect(config), json=config.json)


def collect(config: Collect, script: Script = demonstrations) -> dict[str, object]:
    """Run a session; returns its figures. Ctrl-C closes the running episode and stops the robot softly.

    `script` is what a scripted operator does.
    """
    config = replace(config, policy=config.policy or config.robot.entry.defaults.gait)
    counts = outcomes(config.folder)
    if (figures := already_full(config, counts)) is not None:
        return figures
    with (
        terminable(),
        open_cockpit(config.who, config.folder) as cockpit,
        make_operator(
            config.who, *script_size(config, counts), cockpit, script=script, axes=config.robot.axes
        ) as operator,
    ):

        def wire(opened: Opened, handle: PolicyHandle) -> tuple[Drive, Policy]:
            reins, who = Reins.of(opened.spec), config.who
            drive = Drive(operator, handle.policy, reins=reins, clock=who.clock, lost=who.lost)
            return drive, DisturbedPolicy(drive, config.disturb, seed=config.robot.noise)

        with open_session(config, counts, wire, operator) as session:
            run_session(session, Panel(session), cockpit)
        return {"folder": str(config.folder), **session.figures()}
