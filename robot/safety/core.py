"""What decides whether a motor moves: a pure function of state, event and time, without input or output.

    disarmed --Arm--> armed --no command for 150 ms, or any fault--> soft_stop --by 500 ms--> damped --Arm--> armed
                      armed --a person's Stop--> soft_stop --after 100 ms--> damped
                                                                              any --Leave--> ... --> off

Soft stop holds the last sent target. Damped makes the joints yield: legs sink softly; an arm, which would fall, is led
to its rest pose (`GateConfig.retreat`) with the torque that its codec then allows. A stop that nobody planned is
latched: only an Arm with a person's consent, after a second of healthy telemetry, ends it.
Off is only reached by a frame that was written: while the port is away, the gate waits for it to return.
Times are monotonic [s]; angles are the firmware's [rad].
"""

import math
from typing import Literal

from msgspec.structs import replace

from leash_robot.robot.safety.messages import Ack, Angles, Arm, Command, GateConfig, Phase, Stop, Telemetry
from leash_robot.robot.safety.refusals import why_not_send
from leash_robot.robot.safety.state import Event, GateFault, GateState, Leave, Output, Write, Writes

STILL = 1.0
"""How long the joints must rest before the first frame may go out [s]."""
STILL_SPEED, STILL_ANGLE = 0.3, 0.03
"""What still counts as rest [rad/s], [rad]."""
HEALTHY = 1.0
"""How much unbroken telemetry an Arm needs [s]."""
OUTSIDE = 0.3
"""How far outside its range a joint may be found when arming [rad]."""
FAULTS, FAULT_WINDOW = 3, 1.0
"""So many malformed commands within so many seconds latch the gate."""
PERSON_HOLD = 0.1
"""How long a person's stop, or the end, brakes the robot by holding it, before it is damped [s]."""
HOLD_LIMIT = 5.0
"""An armed gate that gets no first command lets the robot sink after this long [s]."""
DAMP_EVERY = 0.1
"""Nothing is acknowledged by the firmware, so damping is repeated [s]."""
SINK = 1.0
"""How long the legs get to sink before the current goes off [s]."""


UNHOMED = "a person stopped its homing, so that its zeros are wrong until it is power-cycled"

CLEAR, CUT, RELEASE = Write("clear"), Write("cut"), Write("release")


def step(state: GateState, event: Event, now: float, config: GateConfig) -> Output:
    """Take one event at time `now`; return the new state, the frames to write, and the answer if one is due.

    Telemetry comes before the deadlines, so that a gate that woke up late does not mistake its own sleep for silence.
    """
    early: Writes = ()
    if isinstance(event, Telemetry):
        state, early = _observe(state, event, config)
    state, late = _advance(state, now, config)
    state, reply, ack = _answer(state, event, now, config)
    return state, early + late + reply, ack


def deadline(state: GateState, config: GateConfig) -> float:
    """When `step` must be called again even if nothing happens."""
    if state.phase == "armed" and state.frame is not None:
        return min(state.frame.time + config.stale, _patience(state, config))
    if state.phase in {"soft_stop", "damped"}:
        return min(state.damp_at, state.off_at if state.ready and _lies(state, config) else math.inf)
    return math.inf


def clamp(target: Angles, last: Angles, config: GateConfig) -> Angles:
    """Into the range, then to within one step of the last target: leash_robot.robot.limits.clamp on plain floats."""
    clamped = []
    for want, from_, low, high, most in zip(target, last, config.lower, config.upper, config.step, strict=True):
        inside = low if want < low else min(want, high)
        clamped.append(from_ - most if inside < from_ - most else min(inside, from_ + most))
    return tuple(clamped)


def waiting(state: GateState, config: GateConfig, now: float) -> str:
    """What readiness still waits for, in words; empty when homing is over."""
    if state.ready:
        return ""
    if state.unhomed < math.inf:
        return UNHOMED
    if state.frame is None:
        return "no telemetry yet"
    if now >= state.frame.time + config.stale:
        return f"no telemetry for {now - state.frame.time:.1f} s"
    if state.frame.time - state.still_since < STILL:
        return "the joints are moving, or stopped less than a second ago"
    return f"{_misplaced(state.frame.pos, config.rest_lower, config.rest_upper, config)}, where homing ends"


