"""A policy server that will never answer is not waited for: its process died, or one of the two keys is wrong."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from leash_robot.launch.composition.plan import load_plan
from leash_robot.launch.composition.policies import open_policy
from leash_robot.policies.serving.client import RemotePolicy
from leash_robot.policies.serving.keys import ClientKeys, client_keys, new_keys, server_keys
from leash_robot.robot.errors import ServerError
from support.serving import SPEC, offer, served

PATIENCE = 60.0
ANYWHERE = "tcp://127.0.0.1:*"


@pytest.fixture
def ours(tmp_path: Path) -> ClientKeys:
    new_keys(tmp_path / "ours")
    return client_keys(tmp_path / "ours")


@pytest.fixture
def theirs(tmp_path: Path) -> ClientKeys:
    new_keys(tmp_path / "theirs")
    return client_keys(tmp_path / "theirs")


@pytest.fixture
def locked(tmp_path: Path, ours: ClientKeys) -> Iterator[str]:
    """A server that lets in our key alone."""
    with served(offer(), ANYWHERE, keys=server_keys(tmp_path / "ours")) as endpoint:
        yield endpoint


def refused(endpoint: str, keys: ClientKeys | None) -> str:
    started = time.monotonic()
    with pytest.raises(ServerError) as error:
        RemotePolicy(endpoint, SPEC, keys=keys, patience=PATIENCE)
    assert time.monotonic() - started < PATIENCE / 3
    return str(error.value)


def test_a_robot_whose_key_the_server_does_not_know_is_told_so(
    locked: str, ours: ClientKeys, theirs: ClientKeys
) -> None:
    assert "does not know this robot's key" in refused(locked, replace(theirs, server=ours.server))


def test_another_servers_key_is_named(locked: str, ours: ClientKeys, theirs: ClientKeys) -> None:
    assert "another key than the server.key here" in refused(locked, replace(ours, server=theirs.server))


def test_a_robot_without_keys_is_told_that_they_are_needed(locked: str) -> None:
    assert "only one of the two sides uses keys" in refused(locked, None)


def test_a_server_without_keys_is_named_to_a_robot_with_keys(ours: ClientKeys) -> None:
    with served(offer(), ANYWHERE) as endpoint:
        assert "only one of the two sides uses keys" in refused(endpoint, ours)


def test_a_server_process_that_dies_at_once_is_not_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "broken.safetensors"
    file.write_bytes(b"no policy")
    started = time.monotonic()
    with (
        pytest.raises(ServerError, match=r"the policy server failed to start: .*broken\.safetensors"),
        open_policy(str(file), SPEC, load_plan("twin")),
    ):
        pass
    assert time.monotonic() - started < 40.0
