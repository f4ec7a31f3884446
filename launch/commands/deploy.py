"""`leash deploy`: let a policy drive a robot. The twin and the machine take the same path."""

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from leash_robot.launch.composition.attended import attended
from leash_robot.launch.composition.command_bounds import command_for
from leash_robot.launch.composition.policies import PolicyHandle, name_slow_cameras, needs_imu, open_policy
from leash_robot.launch.composition.recording import recorder_of
from leash_robot.launch.composition.robots import Opened, RobotOptions, open_robot
from leash_robot.launch.options.checked import Seconds, checked
from leash_robot.launch.options.parsing import parsed
from leash_robot.launch.options.shipped import PolicyName
from leash_robot.launch.options.startup import interrupt
from leash_robot.launch.reporting.output import console, emit, warn
from leash_robot.robot.dataset.metadata import Reason, reason_of
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.lateness import Lateness
from leash_robot.robot.locomotion.velocity_command import Command
from leash_robot.robot.logs import Logs
from leash_robot.robot.loop import run
from leash_robot.robot.recording.monitor import one_episode, recorded_figures
from leash_robot.robot.types import Log, Tick
from leash_robot.teleop.brake import Brake, Stoppable
from leash_robot.teleop.session.handles import stop_cause


@dataclass(frozen=True)
class Deploy:
    """Let a policy drive a robot: `leash deploy trot --robot twin --command 0.25 0 0 --seconds 10`."""

    policy: Annotated[PolicyName, tyro.conf.Positional]
    """`trot`, `stand`, a policy file, or the endpoint of a policy server such as tcp://127.0.0.1:5555."""
    gait: PolicyName = ""
    """What walks below a policy that steers by a camera: the body's own gait (`trot` for Pupper) unless it is given, or
    the file of a policy that follows commands."""
    robot: Annotated[RobotOptions, tyro.conf.OmitArgPrefixes] = field(default_factory=RobotOptions)
    command: Command = (0.25, 0.0, 0.0)
    """Body velocity to follow: forward m/s, left m/s, turn rad/s."""
    axes: tuple[float, ...] = ()
    """Command of a body that is not commanded a velocity, in the order and the units of its spec."""
    seconds: Seconds | None = None
    """How long; until Ctrl-C if left out."""
    record: Path | None = None
    """Folder to record an episode into."""
    keys: Path | None = None
    """Folder with the keys of a policy server on another machine (`leash keys new`)."""
    json: bool = False
    """Print one JSON object on the last line."""


def main(args: list[str]) -> int:
    """Drive until the time is up, the robot is stopped, or somebody presses Ctrl-C."""
    config = checked(parsed(Deploy, "leash deploy", args))
    imu = needs_imu(config.policy, config.robot, config.keys, config.gait)
    with (
        terminable(),
        attended() as person,
        open_robot(config.robot, needs_imu=imu, realtime=True, watch=person.watch) as opened,
        person.brake.on(opened.stop),
        open_policy(config.policy, opened.spec, opened.plan, config.keys, config.gait) as handle,
    ):
        console.print(f"{config.policy} drives {opened.spec.name} on {config.robot.robot}")
        name_slow_cameras(handle, opened)
        figures = drive(opened, handle, config, person.brake)
    if config.json:
        emit(figures)
    else:
        console.print(" · ".join(f"{key} {value:.4g}" for key, value in figures.items() if not isinstance(value, str)))
    if figures["stopped"]:
        console.print(f"stopped: {figures['stopped']}", style="bold red")
    return 1 if figures["stopped"] or figures.get("dropped") or figures.get("cut_short") else 0


def drive(
    opened: Opened, handle: PolicyHandle, config: Deploy, brake: Brake | None = None
) -> dict[str, float | int | str]:
    """Stand up, drive, lie down, and return the figures of the run; `stopped` says why it was stopped, if it was, by a
    person who pulled the brake among others.

    With a recording, also `recorded_figures`.
    """
    brake = brake or Brake()
    policy = Stoppable(handle.with_command(command_for(opened.spec, config.command, config.axes)), brake.watch)
    lateness = Lateness(opened.spec.period)
    ticks = None if config.seconds is None else round(config.seconds * opened.spec.rate)
    with contextlib.ExitStack() as stack:
        monitor = None
        if config.record:
            recorder = recorder_of(opened, config.record, {"task": "deploy", "policy": config.policy})
            monitor = stack.enter_context(one_episode(recorder, warn))
        log: Log = Logs(lateness, monitor.recorder, monitor) if monitor else lateness
        stack.enter_context(first_in_line(opened.plan.processes.control.nice))
        try:
            opened.robot.reset()
            count = run(opened.robot, policy, log, ticks=ticks, done=stopped)
        except KeyboardInterrupt as signal:
            ending = reason_of(signal)
        else:
            ending = _ending(stop_cause(opened, handle), in_time=count == ticks)
        if monitor:
            monitor.why = ("stopped", brake.cause) if brake.cause else ending
        # Note: before the recorder closes, since without commands the gate soon stops, as it must
        opened.robot.rest()
        stops, why = opened.gate_stops(), stop_cause(opened, handle)
    kept = recorded_figures(monitor.recorder) if monitor else {}
    timing = lateness.figures() if len(lateness.late) else {}
    return {**timing, "gate_stops": stops, "stopped": why, **kept}


def _ending(why: str, *, in_time: bool) -> tuple[Reason, str]:
    """Why a recording ended that nobody ended: its time was up, or something stopped the robot."""
    return ("timeout", "time limit") if in_time and not why else ("fault", why or "the robot was stopped")


def stopped(tick: Tick) -> bool:
    """Whether somebody or something stopped the robot."""
    return tick.sent.source == "safety"


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block the way Ctrl-C does: by unwinding it."""
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