def _answer(state: GateState, event: Event, now: float, config: GateConfig) -> Output:
    match event:
        case Command():
            return _command(state, event, now, config)
        case Arm():
            return _arm(state, event, now, config)
        case Stop():
            return *_asked(state, event, now, config), None
        case GateFault():
            return *_fault(state, event, now, config), None
        case Leave():
            return *_leave(state, event, now, config), None
    return state, (), None


def _observe(state: GateState, frame: Telemetry, config: GateConfig) -> tuple[GateState, Writes]:
    """Take one plausible frame: health, stillness, readiness."""
    unbroken = state.frame is not None and frame.time < state.frame.time + config.stale
    still = unbroken and _still(frame, state.still_pose)
    state = replace(
        state,
        frame=frame,
        healthy_since=state.healthy_since if unbroken else frame.time,
        still_since=state.still_since if still else frame.time,
        still_pose=state.still_pose if still else frame.pos,
    )
    if frame.ts < state.unhomed:
        state = replace(state, unhomed=math.inf)
    if state.cut:
        homing = not state.ready and frame.ts < config.boot
        state = replace(state, cut=False, unhomed=frame.ts if homing else state.unhomed)
        return state, (CUT,) if homing else ()
    if state.ready or not _homed(state, frame, config):
        return state, ()
    state = replace(state, ready=True)
    if state.phase != "damped":
        return state, ()
    # Note: after a reconnection the receiver may wait for the rest of a frame; the body must not drop meanwhile
    off_at = frame.time + SINK if state.off_at < math.inf else math.inf
    return replace(state, damp_at=frame.time + DAMP_EVERY, off_at=off_at), (_damp("redamp", state, config),)


def _homed(state: GateState, frame: Telemetry, config: GateConfig) -> bool:
    """Whether this frame shows that the robot is not homing, nor about to.

    Note: one that may still hold the target of a moment ago is damped at the first frame, unless it has just booted.
    """
    if state.unhomed < math.inf:
        return False
    if not config.boot or (state.phase == "damped" and frame.ts >= config.boot):
        return True
    rests = frame.ts >= config.boot or not _misplaced(frame.pos, config.rest_lower, config.rest_upper, config)
    return rests and frame.time - state.still_since >= STILL


def _still(frame: Telemetry, pose: Angles) -> bool:
    near = all(abs(angle - before) < STILL_ANGLE for angle, before in zip(frame.pos, pose, strict=True))
    return near and max(map(abs, frame.vel)) < STILL_SPEED


def _misplaced(pose: Angles, lower: Angles, upper: Angles, config: GateConfig) -> str:
    """The first joint outside its bounds, in words; empty when there is none."""
    for name, angle, low, high in zip(config.names, pose, lower, upper, strict=True):
        if not low <= angle <= high:
            return f"{name} is at {angle:.2f} rad, not in [{low:.2f}, {high:.2f}]"
    return ""


def _fresh(state: GateState, now: float, config: GateConfig) -> bool:
    return state.frame is not None and now < state.frame.time + config.stale


def _patience(state: GateState, config: GateConfig) -> float:
    """Until when an armed gate waits for the next command."""
    return state.armed_at + HOLD_LIMIT if state.seq == 0 else state.commanded + config.hold_after


def _advance(state: GateState, now: float, config: GateConfig) -> tuple[GateState, Writes]:
    """Do what the clock alone demands, all of it, however late."""
    writes: Writes = ()
    if state.phase == "armed":
        state, writes = _watch(state, now, config)
    if state.phase in {"soft_stop", "damped"} and now >= state.damp_at:
        # Note: the first damping frame goes out even when telemetry is silent; repeating it could disturb a homing
        due = state.phase == "soft_stop" or _fresh(state, now, config) or config.retreat > 0
        state = replace(_retreated(state, now, config), phase="damped", damp_at=now + DAMP_EVERY)
        writes += (_damp("damp", state, config),) if due else ()
    if state.phase == "damped" and state.ready and now >= state.off_at and _lies(state, config):
        state, writes = replace(state, phase="off", ended=True), (*writes, RELEASE)
    return state, writes if state.ready else ()


def _damp(kind: Literal["damp", "redamp"], state: GateState, config: GateConfig) -> Write:
    return Write(kind, state.target if config.retreat else ())


