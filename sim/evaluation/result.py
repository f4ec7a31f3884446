"""How one episode of a held-out evaluation went."""

from typing import Literal

import msgspec

Engine = Literal["twin", "sim", "realtime"]
"""twin: in virtual time; sim: PyBullet; realtime: the twin through its real processes."""


class EpisodeResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One episode on one engine. A policy that fell or was stopped is scored up to then, and is no success."""

    engine: Engine
    draw: int
    """Number of the randomization sample."""
    axes: dict[str, float]
    """The randomization sample, by axis."""
    command: tuple[float, float, float]
    """What was commanded [m/s, m/s, rad/s]."""
    reached: tuple[float, float, float]
    """What was reached in the mean [m/s, m/s, rad/s]."""
    no_fall: bool
    """It neither fell nor was stopped before the time was up."""
    success: bool
    """That, and the mean tracking error was small enough; see `leash_robot.sim.envs.tracking`."""
    speed_error: float
    """Mean planar tracking error [m/s]."""
    yaw_error: float
    """Mean yaw tracking error [rad/s]."""
    speed_rmse: float
    """Root mean square of the same planar error [m/s]."""
    action_rate: float
    """Mean change of the target from one tick to the next, as a share of the usual action box's half-range."""
    seconds: float
    """How long it stayed up."""
    work: float | None
    """Mechanical work of the joints, either way [J]; unknown for a robot in real time."""
    metres: float
    """How far the body moved over the ground."""
    weight: float
    """Of the machine with its payload [N]."""
    why: str = ""
    """Why it was stopped, if something did."""
    own_action_rate: float | None = None
    """Mean change of the target as a share of the policy's own action box; one without a box has none."""
