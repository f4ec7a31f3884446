"""The gate's decisions: examples of each rule, and a machine that tries everything in every order."""

import math
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from leash_robot.robot.bodies.pupper.codec import FLUSH
from leash_robot.robot.bodies.pupper.gate import pupper_gate
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.errors import SpecError
from leash_robot.robot.limits import clamp as reference_clamp
from leash_robot.robot.safety.core import (
    CLEAR,
    CUT,
    HEALTHY,
    HOLD_LIMIT,
    PERSON_HOLD,
    RELEASE,
    SINK,
    clamp,
    deadline,
    step,
    waiting,
)
from leash_robot.robot.safety.core import STILL as STILL_SECONDS
from leash_robot.robot.safety.messages import Ack, Arm, Command, GateConfig, Stop, StopKind, Telemetry, check
from leash_robot.robot.safety.state import Event, GateFault, GateState, Leave, Write
from leash_robot.robot.spec import load_spec

SPEC = load_spec()
CONFIG = pupper_gate(SPEC, "port", Calibration.identity(SPEC))
REST = tuple(SPEC.rest.tolist())
STAND = tuple(SPEC.stand.tolist())
STILL = (0.0,) * 12
DAMP, REDAMP = Write("damp"), Write("redamp")
OLD = 60_000.0


@dataclass
class Bench:
    """A gate core with a clock, and everything that it wrote and answered."""

    config: GateConfig = CONFIG
    state: GateState = field(default_factory=GateState)
    now: float = 100.0
    writes: list[Write] = field(default_factory=list)
    acks: list[Ack] = field(default_factory=list)
    session: int = 0
    seq: int = 0

    def do(self, event: Event = None) -> list[Write]:
        self.state, writes, ack = step(self.state, event, self.now, self.config)
        self.writes += writes
        self.acks += [ack] if ack else []
        return list(writes)

    def frame(self, pos: tuple[float, ...] = REST, vel: tuple[float, ...] = STILL, ts: float | None = None) -> None:
        self.do(Telemetry(self.now, OLD + self.now * 1e3 if ts is None else ts, pos, vel))

    def live(self, seconds: float, pos: tuple[float, ...] = REST) -> None:
        """Let time pass with telemetry at 50 Hz."""
        for _ in range(round(seconds / 0.02)):
            self.now += 0.02
            self.frame(pos)

    def arm(self, *, person: bool = True) -> str:
        self.session, self.seq = self.session + 1, 0
        self.do(Arm(self.session, person, self.state.presses))
        return self.acks[-1].refusal

    def command(self, aim: tuple[float, ...] = STAND, **change: object) -> str:
        self.seq += 1
        self.do(replace(Command(self.session, self.seq, self.now, 0.1, aim), **change))
        return self.acks[-1].refusal

    def drive(self, seconds: float, target: tuple[float, ...] = STAND) -> None:
        """Send a command in each tick, as the loop does."""
        for _ in range(round(seconds / 0.05)):
            self.live(0.04)
            self.now += 0.01
            assert self.command(target) == ""


def ready() -> Bench:
    bench = Bench()
    bench.live(1.2)
    return bench


def armed() -> Bench:
    bench = ready()
    assert bench.arm() == ""
    bench.writes.clear()
    return bench


def driving() -> Bench:
    bench = armed()
    bench.drive(0.2)
    bench.writes.clear()
    return bench


# --- before the first frame -------------------------------------------------------------------------------------


def test_nothing_is_written_and_nothing_armed_before_homing_is_over() -> None:
    bench = Bench()
    assert "no telemetry yet" in bench.arm()
    bench.live(0.9)
    assert "moving" in bench.arm()
    assert bench.writes == []


def test_a_still_robot_is_ready_after_one_second() -> None:
    bench = Bench()
    bench.live(0.98)
    assert not bench.state.ready
    bench.live(0.1)
    assert bench.state.ready
    assert waiting(bench.state, CONFIG, bench.now) == ""


def test_movement_starts_the_second_anew() -> None:
    bench = Bench()
    bench.live(0.9)
    bench.frame(pos=(0.1, *REST[1:]))
    bench.live(0.9, (0.1, *REST[1:]))
    bench.frame(pos=(0.1, *REST[1:]), vel=(0.5, *STILL[1:]))
    bench.live(0.9, (0.1, *REST[1:]))
    assert not bench.state.ready


