"""A person's stop for a robot that no operator drives: one place that keys, pages and policies share."""

import contextlib
import threading
from collections.abc import Callable, Iterator

from leash_robot.robot.errors import RobotError, Stopped
from leash_robot.robot.types import Action, Observation, Policy, Watch


class Brake:
    """Stops the robot at once, in any state, and stays pulled."""

    def __init__(self) -> None:
        self.cause = ""
        """Why a person stopped the robot; empty while nobody did."""
        self._stops: list[Callable[[str], None]] = []
        self._lock = threading.Lock()

    @property
    def holds(self) -> bool:
        """Whether a robot hangs on it."""
        return bool(self._stops)

    def pull(self, cause: str) -> None:
        """A person stops the robot, from any thread."""
        with self._lock:
            self.cause = self.cause or cause
            stops = list(self._stops)
        for stop in stops:
            # Note: a robot that cannot be reached says so to its own thread
            with contextlib.suppress(RobotError):
                stop(cause)

    def watch(self, _: Observation) -> str:
        """Fits `Watch`: why a person stops a robot that moves by itself, or an empty string."""
        return self.cause

    def check(self) -> None:
        """Raise Stopped once a person stopped the robot."""
        if self.cause:
            raise Stopped(self.cause)

    @contextlib.contextmanager
    def on(self, stop: Callable[[str], None]) -> Iterator[None]:
        """For the length of the block, pulling also calls `stop` with the cause."""
        with self._lock:
            self._stops.append(stop)
        try:
            if self.cause:
                stop(self.cause)
            yield
        finally:
            with self._lock:
                self._stops.remove(stop)


class Stoppable:
    """Fits `Policy`: another one, until a person stops the robot."""

    def __init__(self, policy: Policy, watch: Watch) -> None:
        self._policy, self._watch = policy, watch

    def reset(self) -> None:
        """Forget the past."""
        self._policy.reset()

    def act(self, obs: Observation) -> Action:
        """The policy's action, or a soft stop."""
        if self._watch(obs):
            return Action(obs.joint_pos.copy(), source="safety")
        return self._policy.act(obs)
