"""Why the gate does not send a command: what is wrong with it, or when it comes."""

import math

from leash_robot.robot.safety.messages import Command, GateConfig
from leash_robot.robot.safety.state import GateState

SOONEST = 0.4
"""Smallest gap between two commands [ticks]."""


def why_not_send(state: GateState, command: Command, now: float, config: GateConfig) -> tuple[str, bool]:
    """Why a command must be refused, and whether that is a malformed target rather than bad timing."""
    if state.phase != "armed":
        return f"not armed: {state.cause or state.phase}", False
    if command.session != state.session:
        return f"session {command.session} is not {state.session}", False
    if len(command.target) != len(config.lower):
        return f"a target of {len(command.target)} joints, not {len(config.lower)}", True
    if not all(map(math.isfinite, command.target)):
        return "a target that is not finite", True
    return _why_not_now(state, command, now, config), False


def _why_not_now(state: GateState, command: Command, now: float, config: GateConfig) -> str:
    if command.seq <= state.seq:
        return f"number {command.seq} is not after {state.seq}"
    age, ttl = now - command.time, min(command.ttl, config.ttl)
    if not 0 <= age <= ttl:
        return f"{age * 1e3:.0f} ms old, not within 0..{ttl * 1e3:.0f} ms"
    if now - state.commanded < SOONEST * config.tick:
        return f"too soon: {(now - state.commanded) * 1e3:.0f} ms after the last"
    return ""