def _resting(config: GateConfig) -> Angles:
    """The middle of the rest pose's bounds [rad]."""
    return tuple((low + high) / 2 for low, high in zip(config.rest_lower, config.rest_upper, strict=True))


def _retreated(state: GateState, now: float, config: GateConfig) -> GateState:
    """The target one step nearer to rest, for a robot that is led there; the joints get time to follow the last."""
    begin, most = state.target or (state.frame.pos if state.frame else ()), config.retreat * DAMP_EVERY
    if not most or not begin or state.target == _resting(config):
        return state
    pairs = zip(begin, _resting(config), strict=True)
    target = tuple(from_ + min(max(rest - from_, -most), most) for from_, rest in pairs)
    return replace(state, target=target, off_at=max(state.off_at, now + SINK))


def _lies(state: GateState, config: GateConfig) -> bool:
    """Whether the current may go off: a robot that would fall has been led to its rest pose."""
    return not config.retreat or not state.target or state.target == _resting(config)


def _watch(state: GateState, now: float, config: GateConfig) -> tuple[GateState, Writes]:
    """Stop an armed gate whose telemetry or commands fail to come."""
    if not _fresh(state, now, config):
        return _stop(state, now, config, f"telemetry was silent for {config.stale * 1e3:.0f} ms")
    if now < _patience(state, config):
        return state, ()
    if state.seq == 0:
        return _stop(state, now, config, f"held for {HOLD_LIMIT:.0f} s without a command", counted=False, latched=False)
    return _stop(state, now, config, f"no valid command for {config.hold_after * 1e3:.0f} ms")


def _stop(
    state: GateState, now: float, config: GateConfig, cause: str, *, counted: bool = True, latched: bool = True
) -> tuple[GateState, Writes]:
    """Hold the last target, to be damped next. A gate that has stopped already keeps its first cause."""
    if state.phase != "armed":
        fresh_latch = latched and state.phase != "disarmed" and not state.latched
        return (replace(state, latched=True, cause=cause) if fresh_latch else state), ()
    hold = (Write("target", state.target),) if _fresh(state, now, config) else ()
    latest = state.commanded + config.damp_after if state.seq else math.inf
    stopped = replace(
        state,
        phase="soft_stop",
        latched=latched,
        cause=cause,
        stops=state.stops + counted,
        damp_at=min(now + config.damp_after - config.hold_after, latest),
    )
    return stopped, hold


def _asked(state: GateState, stop: Stop, now: float, config: GateConfig) -> tuple[GateState, Writes]:
    """Stop because somebody asked for it: how soon it is damped, and whether it latches, depends on who."""
    if state.phase == "off":
        return state, ()
    state = replace(state, presses=state.presses + (stop.kind == "person"))
    if stop.kind == "person" and (state.phase == "disarmed" or not state.ready):
        return _cut_off(state, stop, config)
    state, writes = _stop(state, now, config, stop.cause, counted=False, latched=stop.kind != "planned")
    if state.phase == "soft_stop" and stop.kind == "person":
        state = replace(state, damp_at=min(state.damp_at, now + PERSON_HOLD))
    return state, writes


def _cut_off(state: GateState, stop: Stop, config: GateConfig) -> tuple[GateState, Writes]:
    """Let a robot idle that lies as its homing left it, or is homing; a homing that is cut off is void."""
    homing = state.frame is not None and not state.ready and state.frame.ts < config.boot
    unhomed = state.frame.ts if state.frame is not None and homing else state.unhomed
    cause = state.cause if state.latched else stop.cause
    cut = state.frame is None
    return replace(state, latched=True, cause=cause, unhomed=unhomed, cut=cut), (CUT,)


def _fault(state: GateState, fault: GateFault, now: float, config: GateConfig) -> tuple[GateState, Writes]:
    if state.phase == "off" and not fault.homed:
        # Note: the port went away before the last frame was through, so that the current may still be on
        state = replace(state, phase="damped", ended=False)
    state, writes = _stop(state, now, config, fault.cause)
    if fault.homed:
        alarm = (now, fault.cause) if fault.alarm else state.alarm
        return replace(state, healthy_since=now, alarm=alarm), writes
    return replace(state, ready=False, frame=None, healthy_since=math.inf, still_since=math.inf), ()


