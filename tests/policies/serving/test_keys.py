"""Keys: private, never overwritten, and each machine has just its own."""

import stat
from pathlib import Path

import pytest

from leash_robot.launch.commands import keys as command
from leash_robot.policies.serving.keys import ClientKeys, ServerKeys, client_keys, new_keys, server_keys
from leash_robot.robot.errors import ServerError


def robots_copy(folder: Path, target: Path, name: str = "robot") -> Path:
    """What the robot's computer has."""
    target.mkdir()
    for file in (f"{name}.key_secret", "server.key"):
        (target / file).write_bytes((folder / file).read_bytes())
        (target / file).chmod(0o600)
    return target


def test_new_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    made = new_keys(tmp_path / "keys")
    assert {path.name for path in made} == {"server.key", "server.key_secret", "robot.key", "robot.key_secret"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o600}
    assert sorted(path for path in (tmp_path / "keys").rglob("*") if path.is_file()) == sorted(made)


def test_both_sides_read_what_belongs_to_them(tmp_path: Path) -> None:
    new_keys(tmp_path / "keys")
    server = server_keys(tmp_path / "keys")
    robot = client_keys(robots_copy(tmp_path / "keys", tmp_path / "robot"))
    assert robot.server == server.public
    assert robot.public.decode() in (server.allowed / "robot.key").read_text()
    assert len({robot.secret, server.secret, robot.public, server.public}) == 4


def test_another_robot_gets_a_pair_of_its_own_beside_the_same_server(tmp_path: Path) -> None:
    new_keys(tmp_path / "keys")
    before = server_keys(tmp_path / "keys")
    made = new_keys(tmp_path / "keys", "second")
    assert {path.name for path in made} == {"second.key", "second.key_secret"}
    assert server_keys(tmp_path / "keys") == before
    assert len(list(before.allowed.iterdir())) == 2


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    made = {path: path.read_bytes() for path in new_keys(tmp_path)}
    with pytest.raises(ServerError, match="exists already"):
        new_keys(tmp_path)
    assert {path: path.read_bytes() for path in made} == made


@pytest.mark.parametrize("name", ["server", "", "../up", "a b", "x" * 33, "a\nb"])
def test_a_name_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="cannot name a client"):
        new_keys(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServerError, match="choose another --folder"):
        new_keys(tmp_path / "file" / "keys")


def test_a_secret_that_others_can_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    new_keys(tmp_path)
    (tmp_path / "server.key_secret").chmod(0o640)
    with pytest.raises(ServerError, match="chmod 600"):
        server_keys(tmp_path)


def test_missing_and_damaged_keys_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="leash keys new"):
        server_keys(tmp_path)
    with pytest.raises(ServerError, match="0 clients' secret keys"):
        client_keys(tmp_path)
    new_keys(tmp_path)
    (tmp_path / "server.key_secret").write_bytes((tmp_path / "server.key").read_bytes())
    with pytest.raises(ServerError, match="no secret key"):
        server_keys(tmp_path)
    (tmp_path / "server.key").write_text("nonsense")
    with pytest.raises(ServerError, match="cannot read the key"):
        client_keys(tmp_path)


def test_a_server_that_nobody_may_call_is_refused(tmp_path: Path) -> None:
    new_keys(tmp_path)
    (tmp_path / "allowed" / "robot.key").unlink()
    with pytest.raises(ServerError, match="nobody could call"):
        server_keys(tmp_path)


def test_a_folder_with_the_secrets_of_two_robots_is_refused(tmp_path: Path) -> None:
    new_keys(tmp_path)
    new_keys(tmp_path, "second")
    with pytest.raises(ServerError, match="2 clients' secret keys"):
        client_keys(tmp_path)


def test_secrets_do_not_show_in_what_is_printed(tmp_path: Path) -> None:
    new_keys(tmp_path)
    keys: list[ServerKeys | ClientKeys] = [server_keys(tmp_path), client_keys(tmp_path)]
    for pair in keys:
        assert repr(pair.secret) not in repr(pair)


def test_the_command_says_what_belongs_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["new", "--folder", str(tmp_path / "keys"), "--name", "pupper", "--json"]) == 0
    printed = capsys.readouterr()
    secret = (tmp_path / "keys" / "pupper.key_secret").read_text().split('"')[3]
    assert "pupper.key_secret" in printed.out
    assert secret not in printed.out + printed.err
