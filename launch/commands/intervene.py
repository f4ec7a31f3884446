"""`leash intervene`: a policy drives, a person watches, takes over, and labels; both proposals are recorded."""

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Self

import tyro
from msgspec import Meta

from leash_robot.launch.commands.deploy import terminable
from leash_robot.launch.composition.cockpit import open_cockpit
from leash_robot.launch.composition.command_bounds import command_for
from leash_robot.launch.composition.operators import OperatorOptions, make_operator
from leash_robot.launch.composition.policies import PolicyHandle, open_policy
from leash_robot.launch.composition.robots import Opened, RobotOptions
from leash_robot.launch.composition.session import already_full, open_session, run_session, script_size
from leash_robot.launch.options.checked import Count, Seconds, checked
from leash_robot.launch.options.parsing import parsed
from leash_robot.launch.options.shipped import PolicyName
from leash_robot.launch.reporting.output import print_figures
from leash_robot.policies.scripted.by_name import own_gait
from leash_robot.robot.errors import UsageError
from leash_robot.robot.locomotion.velocity_command import Command
from leash_robot.teleop.drive import Drive, Reins
from leash_robot.teleop.intervention.call_for_help import FITTED, Limits
from leash_robot.teleop.intervention.scripted_expert import Answer, Answering
from leash_robot.teleop.intervention.takeover import Takeover, TakeoverConfig, TakeoverStatus
from leash_robot.teleop.operator import Operator
from leash_robot.teleop.scripted_operator import demonstrations, interventions
from leash_robot.teleop.session.files import outcomes
from leash_robot.teleop.session.panel import Panel
from leash_robot.teleop.session.supervision import supervised

Share = Annotated[float, Meta(ge=0, le=1)]
Degrees = Annotated[float, Meta(gt=0, le=180)]


@dataclass(frozen=True)
class Calls:
    """When the policy calls for help."""

    risk: Share | None = None
    """From this doubt on, 0..1; left out, the policy's own fitted limit, or 0.5: the 99th percentile when it was
    trained."""
    tilt: Degrees = 22.5
    """From this tilt on, degrees."""
    answer: bool = False
    """Whether a scripted operator takes over when called, and not at random."""


@dataclass(frozen=True)
class Intervene:
    """Let a policy drive, and take over when it errs: `leash intervene runs/walk.safetensors data/dagger --robot twin`.

    START lets the policy drive and records; holding the dead-man takes over at once; HANDBACK gives back. The same
    command goes on where it left off.
    """

    policy: Annotated[PolicyName, tyro.conf.Positional]
    """What drives: `trot`, a policy file, or a server's endpoint."""
    folder: Annotated[Path, tyro.conf.Positional]
    """Where the episodes go; takeovers.jsonl beside them says why each takeover happened."""
    robot: Annotated[RobotOptions, tyro.conf.OmitArgPrefixes] = field(default_factory=RobotOptions)
    who: Annotated[OperatorOptions, tyro.conf.OmitArgPrefixes] = field(default_factory=OperatorOptions)
    calls: Annotated[Calls, tyro.conf.OmitArgPrefixes] = field(default_factory=Calls)
    gait: PolicyName = ""
    """What carries out the person's commands, and walks below a policy that steers by a camera: the body's own (`trot`
    for Pupper) unless it is given, or the file of a policy that follows commands."""
    command: Command = (0.2, 0.0, 0.0)
    """Body velocity that the policy follows, where it follows one: forward m/s, left m/s, turn rad/s."""
    axes: tuple[float, ...] = ()
    """Command of a body that is not commanded a velocity, in the order and the units of its spec."""
    release: bool = False
    """Whether letting go of the dead-man hands back, too."""
    episodes: Count = 10
    """How many episodes the folder shall hold, those from earlier included and discarded ones not counted."""
    seconds: Seconds = 60.0
    """Longest episode; a scripted operator is busy for this long in each."""
    task: str = ""
    """A few words that are kept with each episode."""
    json: bool = False
    """Print one JSON object on the last line."""


