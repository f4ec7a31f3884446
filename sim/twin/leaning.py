"""The twin leaning about on its feet, in lock-step: what its joints report and where its body really is."""

from collections.abc import Sequence

import numpy as np

from leash_robot.robot.bodies.pupper.protocol import TelemetryParser, encode_gains, encode_target
from leash_robot.robot.safety.messages import Telemetry
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array
from leash_robot.sim.twin.dynamics import TwinDynamics
from leash_robot.sim.twin.machine import Twin

TICK = 50
"""[ms]"""
UP, RESTING = 50, 16
"""Ticks to stand up, and to come to rest."""


class LeaningTwin:
    """Stands once it is made."""

    def __init__(self, spec: Spec, dynamics: TwinDynamics, seed: int) -> None:
        self._twin = Twin(dynamics, seed=seed)
        self._parser = TelemetryParser()
        self._frame: Telemetry | None = None
        gains = spec.gains
        self._twin.write(encode_gains(gains.kp, gains.kd, gains.max_current))
        shares = [0.5 - 0.5 * np.cos(np.pi * min(1.0, tick / UP)) for tick in range(1, UP + RESTING)]
        self.go([spec.rest + share * (spec.stand - spec.rest) for share in shares])

    def go(self, way: Sequence[Array]) -> tuple[Array, Array]:
        """Follow targets (12,), one a tick; the joints as last reported (12,), and the true pose (19,)."""
        for joints in way:
            self._twin.write(encode_target(joints.tolist()))
            self._twin.advance(TICK)
            frames = self._parser.feed(self._twin.read(), self._twin.ms / 1e3)
            self._frame = frames[-1] if frames else self._frame
        reported = np.array(self._frame.pos) if self._frame else way[-1]
        return reported, self._twin.body.data.qpos.copy()
