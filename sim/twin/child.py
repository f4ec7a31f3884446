"""A process that belongs to the twin's owner: it answers requests, and ends when its owner hangs up or dies."""

import socket
import subprocess

from leash_robot.robot.errors import RobotError
from leash_robot.robot.host.child import python_command
from leash_robot.sim.twin.messages import Answer, Ready, Request, RequestFailed, receive_answer, send

ANSWER_TIMEOUT = 60.0
STOP_TIMEOUT = 5.0


class Child:
    """One child, which runs `module` with `words` as further arguments, and shares the twin's state."""

    def __init__(self, module: str, state: int, *words: str) -> None:
        self._module = module
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.settimeout(ANSWER_TIMEOUT)
        command = [*python_command(f"from {module} import main; main()"), str(theirs.fileno()), str(state), *words]
        # Note: a session of its own, or Ctrl-C would switch the robot off before its gate has made it safe.
        self._process = subprocess.Popen(
            command, pass_fds=(theirs.fileno(), state), stdin=subprocess.DEVNULL, start_new_session=True
        )
        theirs.close()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def ask(self, request: Request) -> Answer:
        """Send a request and wait for the answer. Raises RobotError when there is none, or when it failed."""
        try:
            send(self._line, request)
        except OSError as error:
            raise RobotError(f"{self._module} is gone ({error}); start the twin again") from None
        return self.answer()

    def answer(self) -> Answer:
        """Wait for an answer. Raises RobotError."""
        try:
            answer = receive_answer(self._line)
        except OSError as error:
            raise RobotError(f"{self._module} does not answer ({error}); start the twin again") from None
        if answer is None:
            raise RobotError(f"{self._module} ended; start the twin again")
        if isinstance(answer, RequestFailed):
            raise RobotError(answer.reason)
        return answer

    def last_words(self) -> str:
        """Why it ended by itself, if it said so; empty while it runs, and when it said nothing."""
        self._line.setblocking(False)
        try:
            answer = receive_answer(self._line)
        except OSError:
            return ""
        return answer.reason if isinstance(answer, RequestFailed) else ""

    def hang_up(self) -> None:
        """Let it know that it may end."""
        self._line.close()

    def wait(self) -> None:
        """Wait until it has ended, and see to it that it does."""
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def address(answer: Answer) -> str:
    """Where a child that is ready can be reached."""
    return answer.address if isinstance(answer, Ready) else ""