def test_a_young_teensy_must_lie_in_its_rest_pose() -> None:
    bench = Bench()
    for _ in range(60):
        bench.now += 0.02
        bench.frame(STAND, ts=5000.0)
    assert not bench.state.ready
    assert "front_right_hip is at 0.60 rad" in waiting(bench.state, CONFIG, bench.now)
    for knee in (-2.6, -2.95):
        young = Bench()
        pose = tuple(knee if angle == -2.69 else angle for angle in REST)
        for _ in range(60):
            young.now += 0.02
            young.frame(pose, ts=5000.0)
        assert young.state.ready


def test_a_teensy_that_has_run_for_long_may_stand() -> None:
    bench = Bench()
    bench.live(1.2, STAND)
    assert bench.state.ready


def test_waiting_tells_when_telemetry_stopped() -> None:
    bench = Bench()
    bench.live(0.1)
    assert "for 2.0 s" in waiting(bench.state, CONFIG, bench.now + 2.0)


# --- arming -----------------------------------------------------------------------------------------------------


def test_arming_flushes_the_firmware_then_sets_gains_then_stays_where_the_robot_is() -> None:
    bench = ready()
    assert bench.arm() == ""
    assert bench.writes == [Write("arm", REST)]
    assert bench.acks[-1].target == REST


def test_a_joint_a_little_outside_its_range_is_taken_to_the_edge() -> None:
    bench = Bench()
    pose = tuple(-2.93 if angle == -2.69 else angle for angle in REST)
    bench.live(1.2, pose)
    assert bench.arm() == ""
    assert bench.writes[-1].target[2] == -2.9


def test_a_joint_far_outside_its_range_is_not_armed() -> None:
    bench = Bench()
    bench.live(1.2, (1.2, *REST[1:]))
    assert "front_right_abduction" in bench.arm()


def test_a_firmware_in_its_error_mode_is_named_and_told_to_idle_then_armed() -> None:
    bench = ready()
    bench.do(GateFault("the firmware says 'ERROR'", alarm=True))
    bench.writes.clear()
    assert bench.arm().startswith("the firmware says 'ERROR'; it is told to idle")
    assert bench.writes == [CLEAR]
    bench.live(HEALTHY + 0.1)
    assert bench.arm() == ""


def test_an_alarm_is_not_answered_while_homing_may_go_on_or_without_consent() -> None:
    bench = Bench()
    bench.live(0.5)
    bench.do(GateFault("the firmware says 'ERROR'", alarm=True))
    assert "homing is not over" in bench.arm()
    bench = driving()
    bench.do(GateFault("the firmware says 'ERROR'", alarm=True))
    bench.live(0.6)
    bench.writes.clear()
    assert "latched" in bench.arm(person=False)
    assert CLEAR not in bench.writes


def test_telemetry_that_failed_without_an_alarm_is_named_and_nothing_is_written() -> None:
    bench = ready()
    bench.do(GateFault("joint 3 leapt"))
    bench.writes.clear()
    assert bench.arm() == "telemetry has not been healthy for 1 s"
    assert bench.writes == []


def test_a_session_must_be_newer_than_every_other() -> None:
    bench = armed()
    bench.session -= 1
    assert "not newer" in bench.arm()


def test_an_armed_gate_without_a_command_holds_then_lets_the_robot_sink() -> None:
    bench = armed()
    bench.live(HOLD_LIMIT - 1)
    assert bench.state.phase == "armed"
    bench.live(2)
    assert (bench.state.phase, bench.state.latched, bench.state.stops) == ("damped", False, 0)
    assert bench.arm(person=False) == ""


def test_a_fresh_session_while_armed_waits_for_its_first_command_without_moving() -> None:
    bench = driving()
    assert bench.arm(person=False) == ""
    bench.live(5)
    assert bench.state.phase == "armed"
    assert bench.writes == []


# --- commands ---------------------------------------------------------------------------------------------------


def test_a_command_is_clamped_to_one_step_from_the_last_sent_target() -> None:
    bench = armed()
    assert bench.command(STAND) == ""
    assert bench.acks[-1].target == tuple(reference_clamp(SPEC.stand, SPEC.rest, SPEC))
    assert bench.writes == [Write("target", bench.acks[-1].target)]


