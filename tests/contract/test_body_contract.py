"""What every `Body` keeps: ours and one of another distribution, in each kind that it has, through one registry."""

import contextlib
import math
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest

from leash_robot.policies.scripted.by_name import followed_commands, own_gait, scripted
from leash_robot.robot.bodies import registry
from leash_robot.robot.bodies.gated_robot import GatedRobot
from leash_robot.robot.bodies.registry import KINDS, Body, Kind, Simulated, Wiring
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.dataset.mcap.tick_schema import Layout
from leash_robot.robot.fake import FakeRobot, NoLog
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.loop import run
from leash_robot.robot.safety.codec import load_codec
from leash_robot.robot.safety.config import gate_config
from leash_robot.robot.safety.messages import GateConfig, check
from leash_robot.robot.safety.state import Write
from leash_robot.robot.types import Action, Observation, Robot, Tick
from support.desk_arm.distribution import ENTRIES, installed

NAMES = sorted({*registry.BUILT_IN, *ENTRIES})


@pytest.fixture(scope="module", autouse=True)
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with installed(tmp_path_factory.mktemp("site")):
        yield


@pytest.fixture(params=NAMES)
def body(request: pytest.FixtureRequest) -> Body:
    return registry.find(request.param)


@contextlib.contextmanager
def opened(body: Body, kind: Kind) -> Iterator[Robot]:
    how = Simulated(body.load_spec())
    if kind == "sim":
        with body.sim(how) as robot:
            yield robot
        return
    with body.twin(how) as twin, body.real(Wiring(how.spec, twin.port)) as machine, first_in_line(-10):
        assert machine.gate.ready
        yield machine
        assert machine.gate_stops == 0


@pytest.fixture(scope="module", params=[(name, kind) for name in NAMES for kind in KINDS if kind != "real"], ids=str)
def robot(request: pytest.FixtureRequest) -> Iterator[Robot]:
    name, kind = request.param
    with opened(registry.find(name), kind) as robot:
        yield robot


def test_its_spec_is_called_like_its_file(body: Body) -> None:
    spec = body.load_spec()
    assert registry.find_by_spec(spec.name) == body
    assert all(axis.limit > 0 and axis.slew > 0 for axis in spec.commanded)


def test_its_codec_makes_frames_of_every_decision(body: Body) -> None:
    spec = body.load_spec()
    config = gate(body)
    rest = tuple(spec.rest.tolist())
    for kind in ("arm", "target", "damp", "redamp", "release", "clear", "cut"):
        codec = load_codec(config)
        assert codec.rejected == 0 and codec.line == ""
        frames = codec.encode(Write(kind, rest if kind in {"arm", "target"} or config.retreat else ()))
        assert all(isinstance(frame, bytes) and frame for frame in frames)
        assert frames or kind in {"clear", "cut"}


def test_its_codec_believes_nothing_of_noise_and_nothing_moves_by_it(body: Body) -> None:
    codec = load_codec(gate(body))
    noise = np.random.default_rng(0).integers(0, 256, 20_000, np.uint8).tobytes()
    assert list(codec.feed(noise, 1.0)) == []
    if codec.due < math.inf:
        assert codec.poll(codec.due), "a robot that is polled is asked"
        assert codec.due < math.inf, "and asked again, should it not answer"


def test_its_own_gait_stands_without_a_command_and_has_as_many_joints(body: Body) -> None:
    spec = body.load_spec()
    gait = scripted(own_gait(spec), spec)
    gait.reset()
    with FakeRobot(spec) as robot:
        robot.reset()
        action = gait.act(robot.observe())
    assert np.allclose(action.joint_pos, spec.stand, atol=0.2)
    follows = followed_commands(own_gait(spec))
    assert follows is None or len(follows) == len(spec.commanded)


def test_its_ticks_fit_the_recording(body: Body) -> None:
    spec = body.load_spec()
    with FakeRobot(spec) as robot:
        robot.reset()
        tick = Tick(robot.observe(), Action(spec.stand), Action(spec.stand, np.zeros(len(spec.commanded))))
    layout = Layout.of(spec, ())
    rows = np.frombuffer(layout.pack(0, tick, ()), layout.dtype)
    assert rows["wanted"]["command"].shape == (1, len(spec.commanded))
    assert np.isnan(rows["wanted"]["command"]).all() and (rows["sent"]["command"] == 0).all()


def test_it_stands_observes_and_follows_its_command(robot: Robot) -> None:
    spec = robot.spec
    robot.reset()
    gait = scripted(own_gait(spec), spec)

    class Still:
        def reset(self) -> None: ...

        def act(self, obs: Observation) -> Action:
            return Action(spec.stand)

    assert run(robot, Still(), NoLog(), ticks=10) == 10
    obs = robot.observe()
    n = len(spec.joints)
    assert obs.joint_pos.shape == obs.joint_vel.shape == obs.joint_effort.shape == (n,)
    assert obs.command.shape == (len(spec.commanded),) and np.isnan(obs.command).all()
    assert np.abs(obs.joint_pos - spec.stand).max() < 0.2
    sent = robot.send(gait.act(obs))
    assert sent.joint_pos.shape == (n,)
    assert ((sent.joint_pos >= spec.lower - 1e-6) & (sent.joint_pos <= spec.upper + 1e-6)).all()


def test_it_goes_to_rest_and_back(robot: Robot) -> None:
    robot.reset()
    robot.rest()
    assert np.abs(robot.observe().joint_pos - robot.spec.rest).max() < 0.3
    robot.reset()
    assert np.abs(robot.observe().joint_pos - robot.spec.stand).max() < 0.2


def gate(body: Body) -> GateConfig:
    """The config of a body's gate, as its driver makes it and the gate reads it."""
    spec = body.load_spec()
    machine = body.real(Wiring(spec, "port"))
    assert isinstance(machine, GatedRobot)
    config = msgspec.msgpack.decode(msgspec.msgpack.encode(machine.gate_config()), type=GateConfig)
    plain = gate_config(spec, "port", Calibration.identity(spec), body.codec)
    assert (config.codec, config.names, config.lower) == (plain.codec, plain.names, plain.lower)
    return check(config)