def _leave(state: GateState, leave: Leave, now: float, config: GateConfig) -> tuple[GateState, Writes]:
    """Begin the way out: hold, damp, let the legs sink, current off. A robot that was never armed is left alone."""
    if state.phase == "disarmed":
        off: Phase = "off" if state.ready else "disarmed"
        return replace(state, phase=off, ended=True, cause=leave.cause), (RELEASE,) if state.ready else ()
    if state.phase == "off":
        return state, ()
    state, writes = _stop(state, now, config, leave.cause, counted=False)
    if state.phase == "soft_stop":
        state = replace(state, damp_at=min(state.damp_at, now + PERSON_HOLD))
    begin = state.damp_at if state.phase == "soft_stop" else now
    return replace(state, off_at=min(state.off_at, begin + SINK)), writes


def _arm(state: GateState, arm: Arm, now: float, config: GateConfig) -> Output:
    """Begin a session. Unless armed already, the robot is first told to stay exactly where it is."""
    if refusal := _why_not_arm(state, arm, now, config):
        cure = (CLEAR,) if state.ready and refusal == _alarm(state, now) else ()
        return state, cure, Ack(arm.session, 0, refusal, state.target)
    armed = replace(state, session=arm.session, seq=0, phase="armed", armed_at=now, latched=False, cause="")
    writes: Writes = ()
    if state.phase != "armed" and state.frame is not None:
        pairs = zip(state.frame.pos, config.lower, config.upper, strict=True)
        here = tuple(min(max(angle, low), high) for angle, low, high in pairs)
        armed = replace(armed, target=here, malformed=(), damp_at=math.inf)
        writes = (Write("arm", here),)
    return armed, writes, Ack(arm.session, 0, "", armed.target, armed=True)


def _why_not_arm(state: GateState, arm: Arm, now: float, config: GateConfig) -> str:
    if state.off_at < math.inf or state.phase == "off":
        return "the gate is ending"
    if arm.session <= state.session:
        return f"session {arm.session} is not newer than {state.session}"
    if state.phase == "soft_stop":
        return f"still stopping: {state.cause}"
    if state.latched and not (arm.person and arm.presses >= state.presses):
        return f"latched: {state.cause}"
    return "" if state.phase == "armed" else _why_not_move(state, now, config)


def _why_not_move(state: GateState, now: float, config: GateConfig) -> str:
    """What about the robot itself speaks against switching the current on."""
    if not state.ready or state.frame is None:
        return f"homing is not over: {waiting(state, config, now)}"
    if not _fresh(state, now, config) or now - state.healthy_since < HEALTHY:
        return _alarm(state, now) or f"telemetry has not been healthy for {HEALTHY:.0f} s"
    lower = tuple(low - OUTSIDE for low in config.lower)
    return _misplaced(state.frame.pos, lower, tuple(high + OUTSIDE for high in config.upper), config)


def _alarm(state: GateState, now: float) -> str:
    """The firmware's latest alarm, in which no current flows."""
    when, alarm = state.alarm
    return f"{alarm}; it is told to idle and may be armed {HEALTHY:.0f} s later" if now - when < HEALTHY else ""


def _command(state: GateState, command: Command, now: float, config: GateConfig) -> Output:
    """Send a target if everything about it is right; otherwise go on holding and say why."""
    refusal, malformed = why_not_send(state, command, now, config)
    writes: Writes = ()
    if malformed:
        state, writes = _count_malformed(state, refusal, now, config)
    if refusal:
        return state, writes, Ack(command.session, command.seq, refusal, state.target, state.phase == "armed")
    target = clamp(command.target, state.target, config)
    state = replace(state, seq=command.seq, commanded=now, target=target)
    return state, (Write("target", target),), Ack(command.session, command.seq, "", target, armed=True)


def _count_malformed(state: GateState, refusal: str, now: float, config: GateConfig) -> tuple[GateState, Writes]:
    recent = (*(time for time in state.malformed if now - time < FAULT_WINDOW), now)
    state = replace(state, malformed=recent)
    if len(recent) < FAULTS:
        return state, ()
    return _stop(state, now, config, f"{FAULTS} malformed commands within {FAULT_WINDOW:.0f} s, the last {refusal}")
