"""A policy that runs behind a server: asks each tick, bridges a late answer briefly, then asks for a soft stop.

Runs beside the motors, so it never raises in the loop, never waits past its deadline, and reaches no torch.
"""

import math
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np

from leash_robot.policies.freshness import HELD, cameras_of, expiry, too_old, usable
from leash_robot.policies.manifest import Manifest, check_fits, from_json
from leash_robot.policies.serving.connection import ServerConnection
from leash_robot.policies.serving.keys import ClientKeys, client_keys
from leash_robot.robot.errors import LeashError, ServerError
from leash_robot.robot.inference.protocol import Answer, Hello, Refusal, Reply, Welcome, act_frames, action_of, encode
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Action, Array, Observation

BRIDGED = HELD
"""Ticks in a row that may pass without an answer before the soft stop."""
LOOK = 0.05
"""How often it is looked whether the server that is waited for has refused or died [s]."""
SHORTEST = 0.005
"""Even a tick that began late waits this long for its answer [s]."""


class _StaleError(ServerError):
    """An input of the policy is too old to be acted upon."""


def since(began: float) -> float:
    """How long ago that was [s]."""
    return time.monotonic() - began


def budget(deadline: float, late: float, period: float) -> float:
    """How long a tick waits for its answer, so that one that began late within its slot does not eat the next [s]."""
    return max(SHORTEST, deadline - late % period)


@dataclass
class Stats:
    """How the server has been answering."""

    asked: int = 0
    """Ticks on which it was asked."""
    late: int = 0
    """Ticks without an answer in time."""
    stale: int = 0
    """Answers that were dropped because their tick had passed."""
    stops: int = 0
    """How often bridging ended in a soft stop."""
    round_trip: deque[float] = field(default_factory=lambda: deque(maxlen=72_000))
    """Of each answered tick [s]."""
    model: deque[float] = field(default_factory=lambda: deque(maxlen=72_000))
    """What the policy itself took of that [s]."""

    def figures(self) -> dict[str, float]:
        """Counts, and milliseconds at the median and the 99th percentile; NaN before the first answer."""
        made: dict[str, float] = {"asked": self.asked, "late": self.late, "stale": self.stale, "stops": self.stops}
        for name, values in (("rtt", self.round_trip), ("model", self.model)):
            p50, p99 = np.percentile(values, (50, 99)) * 1e3 if values else (np.nan, np.nan)
            made |= {f"{name}_p50_ms": float(p50), f"{name}_p99_ms": float(p99)}
        return made


@dataclass
class Session:
    """What is remembered between two resets."""

    number: int = field(default_factory=lambda: secrets.randbits(63))
    opened: bool = False
    """Whether the hello went out."""
    seq: int = 0
    missed: int = 0
    """Ticks in a row without an answer."""
    stopped: bool = False
    reply: Reply | None = None
    """The last one."""
    expires: float = math.inf
    """Until when that may be acted upon, because of the pictures it was computed from [s]."""
    target: Array | None = None
    """(n,) the last one that was returned [rad]."""


