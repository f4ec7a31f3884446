"""The policy server: several robots, any message, only those who may, and a clean end."""

import contextlib
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leash_robot.launch.commands.serve import offer as offered
from leash_robot.policies.manifest import NetworkConfig, describe
from leash_robot.policies.networks.shapes import shapes
from leash_robot.policies.policy_file import save_policy
from leash_robot.policies.serving import server as policy_server
from leash_robot.policies.serving.client import RemotePolicy
from leash_robot.policies.serving.connection import ServerConnection
from leash_robot.policies.serving.endpoint import check_endpoint, tune
from leash_robot.policies.serving.keys import ClientKeys, ServerKeys, client_keys, new_keys, server_keys
from leash_robot.policies.serving.server import PolicyServer, serve
from leash_robot.robot.cameras.image import Image
from leash_robot.robot.encoding.feature_encoding import FeatureConfig
from leash_robot.robot.errors import PolicyError, ServerError
from leash_robot.robot.inference.protocol import (
    VERSION,
    Answer,
    Hello,
    Question,
    Refusal,
    Reply,
    Welcome,
    act_frames,
    encode,
    read_answer,
)
from leash_robot.robot.types import Action, Observation
from support.paths import ROOT
from support.serving import SPEC, N, offer, resumed, seen, serve_process, served, serving

LOCAL = "tcp://127.0.0.1:*"


class Caller:
    """One raw connection to a server that is turned by hand, so that nothing depends on time."""

    def __init__(self, server: PolicyServer) -> None:
        self._server = server
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.connect(server.endpoint)

    def __enter__(self) -> "Caller":
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()
        self._context.term()

    def send(self, *frames: bytes) -> None:
        self._socket.send_multipart(frames)

    def next(self) -> Answer:
        """The next answer; the server turns until it is there."""
        for _ in range(200):
            self._server.turn(0.05)
            if self._socket.poll(0):
                return read_answer(self._socket.recv_multipart())
        raise AssertionError("no answer")

    def ask(self, *frames: bytes) -> Answer:
        self.send(*frames)
        return self.next()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PolicyServer]:
    with PolicyServer(offer(), f"ipc://{tmp_path}/s", places=2) as running:
        yield running


@pytest.fixture
def caller(server: PolicyServer) -> Iterator[Caller]:
    with Caller(server) as connected:
        yield connected


def target(answer: Answer) -> float:
    assert isinstance(answer, Reply), answer
    return round(answer.chunk[0][0] * 100)


def test_each_robot_has_a_policy_and_a_past_of_its_own(server: PolicyServer) -> None:
    with Caller(server) as one, Caller(server) as two:
        assert isinstance(one.ask(encode(Hello(1))), Welcome)
        assert isinstance(two.ask(encode(Hello(1))), Welcome)
        assert [target(one.ask(*act_frames(1, seq, seen()))) for seq in (1, 2, 3)] == [1, 2, 3]
        assert [target(two.ask(*act_frames(1, seq, seen()))) for seq in (1, 2)] == [1, 2]
        assert target(one.ask(*act_frames(1, 4, seen()))) == 4


def test_a_reply_echoes_what_it_answers_and_carries_the_plan(caller: Caller) -> None:
    caller.ask(encode(Hello(5)))
    reply = caller.ask(*act_frames(5, 8, seen(time=2.5)))
    assert isinstance(reply, Reply)
    assert (reply.session, reply.seq, reply.time, reply.risk) == (5, 8, 2.5, 0.25)
    assert [row[0] for row in reply.chunk] == pytest.approx([0.01, 0.02, 0.03, 0.04])


def test_a_policy_that_plans_nothing_sends_one_target(tmp_path: Path) -> None:
    with PolicyServer(offered("stand", "pupper_v2"), f"ipc://{tmp_path}/s") as server, Caller(server) as caller:
        caller.ask(encode(Hello(1)))
        reply = caller.ask(*act_frames(1, 1, seen()))
        assert isinstance(reply, Reply)
        assert reply.chunk == [SPEC.stand.tolist()]


def test_a_new_session_resets_the_policy_and_ends_the_old_one(caller: Caller) -> None:
    caller.ask(encode(Hello(1)))
    assert [target(caller.ask(*act_frames(1, seq, seen()))) for seq in (1, 2)] == [1, 2]
    caller.ask(encode(Hello(2)))
    assert target(caller.ask(*act_frames(2, 1, seen()))) == 1
    answer = caller.ask(*act_frames(1, 3, seen()))
    assert isinstance(answer, Refusal) and "no such session" in answer.reason


