"""The remote policy: never late, never stale, never stuck, and safe when the server is gone."""

import math
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.policies.manifest import describe
from leash_robot.policies.serving.client import BRIDGED, SHORTEST, RemotePolicy, budget
from leash_robot.robot.cameras.image import Image
from leash_robot.robot.errors import PolicyError, ServerError
from leash_robot.robot.inference.protocol import Answer, Question, Refusal, Reply, Welcome
from leash_robot.robot.types import Action, unknown
from support.serving import SPEC, N, Puppet, good, offer, resumed, seen, served, serving

QUICK = 0.05


@pytest.fixture
def puppet(tmp_path: Path) -> Iterator[Puppet]:
    with Puppet(f"ipc://{tmp_path}/s").running() as running:
        yield running


@pytest.fixture
def remote(puppet: Puppet) -> Iterator[RemotePolicy]:
    """Connected to the puppet; waits long for answers, as a busy machine may need."""
    with RemotePolicy(puppet.endpoint, SPEC, deadline=5.0) as connected:
        connected.reset()
        yield connected


@pytest.fixture
def hasty(puppet: Puppet) -> Iterator[RemotePolicy]:
    """Connected to the puppet; waits briefly, for tests in which no answer comes."""
    with RemotePolicy(puppet.endpoint, SPEC, deadline=QUICK) as connected:
        connected.reset()
        yield connected


def sources(remote: RemotePolicy, ticks: int) -> list[str]:
    return [remote.act(seen()).source for _ in range(ticks)]


def test_an_answer_in_time_is_the_action(puppet: Puppet, remote: RemotePolicy) -> None:
    puppet.answers = lambda question: [
        Reply(question.session, question.seq, question.obs.time, 0.002, [[0.1] * N], (0.2, 0.0, 0.0), 0.25)
    ]
    action = remote.act(seen())
    assert (action.source, action.risk) == ("policy", 0.25)
    np.testing.assert_array_equal(action.joint_pos, [0.1] * N)
    np.testing.assert_array_equal(action.command, [0.2, 0.0, 0.0])
    assert remote.stats.figures()["model_p50_ms"] == pytest.approx(2.0)
    assert remote.stats.figures()["rtt_p50_ms"] > 0
    assert remote.trouble == ""


def test_a_late_answer_is_never_acted_on(puppet: Puppet, remote: RemotePolicy) -> None:
    puppet.answers = lambda question: [good(question, 0.5)]
    remote.act(seen())
    stale = puppet.questions[-1]
    puppet.answers = lambda question: [good(stale, 9.0), good(question, 0.1)]
    np.testing.assert_array_equal(remote.act(seen()).joint_pos, [0.1] * N)
    assert remote.stats.stale == 1


def test_an_answer_of_an_earlier_session_is_never_acted_on(puppet: Puppet, remote: RemotePolicy) -> None:
    puppet.answers = lambda question: [good(question, 0.5)]
    remote.act(seen())
    before = puppet.questions[-1]
    remote.reset()
    puppet.answers = lambda question: [good(before, 9.0), good(question, 0.1)]
    np.testing.assert_array_equal(remote.act(seen()).joint_pos, [0.1] * N)
    assert before.seq == puppet.questions[-1].seq
    assert before.session != puppet.questions[-1].session


def test_silence_is_bridged_by_the_plan_then_ends_in_a_soft_stop(puppet: Puppet, hasty: RemotePolicy) -> None:
    while hasty.act(seen()).source != "policy":
        puppet.answers = lambda question: [good(question, 0.1, ticks=3)]
        hasty.reset()
    puppet.answers = lambda question: []
    bridge = [hasty.act(seen()) for _ in range(BRIDGED + 2)]
    assert [action.source for action in bridge] == ["policy", "policy", "hold", "safety", "safety"]
    np.testing.assert_allclose([action.joint_pos[0] for action in bridge], [0.11, 0.12, 0.12, 0.12, 0.12])
    assert hasty.stopped
    assert hasty.stats.stops == 1
    assert hasty.trouble == f"no answer within {QUICK * 1e3:g} ms"


def test_silence_from_the_start_holds_where_the_joints_are(hasty: RemotePolicy) -> None:
    where = SPEC.stand + 0.1
    where[3] = np.nan
    action = hasty.act(replace(seen(), joint_pos=where))
    assert action.source == "hold"
    np.testing.assert_allclose(action.joint_pos, np.where(np.isnan(where), SPEC.stand, where))