class RemotePolicy:
    """Fits `Policy`. Once it has asked for a soft stop it keeps asking until `reset`."""

    def __init__(
        self,
        endpoint: str,
        spec: Spec,
        *,
        keys: Path | ClientKeys | None = None,
        deadline: float = 0.045,
        patience: float = 15.0,
        gone: Callable[[], str] = str,
    ) -> None:
        """Connect to a server and learn what it serves, within `patience` [s]; answers count within `deadline` [s].

        `gone` says why nobody will ever answer, where that is known; empty while somebody may. Raises ServerError when
        nobody answers or the server refuses, PolicyError when what it serves does not fit.
        """
        self._spec = spec
        self._deadline = deadline
        self._line = ServerConnection(endpoint, client_keys(keys) if isinstance(keys, Path) else keys)
        self._now = Session()
        self.stats = Stats()
        self.trouble = ""
        """Why the last tick went unanswered, in one line; empty when it was answered."""
        self.blind = ""
        """The same, where it was for want of an input that is new enough."""
        try:
            self._gone = gone
            self._manifest_json = self._greet(time.monotonic() + patience, patience)
            self.manifest: Manifest = from_json(self._manifest_json)
            check_fits(self.manifest, spec)
            self._bounds = self.manifest.bounds
        except LeashError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    @property
    def blame(self) -> str:
        """What the trouble is and whose; empty without any."""
        return self.blind or (f"the policy server failed: {self.trouble}" if self.trouble else "")

    @property
    def stopped(self) -> bool:
        """Whether it asks for a soft stop until `reset`."""
        return self._now.stopped

    def reset(self) -> None:
        """Begin a new session; the server's policy forgets the past. Does not wait."""
        self._now = Session()
        self._open()

    def act(self, obs: Observation) -> Action:
        """The server's action, else a bridge, else a soft stop."""
        if self._now.stopped:
            return self._stop(obs)
        try:
            reply = self._ask(obs)
        except _StaleError as error:
            self.trouble = self.blind = str(error)
            return self._bridge(obs)
        except ServerError as error:
            self.trouble, self.blind = str(error), ""
            self.stats.late += 1
            return self._bridge(obs)
        self._now.reply, self._now.missed, self.trouble, self.blind = reply, 0, "", ""
        return self._kept(action_of(reply))

    def _open(self) -> bool:
        self._now.opened = self._now.opened or self._line.send([encode(Hello(self._now.number))])
        return self._now.opened

    def _greet(self, until: float, patience: float) -> bytes:
        """The manifest of whoever answers first. A hello that was lost with a dying server is said again."""
        while self._connected(until):
            self.reset()
            answer = self._receive(
                min(until, time.monotonic() + 1.0), lambda answer: answer.session == self._now.number
            )
            if isinstance(answer, Refusal):
                raise ServerError(f"the server at {self._line.endpoint} refused: {answer.reason}")
            if isinstance(answer, Welcome):
                return answer.manifest
        raise ServerError(
            f"no policy server answered at {self._line.endpoint} within {patience:g} s; start one with `leash serve`"
        )

    def _connected(self, until: float) -> bool:
        """Wait for the server. Raises ServerError as soon as it is known that it will not answer."""
        while not self._line.connected(min(until, time.monotonic() + LOOK)):
            if refusal := self._line.refusal():
                raise ServerError(f"the server at {self._line.endpoint} refused: {refusal}")
            if gone := self._gone():
                raise ServerError(gone)
            if time.monotonic() >= until:
                return False
        return True

    def _ask(self, obs: Observation) -> Reply:
        """The reply to this tick. Raises ServerError when there is none in time, or none to use, and _StaleError when
        an input is too old, or its picture was by the time of the reply.
        """
        started, now = time.monotonic(), obs.time + obs.age
        _refuse(too_old(self._bounds, obs, now))
        seen = usable(self._bounds, obs, now)
        self.stats.asked += 1
        self._now.seq += 1
        question = act_frames(self._now.number, self._now.seq, seen, self.manifest.cameras)
        if not (self._open() and self._line.send(question)):
            raise ServerError(f"nobody is connected at {self._line.endpoint}")
        reply = self._usable(
            self._receive(started + budget(self._deadline, obs.late, self._spec.period), self._settles)
        )
        self.stats.round_trip.append(time.monotonic() - started)
        self.stats.model.append(reply.model_time)
        _refuse(too_old(cameras_of(self._bounds), obs, now + since(started)))
        self._now.expires = expiry(self._bounds, seen.images)
        return reply

    def _receive(self, until: float, fits: Callable[[Answer], bool]) -> Answer | None:
        """The first answer that fits until then; answers to what was asked before are dropped."""
        while (answer := self._line.receive(until)) is not None:
            if fits(answer):
                return answer
            self.stats.stale += isinstance(answer, Reply)
        return None

    def _settles(self, answer: Answer) -> bool:
        """Whether this ends the wait: the tick's reply, its refusal, or news that another policy is served."""
        if isinstance(answer, Welcome):
            return answer.manifest != self._manifest_json
        return answer.session in {self._now.number, None} and answer.seq in {self._now.seq, None}

    def _usable(self, answer: Answer | None) -> Reply:
        if answer is None:
            raise ServerError(f"no answer within {self._deadline * 1e3:g} ms")
        if isinstance(answer, Refusal):
            raise ServerError(answer.reason)
        if isinstance(answer, Welcome):
            raise ServerError("the server now serves another policy; start again to accept it")
        if len(answer.chunk[0]) != len(self._spec.joints):
            raise ServerError(f"{len(answer.chunk[0])} targets for {len(self._spec.joints)} joints")
        if answer.command is not None and len(answer.command) != len(self._spec.commanded):
            raise ServerError(f"a command of {len(answer.command)}, not {len(self._spec.commanded)}, entries")
        return answer

    def _bridge(self, obs: Observation) -> Action:
        """The rest of the last chunk, then the last target, for a few ticks; then the soft stop."""
        now = self._now
        now.missed += 1
        if now.missed > BRIDGED:
            now.stopped = True
            self.stats.stops += 1
            return self._stop(obs)
        if now.reply is not None and now.missed < len(now.reply.chunk) and obs.time + obs.age <= now.expires:
            return self._kept(action_of(now.reply, now.missed))
        return Action(self._last(obs), obs.command, "hold")

    def _stop(self, obs: Observation) -> Action:
        return Action(self._last(obs), obs.command, "safety")

    def _kept(self, action: Action) -> Action:
        self._now.target = action.joint_pos
        return replace(action, expires=self._now.expires)

    def _last(self, obs: Observation) -> Array:
        """The last target, or where the joints are when there was none yet."""
        if self._now.target is not None:
            return self._now.target
        return np.where(np.isfinite(obs.joint_pos), obs.joint_pos, self._spec.stand)


def _refuse(stale: str) -> None:
    """Raise _StaleError for an input that is too old."""
    if stale:
        raise _StaleError(stale)