@given(
    st.lists(st.floats(-1e308, 1e308), min_size=12, max_size=12),
    st.lists(st.floats(0, 1), min_size=12, max_size=12),
)
def test_the_clamp_on_floats_equals_the_one_on_arrays(target: list[float], share: list[float]) -> None:
    last = SPEC.lower + np.array(share) * (SPEC.upper - SPEC.lower)
    assert clamp(tuple(target), tuple(last.tolist()), CONFIG) == tuple(reference_clamp(np.array(target), last, SPEC))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"session": 7}, "session 7"),
        ({"seq": 0}, "number 0"),
        ({"time": 99.0}, "ms old"),
        ({"time": 1e6}, "ms old"),
        ({"time": math.nan}, "ms old"),
        ({"ttl": math.nan}, "ms old"),
        ({"ttl": -1.0}, "ms old"),
        ({"target": STAND[:11]}, "11 joints"),
        ({"target": (math.nan, *STAND[1:])}, "not finite"),
        ({"target": (math.inf, *STAND[1:])}, "not finite"),
        ({"target": ()}, "0 joints"),
    ],
)
def test_a_wrong_command_is_refused_with_its_reason_and_changes_nothing(change: dict[str, object], reason: str) -> None:
    bench = armed()
    assert reason in bench.command(STAND, **change)
    assert bench.writes == []
    assert bench.acks[-1].target == REST


def test_a_command_lives_for_its_time_and_not_longer_than_the_cap() -> None:
    for ttl, age, taken in ((0.05, 0.049, True), (0.05, 0.051, False), (9.0, 0.099, True), (9.0, 0.101, False)):
        bench = armed()
        assert (bench.command(time=bench.now - age, ttl=ttl) == "") is taken


def test_a_replayed_command_is_refused() -> None:
    bench = armed()
    assert bench.command() == ""
    bench.live(0.04)
    assert "not after" in bench.command(seq=1)


def test_two_commands_in_one_tick_are_refused_even_from_two_sessions() -> None:
    bench = armed()
    assert bench.command() == ""
    bench.now += 0.019
    assert "too soon" in bench.command()
    assert bench.arm() == ""
    assert "too soon" in bench.command()
    bench.now += 0.001
    assert bench.command() == ""


def test_no_command_passes_an_unarmed_gate() -> None:
    bench = ready()
    assert "not armed: disarmed" in bench.command()
    assert bench.writes == []


def test_three_malformed_commands_within_a_second_latch() -> None:
    bench = driving()
    for _ in range(3):
        bench.live(0.02)
        bench.command((math.nan,) * 12)
    assert bench.state.latched
    assert "3 malformed commands" in bench.state.cause
    assert bench.writes[-1] == Write("target", bench.state.target)


def test_three_malformed_commands_over_more_than_a_second_do_not_latch() -> None:
    bench = driving()
    for _ in range(4):
        bench.command((math.nan,) * 12)
        bench.drive(0.6)
    assert not bench.state.latched


def test_badly_timed_commands_do_not_latch() -> None:
    bench = driving()
    for _ in range(10):
        bench.command(time=0.0)
    assert not bench.state.latched


# --- stopping ---------------------------------------------------------------------------------------------------


def test_silence_is_a_soft_stop_at_150_ms_and_damped_at_500_ms() -> None:
    bench = driving()
    last = bench.now
    bench.live(0.14)
    assert bench.writes == []
    bench.now = last + 0.15
    bench.frame()
    assert (bench.state.phase, bench.state.latched, bench.state.stops) == ("soft_stop", True, 1)
    begun = bench.state
    assert bench.writes == [Write("target", bench.state.target)]
    bench.live(0.34)
    assert bench.state.damp_at == begun.damp_at
    bench.now = last + 0.5
    bench.frame()
    assert bench.state.phase == "damped"
    assert bench.writes[-1] == DAMP


def test_a_gate_that_slept_through_everything_goes_straight_to_damped() -> None:
    bench = driving()
    bench.now += 5.0
    bench.frame()
    assert bench.state.phase == "damped"
    assert bench.writes == [Write("target", bench.state.target), DAMP]


def test_a_latched_gate_refuses_until_a_person_arms_it_with_a_healthy_second() -> None:
    bench = driving()
    bench.live(0.2)
    assert "still stopping" in bench.arm()
    bench.live(0.4)
    assert "no valid command" in bench.command()
    assert "latched: no valid command" in bench.arm(person=False)
    assert bench.arm() == ""
    assert bench.command() == ""
    assert bench.state.cause == ""


