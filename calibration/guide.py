"""Who is asked, during a calibration, to lay the robot down, show a board, and confirm."""

from typing import Protocol

from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.errors import UsageError


class Guide(Protocol):
    """A person who helps with a calibration."""

    @property
    def aborted(self) -> bool:
        """Whether the person ended the calibration where no robot was open."""
        ...

    def say(self, text: str) -> None:
        """Tell what happens now."""
        ...

    def note(self, text: str) -> None:
        """Tell what was found; unlike `say`, it stays to be read."""
        ...

    def ask(self, text: str) -> None:
        """Wait until the person confirms that this is done. Raises UsageError where they do not, or nobody can."""
        ...

    def show(self, name: str, pixels: Pixels, text: str) -> None:
        """Show a camera's picture (h, w, 3) and what to do before it, until `say` is called."""
        ...

    def enough(self) -> bool:
        """Whether the person wants to go on with what there is."""
        ...


class SilentGuide:
    """Fits `Guide`: nobody is there, so nothing can be asked."""

    aborted = False

    def say(self, text: str) -> None:
        """Tell nobody."""

    def note(self, text: str) -> None:
        """Tell nobody."""

    def ask(self, text: str) -> None:
        """Refuse: nobody can confirm. Raises UsageError."""
        raise UsageError("nobody is there to say that the robot is ready; see to it first")

    def show(self, name: str, pixels: Pixels, text: str) -> None:
        """Show nobody."""

    def enough(self) -> bool:
        """Nobody cuts it short."""
        return False
