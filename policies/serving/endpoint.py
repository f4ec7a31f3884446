"""Where a policy server is reached, and how both ends of the line set their sockets."""

import ipaddress
import re

import zmq

from leash_robot.robot.errors import ServerError
from leash_robot.robot.inference.protocol import MAX_MESSAGE

ZAP_DOMAIN = b"leash"
_TCP = re.compile(r"tcp://(?P<host>\[[0-9a-fA-F:]+\]|[^:/\s]+):(?P<port>\d{1,5}|\*)")


def check_endpoint(endpoint: str, *, keys: bool) -> None:
    """Raise ServerError unless this is ipc:// or tcp:// on loopback, or tcp:// anywhere with keys."""
    if endpoint.startswith("ipc://") and len(endpoint) > len("ipc://"):
        return
    match = _TCP.fullmatch(endpoint)
    if match is None:
        raise ServerError(f"{endpoint!r} is no endpoint; write ipc:///path/to/socket or tcp://127.0.0.1:5555")
    if match["port"] != "*" and not 0 < int(match["port"]) < 65536:
        raise ServerError(f"{endpoint}: there is no port {match['port']}; give one from 1 to 65535")
    if not keys and not _is_loopback(match["host"].strip("[]")):
        raise ServerError(f"{endpoint} is open to other machines; make keys with `leash keys new` and give --keys")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def tune(socket: zmq.Socket[bytes]) -> None:
    """Set what both ends share: size cap, short queues, quick handshakes, no lingering at exit, dead peers noticed.

    Note: that a computer is gone is found out by the kernel, not by ZeroMQ's heartbeats: libzmq 4.3.5 aborts a server
    whose robot hangs up behind a full queue with a heartbeat in it.
    """
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, 16)
    socket.setsockopt(zmq.RCVHWM, 16)
    socket.setsockopt(zmq.HANDSHAKE_IVL, 2000)
    socket.setsockopt(zmq.TCP_MAXRT, 2000)
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, 2)
    socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, 3)