def test_damping_is_repeated_because_nothing_acknowledges_it() -> None:
    bench = driving()
    bench.live(1.5)
    assert bench.writes.count(DAMP) == pytest.approx(10, abs=2)


def test_silent_telemetry_stops_latches_and_damps_once() -> None:
    bench = driving()
    bench.now = bench.state.frame.time + 0.1 if bench.state.frame else math.nan
    bench.do()
    assert (bench.state.phase, bench.state.latched) == ("soft_stop", True)
    assert "telemetry was silent" in bench.state.cause
    assert bench.writes == []
    for _ in range(20):
        bench.now += 0.1
        bench.do()
    assert bench.writes == [DAMP]
    bench.frame()
    assert "not been healthy" in bench.arm()
    bench.live(1.1)
    assert bench.arm() == ""


def test_the_driver_can_ask_for_a_soft_stop() -> None:
    bench = driving()
    bench.do(Stop("because"))
    assert (bench.state.phase, bench.state.cause, bench.state.stops) == ("soft_stop", "because", 0)
    bench.do(Stop("again"))
    assert bench.state.cause == "because"


def test_a_person_s_stop_is_held_at_once_and_damped_a_tenth_of_a_second_later() -> None:
    bench = driving()
    assert bench.do(Stop("STOP", "person")) == [Write("target", bench.state.target)]
    assert (bench.state.phase, bench.state.latched, bench.state.cause) == ("soft_stop", True, "STOP")
    bench.live(PERSON_HOLD + 0.01)
    assert bench.state.phase == "damped"
    assert DAMP in bench.writes


def test_a_person_s_stop_hurries_a_soft_stop_that_has_begun() -> None:
    bench = driving()
    bench.do(Stop("fault"))
    bench.live(0.02)
    bench.do(Stop("STOP", "person"))
    bench.live(PERSON_HOLD + 0.02)
    assert (bench.state.phase, bench.state.cause) == ("damped", "fault")


def test_a_person_s_stop_latches_a_robot_that_sank_by_itself() -> None:
    bench = armed()
    bench.live(HOLD_LIMIT + 1)
    assert not bench.state.latched
    bench.do(Stop("STOP", "person"))
    assert "latched: STOP" in bench.arm(person=False)


def test_a_person_s_stop_before_arming_idles_the_robot_and_only_a_person_arms_it() -> None:
    bench = ready()
    assert bench.do(Stop("STOP", "person")) == [CUT]
    assert "latched: STOP" in bench.arm(person=False)
    assert bench.arm() == ""


def test_a_person_s_stop_during_homing_idles_the_robot_which_must_home_again() -> None:
    bench = Bench()
    for tick in range(100):
        bench.now += 0.02
        bench.frame((0.01 * tick, *REST[1:]), ts=2000.0 + 20 * tick)
    assert bench.do(Stop("STOP", "person")) == [CUT]
    for tick in range(1200):
        bench.now += 0.02
        bench.frame(REST, ts=4000.0 + 20 * tick)
    assert not bench.state.ready, "long after it would have booted"
    assert "power-cycled" in bench.arm()
    bench.do(GateFault("rebooted", homed=False))
    for tick in range(100):
        bench.now += 0.02
        bench.frame(REST, ts=100.0 + 20 * tick)
    assert bench.arm() == ""


def test_a_person_s_stop_before_any_telemetry_idles_whatever_is_there_and_what_then_homes() -> None:
    bench = Bench()
    assert bench.do(Stop("STOP", "person")) == [CUT]
    bench.writes.clear()
    bench.frame(STAND, ts=100.0)
    assert bench.writes == [CUT]
    for tick in range(1200):
        bench.now += 0.02
        bench.frame(REST, ts=120.0 + 20 * tick)
    assert "power-cycled" in bench.arm()


def test_a_person_s_stop_before_any_telemetry_means_nothing_to_a_robot_that_homed_long_ago() -> None:
    bench = Bench()
    bench.do(Stop("STOP", "person"))
    bench.writes.clear()
    bench.live(1.3)
    assert bench.writes == []
    assert bench.arm(person=False) == "latched: STOP"
    assert bench.arm() == ""