def test_a_soft_stop_lasts_until_the_reset(puppet: Puppet, hasty: RemotePolicy) -> None:
    assert sources(hasty, BRIDGED + 1)[-1] == "safety"
    asked = len(puppet.questions)
    puppet.answers = lambda question: [good(question)]
    assert sources(hasty, 3) == ["safety"] * 3
    assert len(puppet.questions) == asked
    assert resumed(hasty, seen()).source == "policy"


def test_an_answer_ends_the_bridging(puppet: Puppet, remote: RemotePolicy) -> None:
    puppet.answers = lambda question: [good(question)] if question.seq % 3 == 0 else [refuse(question)]
    assert sources(remote, 9) == ["hold", "hold", "policy"] * 3


def refuse(question: Question) -> Refusal:
    return Refusal("out of sorts", question.session, question.seq)


Misbehaviour = Callable[[Question], Sequence[Answer | bytes]]
UNUSABLE: dict[str, tuple[Misbehaviour, str]] = {
    "a refusal": (lambda question: [refuse(question)], "out of sorts"),
    "a refusal of something unreadable": (lambda question: [Refusal("not a request")], "not a request"),
    "another policy": (lambda question: [Welcome(question.session, b"{}")], "serves another policy"),
    "too few joints": (
        lambda question: [Reply(question.session, question.seq, 1.0, 0.0, [[0.0] * (N - 1)])],
        f"{N - 1} targets for {N} joints",
    ),
    "a command of another size": (
        lambda question: [Reply(question.session, question.seq, 1.0, 0.0, [[0.0] * N], (0.0, 0.0))],
        "a command of 2, not 3, entries",
    ),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_what_cannot_be_used_is_bridged_and_said(kind: str, puppet: Puppet, remote: RemotePolicy) -> None:
    puppet.answers, told = UNUSABLE[kind]
    assert sources(remote, BRIDGED + 1) == ["hold"] * BRIDGED + ["safety"]
    assert told in remote.trouble


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e6])
def test_a_target_that_is_no_angle_is_as_good_as_silence(value: float, puppet: Puppet, hasty: RemotePolicy) -> None:
    puppet.answers = lambda question: [good(question, value), b"", b"garbage", b"\xff" * 100]
    assert sources(hasty, BRIDGED + 1) == ["hold"] * BRIDGED + ["safety"]


def test_garbage_before_the_answer_does_not_hide_it(puppet: Puppet, remote: RemotePolicy) -> None:
    puppet.answers = lambda question: [b"garbage", good(question), b"more"]
    assert sources(remote, 5) == ["policy"] * 5


def test_each_tick_asks_with_a_greater_number_in_the_session_of_the_hello(puppet: Puppet, remote: RemotePolicy) -> None:
    puppet.answers = lambda question: [good(question)]
    sources(remote, 3)
    assert [question.seq for question in puppet.questions] == [1, 2, 3]
    assert {question.session for question in puppet.questions} == {puppet.hellos[-1].session}


def test_only_the_cameras_that_the_policy_looks_at_are_sent(tmp_path: Path) -> None:
    manifest = msgspec.structs.replace(describe("puppet", SPEC), cameras=("head",))
    images = {name: Image.blank(1.0, 16, 16) for name in ("tail", "head")}
    with Puppet(f"ipc://{tmp_path}/s", manifest).running() as puppet:
        puppet.answers = lambda question: [good(question)]
        with RemotePolicy(puppet.endpoint, SPEC, deadline=5.0) as remote:
            remote.reset()
            remote.act(seen(images=images))
        assert list(puppet.questions[-1].obs.images) == ["head"]


def test_a_policy_for_another_robot_is_refused_at_once(tmp_path: Path) -> None:
    arm = msgspec.structs.replace(SPEC, name="arm")
    told = f"arm {arm.hash} cannot drive pupper_v2 {SPEC.hash}"
    with (
        Puppet(f"ipc://{tmp_path}/s", describe("reach", arm)).running() as puppet,
        pytest.raises(PolicyError, match=told),
    ):
        RemotePolicy(puppet.endpoint, SPEC)


def test_nobody_there_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=f"ipc://{tmp_path}/s within 0.1 s; start one with `leash serve`"):
        RemotePolicy(f"ipc://{tmp_path}/s", SPEC, patience=0.1)