class TakeoverWiring:
    """The policy, and the person who watches it; what they share is known once the robot is open."""

    def __init__(self, config: Intervene) -> None:
        self._config = config
        self._opened = contextlib.ExitStack()
        self._takeover: Takeover | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._opened.close()

    def status(self) -> TakeoverStatus:
        """Who drives and why."""
        return TakeoverStatus() if self._takeover is None else self._takeover.status

    def request(self) -> str:
        """Why help is asked for, or nothing."""
        return self.status().request

    @property
    def takeover(self) -> Takeover:
        """What they share. Raises RuntimeError before the robot is open."""
        if self._takeover is None:
            raise RuntimeError("the robot is not open yet")
        return self._takeover

    def wire(self, operator: Operator, opened: Opened, handle: PolicyHandle) -> tuple[Drive, Takeover]:
        """The person, who drives a gait of their own, and whoever decides."""
        config = self._config
        gait = self._opened.enter_context(open_policy(config.gait or own_gait(opened.spec), opened.spec, opened.plan))
        reins, who = Reins.of(opened.spec), config.who
        drive = Drive(operator, gait.policy, reins=reins, clock=who.clock, lost=who.lost)
        how = TakeoverConfig(begin="nobody", release=config.release, limits=limits(config.calls, notes_of(handle)))
        policy = handle.with_command(command_for(opened.spec, config.command, config.axes))
        takeover = self._takeover = Takeover(policy, drive, opened.spec, how)
        return drive, takeover


def notes_of(handle: PolicyHandle) -> Mapping[str, str | int | float]:
    """What the training of a served policy noted; nothing for a scripted one."""
    return handle.remote.manifest.training if handle.remote is not None else {}


def limits(calls: Calls, notes: Mapping[str, str | int | float]) -> Limits:
    """From where on help is asked for: as asked, else as fitted to the policy, else the default."""
    fitted = notes.get(FITTED)
    default = float(fitted) if isinstance(fitted, int | float) else Limits().risk
    return Limits(default if calls.risk is None else calls.risk, math.radians(calls.tilt))


def main(args: list[str]) -> int:
    """Go on until there are enough episodes, the operator quits, or somebody presses Ctrl-C; 1 when any was lost."""
    config = checked(parsed(Intervene, "leash intervene", args))
    return print_figures(intervene(config), json=config.json)


def intervene(config: Intervene) -> dict[str, object]:
    """Run a session; returns its figures. Ctrl-C closes the running episode and stops the robot softly."""
    if config.calls.answer and config.who.live:
        raise UsageError("--answer is for --operator scripted alone; a person answers by themselves")
    counts = outcomes(config.folder)
    if (full := already_full(config, counts)) is not None:
        return full
    script = demonstrations if config.calls.answer else interventions
    with (
        terminable(),
        TakeoverWiring(config) as wiring,
        open_cockpit(config.who, config.folder) as cockpit,
        make_operator(
            config.who, *script_size(config, counts), cockpit, script=script, axes=config.robot.axes
        ) as person,
    ):
        operator = _answering(person, wiring, config)
        with (
            open_session(config, counts, partial(wiring.wire, operator), operator, config.gait) as session,
            supervised(session, wiring.takeover, config.folder, wiring.status) as supervision,
        ):
            run_session(session, Panel(session, wiring.status), cockpit, *supervision.logs)
    takeovers = supervision.takeovers.figures(session.opened.spec.period)
    losses = [*session.losses, *supervision.writer.lost]
    return {"folder": str(config.folder), **session.figures(), **takeovers, "losses": losses}


def _answering(person: Operator, wiring: TakeoverWiring, config: Intervene) -> Operator:
    """The person, or a script that waits to be called."""
    if not config.calls.answer:
        return person
    return Answering(person, wiring.request, Answer(reaction=max(config.who.reaction, 0.3)))