def test_a_person_s_stop_reaches_a_robot_that_rebooted_and_homes() -> None:
    bench = driving()
    bench.do(GateFault("rebooted", homed=False))
    bench.now += 1
    bench.frame(STAND, ts=500.0)
    bench.writes.clear()
    assert bench.do(Stop("STOP", "person")) == [CUT]
    assert bench.state.cause == "rebooted"
    assert "power-cycled" in waiting(bench.state, CONFIG, bench.now)


def test_a_consent_does_not_end_a_stop_that_was_pressed_after_it() -> None:
    bench = driving()
    bench.do(Stop("STOP", "person"))
    consent = bench.state.presses
    bench.live(PERSON_HOLD + 1.1)
    bench.do(Stop("STOP again", "person"))
    bench.do(Arm(99, True, consent))
    assert bench.acks[-1].refusal == "latched: STOP"
    bench.do(Arm(100, True, consent + 1))
    assert bench.acks[-1].refusal == ""


def test_a_planned_stop_is_not_latched() -> None:
    bench = driving()
    bench.do(Stop("", "planned"))
    bench.live(1.0)
    assert (bench.state.phase, bench.state.latched, bench.state.stops) == ("damped", False, 0)
    assert bench.arm(person=False) == ""


def test_a_stop_means_nothing_to_a_gate_that_was_never_armed() -> None:
    bench = ready()
    bench.do(Stop("because"))
    bench.do(GateFault("x"))
    assert (bench.state.latched, bench.state.cause, bench.state.ready) == (False, "", True)


def test_a_fault_latches_even_a_robot_that_was_only_resting() -> None:
    bench = armed()
    bench.live(HOLD_LIMIT + 1)
    assert not bench.state.latched
    bench.do(GateFault("smoke"))
    assert (bench.state.latched, bench.state.cause) == (True, "smoke")


def test_a_reboot_means_homing_again_before_anything_is_written() -> None:
    bench = driving()
    bench.do(GateFault("rebooted", homed=False))
    assert (bench.state.phase, bench.state.ready) == ("soft_stop", False)
    bench.now += 1
    bench.do()
    assert bench.state.phase == "damped"
    for _ in range(60):
        bench.now += 0.02
        bench.frame(STAND, ts=5000.0)
    assert bench.writes == []
    assert "homing is not over" in bench.arm()
    bench.live(1.2)
    assert bench.writes[:1] == [REDAMP]
    assert bench.arm() == ""


def test_a_robot_that_kept_its_power_is_damped_at_the_first_frame_after_the_port_returned() -> None:
    bench = driving()
    bench.do(GateFault("unplugged", homed=False))
    bench.now += 3
    bench.do()
    assert bench.writes == []
    bench.frame(STAND)
    assert bench.writes == [REDAMP]
    assert bench.state.latched


def test_a_fault_of_the_firmware_alone_needs_no_homing() -> None:
    bench = driving()
    bench.do(GateFault("ERROR"))
    assert bench.state.ready
    assert (bench.state.phase, bench.state.cause) == ("soft_stop", "ERROR")


# --- leaving ----------------------------------------------------------------------------------------------------


def test_leaving_holds_damps_lets_the_legs_sink_and_cuts_the_current() -> None:
    bench = driving()
    begun = bench.now
    bench.do(Leave("bye"))
    while bench.state.phase != "off":
        bench.live(0.02)
        bench.do(Leave("bye"))
    kinds = [write.kind for write in bench.writes]
    assert kinds[0] == "target"
    assert kinds[-1] == "release"
    assert kinds.index("damp") < kinds.index("release")
    assert bench.now - begun == pytest.approx(PERSON_HOLD + SINK, abs=0.05)
    assert bench.arm() == "the gate is ending"


def test_leaving_a_damped_robot_lets_it_sink_and_cuts_the_current() -> None:
    bench = driving()
    bench.live(2)
    bench.do(Leave("bye"))
    assert bench.arm() == "the gate is ending"
    bench.live(SINK + 0.1)
    assert bench.state.phase == "off"
    assert bench.writes[-1] == RELEASE


def test_leaving_before_arming_cuts_the_current_at_once() -> None:
    bench = ready()
    assert bench.do(Leave("bye")) == [RELEASE]
    assert bench.state.phase == "off"


def test_leaving_during_homing_writes_nothing() -> None:
    bench = Bench()
    assert bench.do(Leave("bye")) == []
    assert (bench.state.phase, bench.state.ended) == ("disarmed", True)


