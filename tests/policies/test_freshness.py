"""Nothing old is acted upon: neither an old picture nor an old joint state, wherever the policy runs."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leash_robot.policies.freshness import HELD, JOINTS, Fresh, Input, expiry, too_old, too_slow, usable
from leash_robot.policies.image_observation import PixelsConfig
from leash_robot.policies.manifest import Manifest, describe, from_json, to_json, with_camera_age
from leash_robot.policies.serving.client import RemotePolicy
from leash_robot.robot.cameras.image import Image
from leash_robot.robot.clock import VirtualClock
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.types import Action, Observation
from support.serving import SPEC, Puppet, good, offer, seen, served

BOUNDS = {JOINTS: Input(max_age=0.1), "head": Input(), "tail": Input(max_age=0.5, optional=True)}


NOW = 100.0


def picture(age: float, now: float = NOW) -> Image:
    return Image.blank(now - age, 16, 16)


class Watching:
    """A policy that notes what it was shown."""

    def __init__(self, thinking: Callable[[], None] = lambda: None) -> None:
        self.shown: list[Observation] = []
        self._thinking = thinking

    def reset(self) -> None:
        return None

    def act(self, obs: Observation) -> Action:
        self.shown.append(obs)
        self._thinking()
        return Action(SPEC.stand + 0.01 * len(self.shown))


def watched(**ages: float) -> Observation:
    return seen(NOW, {name: picture(age) for name, age in ages.items()})


@given(st.floats(0, 0.19), st.floats(0.201, 1e6))
def test_a_picture_counts_until_its_bound(young: float, old: float) -> None:
    assert too_old(BOUNDS, watched(head=young), NOW) == ""
    assert "the picture from camera 'head' is" in too_old(BOUNDS, watched(head=old), NOW)


@pytest.mark.parametrize(
    ("obs", "says"),
    [
        (watched(), "there is no picture from camera 'head'; add --camera on"),
        (watched(head=0.34), "'head' is 340 ms old, allowed are 200 ms; check its cable"),
        (watched(head=math.nan), "'head' is nan ms old"),
        (watched(head=-0.05), "'head' is stamped 50 ms ahead of the robot's clock"),
        (replace(watched(head=0.0), time=99.7), "the joint state is 300 ms old, allowed are 100 ms"),
        (replace(watched(head=0.0), time=-math.inf), "the joint state is inf ms old"),
    ],
    ids=["never came", "old", "no time", "from the future", "old joints", "no joints yet"],
)
def test_what_is_too_old_is_named_with_its_age_and_its_bound(obs: Observation, says: str) -> None:
    assert says in too_old(BOUNDS, obs, NOW)


def test_an_optional_picture_that_is_old_is_left_out_and_so_is_what_nobody_declared() -> None:
    obs = watched(head=0.1, tail=0.6, ceiling=0.0)
    assert too_old(BOUNDS, obs, NOW) == ""
    assert list(usable(BOUNDS, obs, NOW).images) == ["head"]
    assert list(usable(BOUNDS, watched(head=0.1, tail=0.4), NOW).images) == ["head", "tail"]


def test_a_camera_that_is_slower_than_its_bound_is_named() -> None:
    (line,) = too_slow(BOUNDS, {"head": 4.0, "tail": 4.0, "ceiling": 0.1})
    assert line == "camera head delivers 4 pictures a second; the policy needs one every 200 ms"
    assert too_slow(BOUNDS, {"head": 5.0}) == too_slow(BOUNDS, {}) == []


def test_an_action_expires_with_the_first_picture_it_was_computed_from() -> None:
    assert expiry(BOUNDS, watched(head=0.05, tail=0.4).images) == pytest.approx(100.1)
    assert expiry(BOUNDS, {}) == math.inf


# --- the wrapper, for policies in this process ------------------------------------------------------------------------


def test_without_a_fresh_picture_the_last_target_is_held_then_a_soft_stop_is_asked_for_until_reset() -> None:
    inner = Watching()
    policy = Fresh(inner, BOUNDS)
    policy.reset()
    acted = policy.act(watched(head=0.0))
    after = [policy.act(watched(head=8.0)) for _ in range(HELD + 1)]
    assert [action.source for action in after] == ["hold"] * HELD + ["safety"]
    assert all(np.array_equal(action.joint_pos, acted.joint_pos) for action in after)
    assert len(inner.shown) == 1
    assert policy.act(watched(head=0.0)).source == "safety", "only a reset goes on"
    assert policy.stopped and "camera 'head' is 8000 ms old" in policy.trouble
    policy.reset()
    assert policy.act(watched(head=0.0)).source == "policy"
    assert policy.trouble == ""


def test_a_short_gap_is_held_and_then_forgotten() -> None:
    policy = Fresh(Watching(), BOUNDS)
    for _ in range(5):
        assert [policy.act(watched(head=age)).source for age in (0.0, 0.3, 0.3, 0.3)] == ["policy"] + ["hold"] * HELD


def test_a_picture_that_gets_too_old_while_the_policy_thinks_is_not_acted_upon() -> None:
    clock = VirtualClock(100.0)
    policy = Fresh(Watching(lambda: clock.advance(0.15)), {"head": Input()}, clock)
    assert policy.act(watched(head=0.04)).source == "policy"
    assert policy.act(watched(head=0.06)).source == "hold"
    assert "is 210 ms old" in policy.trouble


def test_the_joints_are_held_where_they_are_when_there_never_was_a_picture() -> None:
    action = Fresh(Watching(), BOUNDS).act(seen(NOW))
    assert action.source == "hold"
    np.testing.assert_array_equal(action.joint_pos, SPEC.stand)


# --- behind a server --------------------------------------------------------------------------------------------------


def looking(**inputs: Input) -> Manifest:
    wide = Input(max_age=10.0)
    return msgspec.structs.replace(describe("puppet", SPEC), cameras=("head",), inputs={JOINTS: wide} | inputs)


@pytest.fixture
def puppet(tmp_path: Path) -> Iterator[Puppet]:
    with Puppet(f"ipc://{tmp_path}/s", looking(head=Input(max_age=5.0))).running() as running:
        running.answers = lambda question: [good(question, ticks=4)]
        yield running


@pytest.fixture
def remote(puppet: Puppet) -> Iterator[RemotePolicy]:
    with RemotePolicy(puppet.endpoint, SPEC, deadline=4.0) as connected:
        connected.reset()
        yield connected


def test_a_server_is_not_asked_about_an_old_picture(puppet: Puppet, remote: RemotePolicy) -> None:
    assert remote.act(watched(head=0.0)).source == "policy"
    after = [remote.act(watched(head=8.0)) for _ in range(HELD + 1)]
    assert after[-1].source == "safety" and remote.stopped
    assert len(puppet.questions) == 1
    assert remote.blame == remote.trouble
    assert "camera 'head' is 8000 ms old, allowed are 5000 ms" in remote.blame


def test_the_rest_of_a_plan_is_not_carried_out_once_its_picture_is_too_old(
    puppet: Puppet, remote: RemotePolicy
) -> None:
    acted = remote.act(watched(head=4.0))
    assert acted.source == "policy" and acted.expires == pytest.approx(101.0)
    gone = {"head": picture(9.0)}
    bridged = [remote.act(seen(now, gone)) for now in (100.05, 101.05)]
    assert [action.source for action in bridged] == ["policy", "hold"]
    assert bridged[0].expires == pytest.approx(101.0)


def test_a_reply_that_comes_when_the_picture_is_too_old_is_not_acted_upon(
    puppet: Puppet, remote: RemotePolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    ages = iter([0.0, 0.0, 3.0, 3.0])
    monkeypatch.setattr("leash_robot.policies.serving.client.since", lambda began: next(ages))
    assert remote.act(watched(head=2.5)).source == "policy"
    assert remote.act(watched(head=2.5)).source == "policy"
    remote.reset()
    assert remote.act(watched(head=2.5)).source == "hold"
    assert "is 5500 ms old" in remote.trouble


def test_the_servers_own_failure_is_still_the_servers(puppet: Puppet, remote: RemotePolicy) -> None:
    puppet.answers = lambda question: []
    remote._deadline = 0.01
    remote.act(watched(head=0.0))
    assert remote.blame == "the policy server failed: no answer within 10 ms"


def test_a_server_refuses_what_another_client_sends_too_late(tmp_path: Path) -> None:
    watching = Watching()
    offered = offer(lambda: watching, cameras=("head",))
    with served(offered, f"ipc://{tmp_path}/s") as endpoint, RemotePolicy(endpoint, SPEC, deadline=5.0) as client:
        client._bounds = {"head": Input(max_age=10.0)}
        client.reset()
        assert client.act(watched(head=0.3)).source == "hold"
        assert "camera 'head' is 300 ms old, allowed are 200 ms" in client.trouble
    assert watching.shown == []


# --- the manifest -----------------------------------------------------------------------------------------------------


def test_a_file_from_before_the_entry_has_the_defaults() -> None:
    manifest = msgspec.structs.replace(describe("pixels", SPEC), cameras=("head",))
    old = msgspec.json.decode(to_json(manifest))
    del old["inputs"]
    bounds = from_json(msgspec.json.encode(old)).bounds
    assert bounds == {JOINTS: Input(max_age=0.1), "head": Input(max_age=0.2, optional=False)}


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"tail": Input()}, r"bounds the age of \['tail'\]; its cameras are \['head'\]"),
        ({JOINTS: Input(optional=True)}, "only cameras can be"),
        ({"head": {"max_age": -1.0}}, "max_age"),
    ],
    ids=["a camera it does not look at", "joints optional", "no age"],
)
def test_a_manifest_that_bounds_nonsense_is_refused(inputs: dict[str, Input], says: str) -> None:
    manifest = msgspec.structs.replace(describe("pixels", SPEC), cameras=("head",), inputs=inputs)
    with pytest.raises(PolicyError, match=says):
        from_json(to_json(manifest))


def test_another_bound_on_pictures_leaves_what_else_was_declared() -> None:
    declared = {JOINTS: Input(max_age=0.3), "tail": Input(optional=True)}
    manifest = msgspec.structs.replace(describe("puppet", SPEC), cameras=("head", "tail"), inputs=declared)
    bounds = from_json(to_json(with_camera_age(manifest, 0.4))).bounds
    assert bounds == {JOINTS: Input(max_age=0.3), "head": Input(max_age=0.4), "tail": Input(0.4, optional=True)}


def test_the_only_camera_of_an_image_policy_cannot_be_optional() -> None:
    steering = msgspec.structs.replace(describe("pixels", SPEC), cameras=("head",), pixels=PixelsConfig(), body=SPEC)
    from_json(to_json(steering))
    blind = msgspec.structs.replace(steering, inputs={"head": Input(optional=True)})
    with pytest.raises(PolicyError, match="'head' optional; the policy sees nothing else"):
        from_json(to_json(blind))