def test_a_server_that_says_no_is_one_line(tmp_path: Path) -> None:
    with (
        served(offer(), f"ipc://{tmp_path}/s", places=1) as endpoint,
        RemotePolicy(endpoint, SPEC),
        pytest.raises(ServerError, match="refused: all 1 places are taken"),
    ):
        RemotePolicy(endpoint, SPEC)


@pytest.mark.parametrize("endpoint", ["", "nonsense", "ipc://", "tcp://127.0.0.1", "http://127.0.0.1:80"])
def test_what_is_no_endpoint_is_one_line(endpoint: str) -> None:
    with pytest.raises(ServerError, match="is no endpoint"):
        RemotePolicy(endpoint, SPEC)


def test_a_path_too_long_for_a_socket_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="cannot reach"):
        RemotePolicy(f"ipc://{tmp_path}/{'x' * 200}", SPEC)


@given(st.floats(0.001, 1), st.floats(0, 10), st.floats(0.01, 0.1))
def test_a_tick_that_began_late_waits_less(deadline: float, late: float, period: float) -> None:
    waits = budget(deadline, late, period)
    assert SHORTEST <= waits <= max(deadline, SHORTEST)
    assert waits == SHORTEST or waits + late % period == pytest.approx(deadline)


def test_figures_before_the_first_answer_are_nan_not_zero(remote: RemotePolicy) -> None:
    figures = remote.stats.figures()
    assert figures["asked"] == 0
    assert math.isnan(figures["rtt_p50_ms"]) and math.isnan(figures["model_p99_ms"])


def test_an_operator_who_says_nothing_is_nan_at_the_server(puppet: Puppet, remote: RemotePolicy) -> None:
    puppet.answers = lambda question: [good(question)]
    remote.act(replace(seen(), command=unknown(3)))
    assert np.isnan(puppet.questions[-1].obs.command).all()


@pytest.mark.parametrize("instant", [0, 1, 7])
def test_a_killed_server_ends_in_a_soft_stop_and_its_successor_takes_over(instant: int, tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/s"
    with serving(endpoint) as process, RemotePolicy(endpoint, SPEC, deadline=1.0, patience=60.0) as remote:
        assert resumed(remote, seen()).source == "policy"
        for tick in range(instant):
            assert remote.act(seen(1.0 + tick / 20)).source == "policy"
        process.send_signal(signal.SIGKILL)
        process.wait()
        after = sources(remote, BRIDGED + 2)
        assert after[-2:] == ["safety", "safety"]
        assert set(after[:-2]) <= {"policy", "hold"}
        with serving(endpoint):
            assert resumed(remote, seen()).source == "policy"


def test_a_frozen_server_ends_in_a_soft_stop_and_may_be_resumed_when_it_thaws(tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/s"
    with serving(endpoint) as process, RemotePolicy(endpoint, SPEC, deadline=0.3, patience=60.0) as remote:
        resumed(remote, seen())
        process.send_signal(signal.SIGSTOP)
        after = sources(remote, BRIDGED + 1)
        assert after[-1] == "safety"
        process.send_signal(signal.SIGCONT)
        assert remote.act(seen()).source == "safety"
        actions = [resumed(remote, seen()), *(remote.act(seen(1.0 + tick / 20)) for tick in range(3))]
    assert all(isinstance(action, Action) and np.isfinite(action.joint_pos).all() for action in actions)


def test_hanging_up_behind_a_full_queue_does_not_take_the_server_along(tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/s"
    with serving(endpoint) as process:
        with RemotePolicy(endpoint, SPEC, deadline=QUICK, patience=60.0) as remote:
            process.send_signal(signal.SIGSTOP)
            for _ in range(20):
                remote.reset()
                remote.act(seen())
        process.send_signal(signal.SIGCONT)
        with RemotePolicy(endpoint, SPEC, deadline=1.0) as another:
            assert resumed(another, seen()).source == "policy"
        assert process.poll() is None


def test_hanging_up_is_quick_while_the_server_is_frozen(tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/s"
    with serving(endpoint) as process:
        remote = RemotePolicy(endpoint, SPEC, deadline=QUICK, patience=60.0)
        process.send_signal(signal.SIGSTOP)
        sources(remote, 2)
        remote.close()
        assert process.poll() is None