def test_leaving_without_a_port_waits_until_the_robot_can_be_reached() -> None:
    bench = driving()
    bench.do(GateFault("unplugged", homed=False))
    for _ in range(100):
        bench.now += 0.1
        assert bench.do(Leave("bye")) == []
    assert (bench.state.phase, bench.state.ended) == ("damped", False)
    assert deadline(bench.state, CONFIG) > bench.now
    bench.frame(STAND)
    assert bench.writes == [REDAMP]
    bench.live(SINK - 0.1, STAND)
    assert not bench.state.ended
    bench.live(0.2, STAND)
    assert (bench.state.phase, bench.state.ended) == ("off", True)
    assert bench.writes[-1:] == [RELEASE]


def test_off_is_taken_back_when_the_port_went_away_before_it_was_written() -> None:
    bench = driving()
    bench.do(Leave("bye"))
    bench.live(0.36 + SINK)
    assert bench.state.ended
    bench.do(GateFault("unplugged", homed=False))
    assert (bench.state.phase, bench.state.ended) == ("damped", False)
    bench.do(Leave("bye"))
    bench.frame()
    bench.live(SINK + 0.1)
    assert bench.state.ended


def test_off_stays_off() -> None:
    bench = ready()
    bench.do(Leave("bye"))
    for event in (Leave("again"), Stop("STOP", "person"), GateFault("ERROR")):
        assert bench.do(event) == []
        assert bench.state.phase == "off"


# --- deadlines and settings -------------------------------------------------------------------------------------


def test_the_deadline_is_exactly_when_something_happens() -> None:
    bench = driving()
    bench.frame()
    for _ in range(12):
        due = deadline(bench.state, CONFIG)
        before = bench.state
        bench.now = math.nextafter(due, 0)
        bench.do()
        assert bench.state == before
        bench.now = due
        bench.do()
        assert bench.state != before
    assert deadline(GateState(), CONFIG) == math.inf


def test_the_figures_are_the_documented_ones() -> None:
    assert (CONFIG.hold_after, CONFIG.damp_after, CONFIG.ttl, CONFIG.stale) == (0.15, 0.5, 0.1, 0.1)
    assert (FLUSH, CONFIG.boot, STILL_SECONDS, HEALTHY, HOLD_LIMIT, SINK) == (30, 20_000, 1.0, 1.0, 5.0, 1.0)
    assert PERSON_HOLD == 0.1
    assert GateState().seq == 0


@pytest.mark.parametrize("change", [{"hold_after": 0.21}, {"damp_after": 1.1}, {"ttl": 0.11}, {"stale": 0.11}])
def test_caps_hold_at_the_border_of_the_process(change: dict[str, float]) -> None:
    packet = msgspec.msgpack.encode(replace(CONFIG, **change))
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(packet, type=GateConfig)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"upper": tuple(low - 1 for low in CONFIG.lower)}, "empty"),
        ({"step": (0.0, *CONFIG.step[1:])}, "not positive"),
        ({"upper": CONFIG.upper[1:]}, "other sizes than its 12 joints"),
        ({"damp_after": 0.1}, "must not come before"),
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused(change: dict[str, object], reason: str) -> None:
    assert check(CONFIG) is CONFIG
    with pytest.raises(SpecError, match=reason):
        check(replace(CONFIG, **change))


# --- everything in every order ----------------------------------------------------------------------------------

