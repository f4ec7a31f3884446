"""One-press takeover: a policy drives, a person watches, and whoever of the two decides is one `Policy` to the loop."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, Self

from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Action, Observation, Policy, Tick
from leash_robot.teleop.intervention.blend import Blend
from leash_robot.teleop.intervention.call_for_help import Doubts, Gap, Help, Limits, command_gap, joint_gap, tilt
from leash_robot.teleop.intervention.handover import Handover, Level
from leash_robot.teleop.operator import Event, Intent

Driver = Literal["policy", "human", "nobody"]
"""Who has the authority. Nobody: the person's gait stands, and waits for a start or a press."""
Mode = Literal["policy", "human", "hold", "safety"]
Ending = Literal["", "handback", "released", "start", "operator_lost", "stopped", "reset"]

RETURNS: Mapping[Event, Ending] = {Event.HANDBACK: "handback", Event.START: "start"}
"""What gives the authority to the policy, and how a takeover that it ends is said to have ended."""


class HumanDriver(Policy, Protocol):
    """What a takeover needs of a person who drives: `Drive` fits."""

    @property
    def intent(self) -> Intent:
        """What was asked at the last tick, after the dead-man's rules."""
        ...

    @property
    def lost(self) -> bool:
        """Whether the robot is kept in its soft stop because the person was silent for too long."""
        ...

    @property
    def stopped(self) -> bool:
        """Whether the robot is to be kept in its soft stop."""
        ...

    def charge(self, since: float) -> None:
        """Hold any silence after `since` [s] against the person, who has the robot in hand; infinity ends that."""
        ...


@dataclass(frozen=True)
class TakeoverConfig:
    """How authority changes hands."""

    blend: Blend = field(default_factory=Blend)
    level: Level = "joints"
    """What is blended: joint targets, or body velocities, for use above a gait that both decide for."""
    begin: Literal["policy", "nobody"] = "policy"
    """Who drives after a reset; nobody waits for START, HANDBACK or the dead-man."""
    release: bool = False
    """Whether letting go of the dead-man hands back too, and not HANDBACK alone."""
    limits: Limits = field(default_factory=Limits)
    """From where on help is asked for."""


@dataclass(frozen=True)
class TakeoverStatus:
    """What the person, the page and the recording need to know."""

    mode: Mode = "policy"
    """Who decided at the last tick; "hold" and "safety" as in `Action.source`."""
    takeover_id: int = 0
    """Number of the running or the last takeover; 0 before the first."""
    taken: bool = False
    """Whether that takeover still runs."""
    reason: str = ""
    """Why it happened: what help was asked for ("risk", "tilt", "discrepancy"), or "person" when it was not."""
    ended: Ending = ""
    """How it ended; empty while it runs."""
    since: float = -math.inf
    """When this mode began [s]."""
    request: str = ""
    """Why help is asked for, in words; empty when it is not."""


