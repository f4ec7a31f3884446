"""A port is opened once, read without waiting, and written whole or not at all."""

import contextlib
import errno
import os
import pty
import select
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from leash_robot.robot.serial.line import SerialLine

Asked = tuple[list[int], list[int], list[int], float]


@pytest.fixture
def ends() -> Iterator[tuple[int, str]]:
    """The master side and the path of a pseudo-terminal."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    os.close(slave)
    if master_is_open(master):
        os.close(master)


def master_is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def test_bytes_pass_unchanged_both_ways(ends: tuple[int, str]) -> None:
    master, path = ends
    line = SerialLine(path)
    every = bytes(range(256))
    assert line.read() == b""
    line.write(every)
    assert os.read(master, 512) == every
    os.write(master, every)
    received = b""
    while len(received) < 256:
        received += line.read()
    assert received == every
    line.close()


def test_a_port_has_one_owner(ends: tuple[int, str]) -> None:
    line = SerialLine(ends[1])
    with pytest.raises(OSError) as caught:
        SerialLine(ends[1])
    assert caught.value.errno == errno.EAGAIN
    line.close()
    SerialLine(ends[1]).close()


def test_what_is_no_terminal_is_no_port(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError) as caught:
        SerialLine(str(tmp_path / "file"))
    assert caught.value.errno == errno.ENOTTY


def test_a_device_that_went_away_is_an_error_to_read_and_to_write(ends: tuple[int, str]) -> None:
    line = SerialLine(ends[1])
    os.close(ends[0])
    with pytest.raises(OSError):
        line.read()
    with pytest.raises(OSError):
        line.write(b"x")
    line.close()


def test_an_end_of_file_is_a_device_that_went_away(tmp_path: Path, ends: tuple[int, str]) -> None:
    line = SerialLine(ends[1])
    empty = os.open(tmp_path / "empty", os.O_CREAT | os.O_RDONLY)
    os.dup2(empty, line.fd)
    os.close(empty)
    with pytest.raises(OSError, match="gone"):
        line.read()
    line.close()


def test_a_full_buffer_is_given_up_in_the_end(ends: tuple[int, str]) -> None:
    line = SerialLine(ends[1])
    with pytest.raises(OSError, match="takes no bytes"):
        line.write(bytes(1 << 20))
    line.close()


def test_a_full_buffer_is_waited_for(ends: tuple[int, str], monkeypatch: pytest.MonkeyPatch) -> None:
    master, path = ends
    line = SerialLine(path)
    fill(line.fd)
    wait = select.select

    def once_somebody_reads(*asked: *Asked) -> tuple[list[int], list[int], list[int]]:
        os.read(master, 1 << 16)
        return wait(*asked)

    monkeypatch.setattr(select, "select", once_somebody_reads)
    line.write(b"whole")
    line.close()


def fill(fd: int) -> None:
    """Write until there is no room."""
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(fd, bytes(4096))


def test_a_speed_that_no_port_has_is_named(ends: tuple[int, str]) -> None:
    with pytest.raises(OSError, match="does not run at 123 baud"):
        SerialLine(ends[1], 123)
    SerialLine(ends[1], 1_000_000).close()
