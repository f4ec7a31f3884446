"""The robot's end of the line to a policy server: sends without waiting, receives until a deadline, reconnects."""

import time
from collections import Counter
from collections.abc import Sequence

import zmq
from zmq.utils.monitor import recv_monitor_message

from leash_robot.policies.serving.endpoint import check_endpoint, tune
from leash_robot.policies.serving.keys import ClientKeys
from leash_robot.robot.errors import ServerError, WireError
from leash_robot.robot.inference.protocol import Answer, read_answer

REFUSALS = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
SURE = 12
"""So many failures without a detail mean another key. Where one side has none, each attempt ends either so or with a
protocol error, after which there are no more, whichever side hangs up first: so few in a row have a chance of 2^-12."""


class ServerConnection:
    """A DEALER socket. Nothing is queued for a server that is away, so nothing stale greets it when it returns."""

    def __init__(self, endpoint: str, keys: ClientKeys | None = None) -> None:
        check_endpoint(endpoint, keys=keys is not None)
        self.endpoint = endpoint
        self._context = zmq.Context()
        self._socket: zmq.Socket[bytes] = self._context.socket(zmq.DEALER)
        tune(self._socket)
        self._socket.setsockopt(zmq.IMMEDIATE, 1)
        self._socket.setsockopt(zmq.RECONNECT_IVL, 25)
        self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, 400)
        if keys is not None:
            self._socket.curve_publickey, self._socket.curve_secretkey = keys.public, keys.secret
            self._socket.curve_serverkey = keys.server
        self._failures = Counter[int]()
        self._monitor = self._socket.get_monitor_socket(REFUSALS)
        self._connect()

    def _connect(self) -> None:
        try:
            self._socket.connect(self.endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise ServerError(f"cannot reach {self.endpoint}: {error}") from None

    def close(self) -> None:
        """Hang up."""
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close()
        self._context.term()

    def send(self, frames: Sequence[bytes]) -> bool:
        """Send now; False when nobody is connected."""
        try:
            self._socket.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def connected(self, until: float) -> bool:
        """Wait until something can be sent or it is `until` [s, monotonic]."""
        left = max(0.0, until - time.monotonic())
        return bool(self._socket.poll(int(left * 1000), zmq.POLLOUT))

    def refusal(self) -> str:
        """Why the server hangs up before it listens, in words; empty when it does not."""
        while self._monitor.poll(0):
            self._failures[recv_monitor_message(self._monitor)["event"]] += 1
        if self._failures[zmq.EVENT_HANDSHAKE_FAILED_AUTH]:
            return "it does not know this robot's key; copy the robot's public key (NAME.key) to its folder `allowed`"
        if self._failures[zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL]:
            return "only one of the two sides uses keys; give --keys on both or on neither"
        if self._failures[zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL] >= SURE:
            return "it has another key than the server.key here; copy the file from the server again"
        return ""

    def receive(self, until: float) -> Answer | None:
        """The next answer that can be read, or None when it is `until` [s, monotonic]."""
        while (left := until - time.monotonic()) > 0:
            self._socket.setsockopt(zmq.RCVTIMEO, max(1, int(left * 1000)))
            try:
                return read_answer(self._socket.recv_multipart())
            except zmq.Again:
                return None
            except WireError:
                continue
        return None