def test_replayed_and_reordered_questions_are_refused(caller: Caller) -> None:
    caller.ask(encode(Hello(1)))
    caller.ask(*act_frames(1, 5, seen()))
    for seq in (5, 4, 0):
        answer = caller.ask(*act_frames(1, seq, seen()))
        assert isinstance(answer, Refusal) and answer.seq == seq
    assert target(caller.ask(*act_frames(1, 6, seen()))) == 2


def test_of_a_backlog_only_the_newest_question_is_answered(server: PolicyServer, caller: Caller) -> None:
    caller.ask(encode(Hello(1)))
    for seq in range(1, 6):
        caller.send(*act_frames(1, seq, seen()))
    replies: list[Reply] = []
    while not replies or replies[-1].seq != 5:
        answer = caller.next()
        assert isinstance(answer, Reply)
        replies.append(answer)
    assert [reply.seq for reply in replies] == sorted({reply.seq for reply in replies})


def test_another_version_is_told_what_to_do(caller: Caller) -> None:
    answer = caller.ask(encode(Hello(1, VERSION + 1)))
    assert isinstance(answer, Refusal)
    assert f"version {VERSION + 1}, this server {VERSION}" in answer.reason


def test_the_wrong_number_of_joints_and_a_missing_camera_are_refused(tmp_path: Path) -> None:
    with PolicyServer(offer(cameras=("head",)), f"ipc://{tmp_path}/s") as server, Caller(server) as caller:
        caller.ask(encode(Hello(1)))
        image = {"head": Image.blank(1.0, 16, 16)}
        row = np.zeros(N - 1)
        few = replace(seen(images=image), joint_pos=row, joint_vel=row, joint_effort=row)
        odd = replace(seen(images=image), command=np.zeros(2))
        refused = ((few, f"{N - 1} joints seen"), (odd, "a command of 2, not 3"), (seen(), "no image from ['head']"))
        for obs, told in refused:
            answer = caller.ask(*act_frames(1, 1, obs))
            assert isinstance(answer, Refusal) and told in answer.reason
            caller.ask(encode(Hello(1)))
        assert target(caller.ask(*act_frames(1, 1, seen(images=image)))) == 1


class Broken:
    """Fits `Policy`: asks for what is no angle, and later misses something."""

    def reset(self) -> None:
        return None

    def act(self, obs: Observation) -> Action:
        if obs.time > 2:
            raise PolicyError("not measured: gravity")
        return Action(np.full(N, np.nan))


def test_a_policy_that_fails_is_a_refusal_and_a_note(tmp_path: Path) -> None:
    notes: list[str] = []
    with PolicyServer(offer(Broken), f"ipc://{tmp_path}/s", note=notes.append) as server, Caller(server) as caller:
        caller.ask(encode(Hello(1)))
        for seq, (time, told) in enumerate(((1.0, "not finite"), (3.0, "not measured: gravity")), 1):
            answer = caller.ask(*act_frames(1, seq, seen(time)))
            assert isinstance(answer, Refusal) and told in answer.reason
            assert told in notes[-1]


