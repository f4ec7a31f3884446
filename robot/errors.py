"""Everything that can go wrong on purpose, in one tree.

LeashError                a user can act on it: one line that names the value, the bound and the remedy
├── UsageError            an option out of its bounds, or options that contradict one another
├── SpecError             a robot description or settings file that does not say what it must
├── CalibrationError      a calibration that is unreadable or belongs to another machine
├── KinematicsError       a foot position out of the leg's reach
├── WireError             bytes or a message that nobody should act on
├── RobotError            the robot cannot be driven now
│   ├── PortError         the serial port is missing, busy or went away
│   ├── GateLatched       the gate stopped the robot and waits for a person
│   │   └── Stopped       a person stopped the robot while it moved by itself
│   ├── RearmRefused      the robot cannot be stood up as it is; it stays stopped
│   └── CameraError       a camera cannot be opened or stopped delivering
├── OperatorError         an input device that is missing, or keys that contradict one another
├── PolicyError           a policy file that does not fit this robot, or cannot be read
├── ServerError           the policy server is missing, refused us or did not answer
├── LabelError            labels beside recordings that cannot be read or written
└── EpisodeError          a recording that is damaged, foreign or cannot be written

`launch` prints a LeashError as one line and exits with 2; anything else is our defect and shows its traceback.
"""


class LeashError(Exception):
    """A mistake or fault that the user can act on; its text is one line."""


class UsageError(LeashError):
    """An option out of its bounds, or options that contradict one another."""


class SpecError(LeashError):
    """A robot description or settings file that does not say what it must."""


class CalibrationError(LeashError):
    """A calibration that is unreadable or belongs to another machine."""


class KinematicsError(LeashError):
    """A foot position out of the leg's reach."""


class WireError(LeashError):
    """Bytes or a message that nobody should act on."""


class RobotError(LeashError):
    """The robot cannot be driven now."""


class PortError(RobotError):
    """The serial port is missing, busy or went away."""


class GateLatched(RobotError):
    """The gate stopped the robot and waits for a person to re-arm it."""


class Stopped(GateLatched):
    """A person stopped the robot while it moved by itself: homing, standing up, lying down."""


class RearmRefused(RobotError):
    """The robot cannot be stood up as it is; it stays stopped, and may be asked again once that is mended."""


class CameraError(RobotError):
    """A camera cannot be opened or stopped delivering."""


class OperatorError(LeashError):
    """An input device that is missing, or keys that contradict one another."""


class PolicyError(LeashError):
    """A policy file that does not fit this robot, or cannot be read."""


class ServerError(LeashError):
    """The policy server is missing, refused us or did not answer."""


class LabelError(LeashError):
    """Labels beside recordings that cannot be read or written; the recordings themselves may be whole."""


class EpisodeError(LeashError):
    """A recording that is damaged, foreign or cannot be written."""