ROUNDING = 4e-15
"""A sum and the difference that undoes it differ by no more for angles up to 8 rad."""
angles = st.floats(allow_nan=True, allow_infinity=True)
any_target = st.one_of(
    st.tuples(*[st.floats(-8, 8)] * 12), st.lists(angles, max_size=13).map(tuple), st.just(STAND), st.just(REST)
)


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order, these hold."""

    @initialize()
    def begin(self) -> None:
        self.bench = Bench()
        self.bench.live(1.2)
        self.seen = 0
        self.consented = False
        self.may_move = True

    def after(self, before: GateState, event: Event) -> None:
        """Check what one event led to."""
        bench, state = self.bench, self.bench.state
        new, self.seen = bench.writes[self.seen :], len(bench.writes)
        targets = [write.target for write in new if write.kind in {"arm", "target"}]
        for target in targets:
            assert len(target) == 12
            assert all(
                low <= angle <= high for angle, low, high in zip(target, CONFIG.lower, CONFIG.upper, strict=True)
            )
        if new and not (before.cut or (isinstance(event, Stop) and event.kind == "person")):
            assert before.ready or state.ready
        if not (before.ready or state.ready):
            assert all(write in {CLEAR, CUT, RELEASE} for write in new)
        if isinstance(event, Command) and state.phase == "armed":
            for first, second in pairwise([before.target, *targets]):
                assert all(abs(b - a) <= most + ROUNDING for a, b, most in zip(first, second, CONFIG.step, strict=True))
        elif targets and not isinstance(event, Arm):
            assert targets == [before.target], "only a hold may go out without a command"
        if before.latched and targets:
            assert isinstance(event, Arm)
            assert event.person
        if before.phase == "off":
            assert new == []
            assert state.phase == ("damped" if isinstance(event, GateFault) and not event.homed else "off")
        if before.latched and not state.latched:
            assert isinstance(event, Arm)
            assert event.person
            assert event.presses >= before.presses
        if not before.ended and state.ended:
            assert RELEASE in new or before.phase == "disarmed"

    def do(self, event: Event) -> None:
        before = self.bench.state
        count = len(self.bench.acks)
        self.bench.do(event)
        self.after(before, event)
        assert len(self.bench.acks) - count == isinstance(event, Arm | Command)

    @rule(seconds=st.sampled_from([0.001, 0.01, 0.04, 0.05, 0.1, 0.15, 0.5, 2.0]))
    def wait(self, seconds: float) -> None:
        self.bench.now += seconds
        self.do(None)

    @rule(
        ticks=st.integers(1, 70), pos=st.sampled_from([REST, STAND, (2.0, *REST[1:])]), ts=st.sampled_from([5e3, OLD])
    )
    def telemetry(self, ticks: int, pos: tuple[float, ...], ts: float) -> None:
        self.see(ticks, pos, ts)

    def see(self, ticks: int, pos: tuple[float, ...], ts: float) -> None:
        for _ in range(ticks):
            self.bench.now += 0.02
            self.do(Telemetry(self.bench.now, ts, pos, STILL))

    @rule(fresh=st.integers(-1, 2), person=st.booleans(), missed=st.integers(0, 1))
    def arm(self, fresh: int, person: bool, missed: int) -> None:
        self.bench.session = max(0, self.bench.state.session + fresh)
        self.bench.seq = 0
        self.do(Arm(self.bench.session, person, self.bench.state.presses - missed))

    @rule(aim=any_target, age=st.sampled_from([0.0, 0.05, 0.2, -0.1]), ahead=st.integers(-1, 3))
    def command(self, aim: tuple[float, ...], age: float, ahead: int) -> None:
        self.send(aim, age, ahead)

    def send(self, aim: tuple[float, ...], age: float, ahead: int) -> None:
        seq = self.bench.state.seq + ahead
        self.do(Command(self.bench.session, seq, self.bench.now - age, 0.1, aim))

    @rule(aim=any_target, ticks=st.integers(1, 20))
    def drive(self, aim: tuple[float, ...], ticks: int) -> None:
        for _ in range(ticks):
            self.see(2, REST, OLD)
            self.send(aim, 0.0, 1)

    @rule(homed=st.booleans())
    def fault(self, homed: bool) -> None:
        self.do(GateFault("fault", homed))

    @rule(kind=st.sampled_from(["soft", "person", "planned"]))
    def stop(self, kind: StopKind) -> None:
        self.do(Stop("" if kind == "planned" else "stop", kind))

    @rule()
    def leave(self) -> None:
        self.do(Leave("leave"))

    @invariant()
    def silence_is_safe(self) -> None:
        """Let the clock alone speak, on a copy: by 150 ms held, by 500 ms damped, whatever came before."""
        state = self.bench.state
        if state.phase != "armed" or state.seq == 0:
            return
        held, _, _ = step(state, None, state.commanded + CONFIG.hold_after, CONFIG)
        assert held.phase != "armed"
        damped, _, _ = step(state, None, state.commanded + CONFIG.damp_after, CONFIG)
        assert damped.phase == "damped"
        assert damped.latched

    @invariant()
    def a_stop_that_nobody_planned_is_latched(self) -> None:
        state = self.bench.state
        assert state.latched or state.phase != "soft_stop" or "held for" in state.cause or not state.cause
        assert not (state.latched and state.phase == "armed")
        assert not state.latched or state.cause


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyOrder = AnyOrder.TestCase