def test_places_are_limited_and_go_to_those_who_use_them(server: PolicyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with Caller(server) as one, Caller(server) as two, Caller(server) as three:
        one.ask(encode(Hello(1)))
        two.ask(encode(Hello(2)))
        answer = three.ask(encode(Hello(3)))
        assert isinstance(answer, Refusal) and "all 2 places are taken" in answer.reason
        monkeypatch.setattr(policy_server, "IDLE", 0.0)
        assert isinstance(three.ask(encode(Hello(3))), Welcome)
        answer = one.ask(*act_frames(1, 1, seen()))
        assert isinstance(answer, Refusal) and "no such session" in answer.reason


frames = st.lists(st.binary(max_size=300), min_size=1, max_size=12)
requests = st.sampled_from([[encode(Hello(9))], act_frames(9, 1, seen()), [encode(Refusal("no"))]])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(messages=st.lists(frames | requests, min_size=1, max_size=5), data=st.data())
def test_no_message_stops_the_server(messages: list[list[bytes]], data: st.DataObject, server: PolicyServer) -> None:
    with Caller(server) as stranger:
        for message in messages:
            bent = [bytearray(frame) for frame in message]
            if bent[0] and data.draw(st.booleans()):
                bent[0][data.draw(st.integers(0, len(bent[0]) - 1))] ^= data.draw(st.integers(1, 255))
            stranger.send(*map(bytes, bent))
        with Caller(server) as robot:
            assert isinstance(robot.ask(encode(Hello(1))), Welcome | Refusal)


def test_a_message_over_the_cap_costs_the_sender_its_connection_and_nobody_else(server: PolicyServer) -> None:
    with Caller(server) as robot, Caller(server) as flood:
        robot.ask(encode(Hello(1)))
        flood.send(encode(Hello(2)), bytes(5 * 2**20))
        assert [target(robot.ask(*act_frames(1, seq, seen()))) for seq in (1, 2)] == [1, 2]


def test_a_robot_that_never_reads_does_not_hold_up_another(server: PolicyServer) -> None:
    with Caller(server) as deaf, Caller(server) as robot:
        deaf.ask(encode(Hello(1)))
        robot.ask(encode(Hello(1)))
        for seq in range(1, 200):
            deaf.send(*act_frames(1, seq, seen()))
            assert target(robot.ask(*act_frames(1, seq, seen()))) == seq


def test_two_robots_drive_through_one_server_process(tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/s"
    with contextlib.ExitStack() as opened:
        opened.enter_context(serving(endpoint))
        one, two = (opened.enter_context(RemotePolicy(endpoint, SPEC, deadline=5.0, patience=60.0)) for _ in range(2))
        one.reset()
        two.reset()
        for tick in range(20):
            walking = one.act(seen(1.0 + tick / 20))
            standing = two.act(replace(seen(1.0 + tick / 20), command=np.zeros(3)))
            np.testing.assert_array_equal(standing.joint_pos, SPEC.stand)
        assert not np.allclose(walking.joint_pos, SPEC.stand)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_server_process_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/s"
    with serving(endpoint) as process:
        RemotePolicy(endpoint, SPEC, patience=60.0).close()
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 128 + number, errors
        assert "Traceback" not in errors


def test_a_second_server_does_not_take_the_address_of_the_first(tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/s"
    with serving(endpoint), RemotePolicy(endpoint, SPEC, deadline=5.0, patience=60.0) as remote:
        second = serve_process(endpoint)
        _, errors = second.communicate(timeout=60)
        assert second.returncode == 2
        assert f"a server is already reached at {endpoint}" in errors.splitlines()[-1]
        assert resumed(remote, seen()).source == "policy"


def test_a_tcp_port_in_use_is_one_line() -> None:
    with served(offer(), LOCAL) as endpoint:
        second = PolicyServer(offer(), endpoint)
        with pytest.raises(ServerError, match="choose another --endpoint"):
            second.__enter__()


def test_the_socket_file_is_for_its_owner_only(tmp_path: Path) -> None:
    before = os.umask(0o022)
    os.umask(before)
    with PolicyServer(offer(), f"ipc://{tmp_path}/s"):
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
    after = os.umask(before)
    assert after == before


def test_serving_ends_when_it_is_told(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    serve(offer(), f"ipc://{tmp_path}/s", stop)


@pytest.mark.parametrize(
    "endpoint",
    ["tcp://0.0.0.0:5555", "tcp://*:5555", "tcp://192.168.1.20:5555", "tcp://robot.local:5555", "tcp://[::]:5555"],
)
def test_beyond_loopback_nothing_is_served_without_keys(endpoint: str) -> None:
    with pytest.raises(ServerError, match="make keys with `leash keys new`"):
        PolicyServer(offer(), endpoint)
    with pytest.raises(ServerError, match="make keys with `leash keys new`"):
        ServerConnection(endpoint)
    check_endpoint(endpoint, keys=True)


@pytest.mark.parametrize("port", [0, 65536, 99999])
def test_a_port_that_cannot_be_is_refused_by_name(port: int) -> None:
    with pytest.raises(ServerError, match=f"there is no port {port}; give one from 1 to 65535"):
        check_endpoint(f"tcp://127.0.0.1:{port}", keys=False)


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:5555", "tcp://localhost:*", "tcp://[::1]:5555", "ipc:///tmp/s"])
def test_on_this_machine_no_keys_are_needed(endpoint: str) -> None:
    check_endpoint(endpoint, keys=False)


@pytest.fixture
def keys(tmp_path: Path) -> tuple[ServerKeys, ClientKeys]:
    new_keys(tmp_path / "keys")
    return server_keys(tmp_path / "keys"), client_keys(tmp_path / "keys")


def test_a_robot_on_the_list_is_let_in_over_curve(keys: tuple[ServerKeys, ClientKeys], tmp_path: Path) -> None:
    with contextlib.ExitStack() as opened:
        endpoint = opened.enter_context(served(offer(), LOCAL, keys=keys[0]))
        remote = opened.enter_context(RemotePolicy(endpoint, SPEC, keys=tmp_path / "keys", deadline=5.0))
        assert resumed(remote, seen()).source == "policy"


def stranger(folder: Path, server: bytes) -> ClientKeys:
    """Somebody who made keys of their own and knows the server's public key."""
    new_keys(folder)
    return replace(client_keys(folder), server=server)


@pytest.mark.parametrize("who", ["without keys", "with keys of their own", "who expects another server"])
def test_who_is_not_on_the_list_gets_no_word_in(
    who: str, keys: tuple[ServerKeys, ClientKeys], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[list[bytes]] = []
    take = PolicyServer._take

    def listen(self: PolicyServer, identity: bytes, frames: list[bytes], questions: dict[bytes, Question]) -> None:
        heard.append(frames)
        take(self, identity, frames, questions)

    monkeypatch.setattr(PolicyServer, "_take", listen)
    theirs = {
        "without keys": None,
        "with keys of their own": stranger(tmp_path / "other", keys[0].public),
        "who expects another server": replace(keys[1], server=stranger(tmp_path / "third", b"").public),
    }[who]
    with served(offer(), LOCAL, keys=keys[0]) as endpoint:
        with pytest.raises(ServerError, match=r"^the server at .* refused: "):
            RemotePolicy(endpoint, SPEC, keys=theirs, patience=0.5)
        assert heard == []
        RemotePolicy(endpoint, SPEC, keys=keys[1]).close()
        assert heard != []


def test_without_its_authenticator_a_server_lets_nobody_in(
    keys: tuple[ServerKeys, ClientKeys], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Absent:
        def stop(self) -> None:
            return None

    monkeypatch.setattr(policy_server, "_let_in", lambda context, keys: Absent())
    with (
        served(offer(), LOCAL, keys=keys[0]) as endpoint,
        pytest.raises(ServerError, match=r"^the server at .* refused: "),
    ):
        RemotePolicy(endpoint, SPEC, keys=keys[1], patience=0.5)


def test_a_handshake_may_not_take_long(tmp_path: Path) -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        tune(socket)
        assert socket.getsockopt(zmq.HANDSHAKE_IVL) == 2000
        assert socket.getsockopt(zmq.MAXMSGSIZE) == 4 * 2**20


def test_a_policy_file_is_served_and_its_manifest_told(tmp_path: Path) -> None:
    network, features = NetworkConfig(members=2, hidden=(8,)), FeatureConfig()
    manifest = msgspec.structs.replace(describe("bc", SPEC), features=features, network=network, box=(0.4,) * N)
    rng = np.random.default_rng(0)
    sizes = shapes(network, features.width(N), network.horizon * N)
    weights = {name: rng.normal(0, 0.1, shape).astype(np.float32) for name, shape in sizes.items()}
    save_policy(tmp_path / "walk.safetensors", msgspec.structs.replace(manifest, needs_imu=True), weights)
    with contextlib.ExitStack() as opened:
        walking = offered(str(tmp_path / "walk.safetensors"), "pupper_v2")
        endpoint = opened.enter_context(served(walking, f"ipc://{tmp_path}/s"))
        remote = opened.enter_context(RemotePolicy(endpoint, SPEC, deadline=5.0))
        assert remote.manifest.kind == "bc" and remote.manifest.needs_imu
        assert resumed(remote, seen()).source == "policy"
        assert remote.act(replace(seen(), gravity=np.full(3, np.nan))).source == "policy"
        assert "not measured: gravity" in remote.trouble


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["missing.safetensors"], "no policy file 'missing.safetensors'; give a file or one of ['stand', 'trot']"),
        (["trot", "--spec", "gone"], "no robot is called 'gone'"),
        (["trot", "--endpoint", "tcp://0.0.0.0:5555"], "leash keys new"),
        (["trot", "--endpoint", "nowhere"], "is no endpoint"),
        (["trot", "--keys", "nokeys"], "there is no key nokeys/server.key_secret; make keys with"),
        (["README.md"], "no policy file"),
    ],
)
def test_what_cannot_be_served_is_one_line_and_exit_code_2(arguments: list[str], told: str) -> None:
    command = [sys.executable, "-m", "leash_robot.launch.cli", "serve", *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert told in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