class Takeover:
    """Fits `Policy`, and `Log` to be told what really went out.

    A press of the dead-man, or TAKEOVER, gives the person the authority at that very tick.

    Both decide at every tick, and the action carries both proposals. Only HANDBACK or START, or letting go if so
    configured, gives the authority back, to a policy that was reset. A person whose device falls silent during a
    takeover has let go; one who stays silent is replaced by a soft stop, as `Drive` says, and so is anybody by an
    e-stop, until the person re-arms and the robot is reset.

    Targets go over from the one last commanded: what this returned, after the limits, or what `add` says really went
    out, which differs when the gate refused it. The person's release, or a takeover without holding the dead-man, puts
    the feet down in the person's name and then holds.
    """

    _driver: Driver
    _now: float

    def __init__(
        self,
        policy: Policy,
        human: HumanDriver,
        spec: Spec,
        config: TakeoverConfig | None = None,
        expert: Policy | None = None,
    ) -> None:
        """`expert` is asked every tick and never obeyed: it stands in for the person's proposal while the policy
        drives, and the policy's distance from it may be a reason to ask for help.
        """
        self._policy, self._human, self._expert = policy, human, expert
        self._spec = spec
        self._config = config or TakeoverConfig()
        self._gap: Gap = joint_gap if self._config.level == "joints" else command_gap
        self._status = TakeoverStatus()
        self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def add(self, tick: Tick) -> None:
        """Note what really went out."""
        self._handover.went_out(tick.sent)

    @property
    def status(self) -> TakeoverStatus:
        """Who drives and why, as of the last tick."""
        return self._status

    @property
    def driver(self) -> Driver:
        """Who has the authority."""
        return self._driver

    def hold(self) -> None:
        """Take the authority from a policy that drives; the person's gait puts the feet down and the robot stands."""
        if self._driver == "policy":
            self._change("nobody")
            self._handover.land(self._now)

    def reset(self) -> None:
        """Begin a new episode, from the stand pose."""
        self._policy.reset()
        self._human.reset()
        if self._expert is not None:
            self._expert.reset()
        self._close("reset")
        self._begin()

    def _begin(self) -> None:
        self._driver = self._config.begin
        self._human.charge(math.inf)
        self._held = False
        self._now = -math.inf
        self._help = Help(self._config.limits)
        self._handover = Handover(self._spec, self._config.blend, self._config.level, self._driver)

    def act(self, obs: Observation) -> Action:
        """Ask both, let the authority change hands, and return whose turn it is.

        Note: while the policy drives it is asked first, so that a press during its thinking still counts for this tick;
        while it does not, the person is, so that a policy which they hand back to begins afresh.
        """
        self._now = now = obs.time + obs.age
        if self._driver == "policy":
            policy, human = self._policy.act(obs), self._human.act(obs)
            self._listen()
        else:
            human = self._human.act(obs)
            self._listen()
            policy = self._policy.act(obs)
        expert = None if self._expert is None else replace(self._expert.act(obs), source="human")
        self._doubt(obs, policy, expert or human)
        if self._human.stopped:
            decided, asked = self._handover.stopped(human), None
        elif self._driver == "policy":
            decided, asked = self._handover.follow("policy", policy, now), expert
        else:
            human = self._handover.landing(human, now)
            decided, asked = self._handover.follow("human", human, now), _proposed(human)
        self._note(decided)
        return replace(decided, human=asked, policy=policy.policy or policy)

    def _listen(self) -> None:
        """Let the authority change hands, as the person says."""
        if self._human.stopped:
            self._close("operator_lost" if self._human.lost else "stopped")
            self._change("nobody")
            self._held = False
            return
        intent = self._human.intent
        for event in intent.events:
            if event is Event.TAKEOVER:
                self._take()
            elif event in RETURNS and not intent.engaged:
                self._give(RETURNS[event])
        if intent.engaged:
            self._take()
        elif self._held and self._config.release:
            self._give("released")
        self._held = intent.engaged

    def _take(self) -> None:
        """Give the person the authority; it is a takeover when the policy had it."""
        if self._driver == "policy":
            number, reason = self._status.takeover_id + 1, self._help.asking or "person"
            self._status = replace(self._status, takeover_id=number, taken=True, reason=reason, ended="")
            self._handover.land(self._now)
        self._change("human")

    def _change(self, driver: Driver) -> None:
        """Give somebody the authority; a person who has it must be heard."""
        if driver != self._driver:
            self._human.charge(self._now if driver == "human" else math.inf)
        self._driver = driver

    def _give(self, how: Ending) -> None:
        """Give the policy the authority, to begin afresh."""
        if self._driver != "policy":
            self._policy.reset()
            self._close(how)
            self._change("policy")

    def _close(self, how: Ending) -> None:
        """End the running takeover, if there is one."""
        if self._status.taken:
            self._status = replace(self._status, taken=False, ended=how)

    def _doubt(self, obs: Observation, policy: Action, other: Action) -> None:
        gap = self._gap(policy, other) if other.source == "human" else math.nan
        self._help = self._help.after(Doubts(policy.risk, tilt(obs.gravity), gap), self._now)

    def _note(self, decided: Action) -> None:
        """Say who decided."""
        mode: Mode = "hold" if self._driver == "nobody" else self._driver
        if decided.source == "safety":
            mode = "safety"
        elif decided.source == "hold" and mode == "human":
            mode = "hold"
        since = self._status.since if mode == self._status.mode else self._now
        self._status = replace(self._status, mode=mode, since=since, request=self._help.request)


def _proposed(action: Action) -> Action | None:
    """What a person's action says that they would have done, where something disturbed it; None where they did not."""
    return (action.human or action) if action.source == "human" else None
