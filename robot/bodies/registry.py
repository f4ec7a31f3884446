"""Which robots there are: one `Body` for each, ours and those of the entry-point group `leash.bodies`.

A body's module is imported to list it, so it must be light: simulators and drivers are named as "MODULE:FUNCTION" and
imported when they are opened. A package of its own adds a body by an entry point in its pyproject.toml:

    [project.entry-points."leash.bodies"]
    desk_arm = "desk_arm.body:BODY"
"""

import importlib
import operator
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, Protocol

from leash_robot.robot.calibration import Calibration
from leash_robot.robot.cameras.image import Eye
from leash_robot.robot.config.settings import hint
from leash_robot.robot.errors import SpecError, UsageError
from leash_robot.robot.safety.messages import GateReport, Telemetry
from leash_robot.robot.spec import Spec, load_spec
from leash_robot.robot.types import Robot, Watch, unattended

Kind = Literal["sim", "twin", "real"]
KINDS: tuple[Kind, ...] = ("sim", "twin", "real")
"""The same body in the training simulator, behind a simulated serial port, and as the machine."""
GROUP = "leash.bodies"
"""The entry-point group."""
DEFAULT = "pupper"
"""The body that is meant where none is named."""
BUILT_IN = {"pupper": "leash_robot.robot.bodies.pupper.body:BODY"}
"""Bodies that come with leash; they are known in a checkout that is not installed, too."""


@dataclass(frozen=True)
class Wiring:
    """What the driver of a machine, or of its twin, is opened with."""

    spec: Spec
    port: str
    cameras: Mapping[str, Eye] = field(default_factory=dict)
    calibration: Calibration | None = None
    needs_imu: bool = False
    """Whether a policy reads gravity or the gyro."""
    watch: Watch = unattended
    """Asked whether a person stops the robot while it moves by itself."""


@dataclass(frozen=True)
class Simulated:
    """What a simulator or a twin is opened with."""

    spec: Spec
    dynamics: Path | None = None
    """YAML that says what differs from the nominal robot and floor."""
    seed: int = 0
    camera: bool = False
    """Whether the robot's own cameras run."""
    realtime: bool = False
    """Whether a simulator is paced by the clock."""
    boot: Literal["cold", "homed"] = "homed"
    """Whether a twin goes through its power-up first."""
    board: Path | None = None
    """Picture of a calibration board that stands before a twin's camera."""


class Machine(Robot, Protocol):
    """A robot behind the safety gate."""

    @property
    def gate(self) -> GateReport:
        """What the gate last said."""
        ...

    @property
    def gate_stops(self) -> int:
        """How often the gate stopped the robot by itself since it was opened."""
        ...

    def frames(self) -> list[Telemetry]:
        """The states that came since the last call, oldest first, in the machine's own angles."""
        ...

    def rearm(self) -> None:
        """A person's consent, once, to go on after the gate has stopped the robot."""
        ...

    def stop(self, cause: str) -> None:
        """A person stops the robot. From any thread."""
        ...


class TwinHandle(Protocol):
    """A simulated machine that runs."""

    @property
    def port(self) -> str:
        """Path of its serial port."""
        ...

    @property
    def cameras(self) -> Mapping[str, str]:
        """URLs of its cameras' streams, by name."""
        ...


@dataclass(frozen=True)
class Defaults:
    """What commands use for a body unless told otherwise."""

    gait: str = "stand"
    """The policy that carries out what a person commands: a name in `scripted`, or a policy file."""
    scripted: Mapping[str, str] = field(default_factory=dict)
    """Policies without a network, by name, as "MODULE:CLASS" of what is made from a spec; `stand` is always there."""
    packages: Mapping[Kind, tuple[str, ...]] = field(default_factory=dict)
    """Packages that a kind needs, so that they are missed before anything is opened."""
    stood_by: str = "see to the robot"
    """What a person does with a machine that was stopped, before they re-arm it."""


@dataclass(frozen=True)
class Body:
    """One robot, and where everything particular about it is; parts are named as "MODULE:ATTRIBUTE"."""

    name: str
    spec: Path
    """YAML file of its spec, called like the spec in it."""
    codec: str
    """Fits `leash_robot.robot.safety.codec.Codec`: what its gate speaks."""
    open_real: str
    """From a `Wiring` to a `Machine`, to be entered: the driver."""
    open_sim: str = ""
    """From a `Simulated` to a context manager of a `Robot`; empty where the body has no simulator."""
    open_twin: str = ""
    """From a `Simulated` to a context manager of a `TwinHandle`; empty where the body has no twin."""
    calibration: str = ""
    """Its calibration procedures by name, each a `leash_robot.calibration.session.Procedure`; empty where none fits."""
    defaults: Defaults = field(default_factory=Defaults)

    def real(self, wiring: Wiring) -> Machine:
        """The driver, to be entered."""
        machine: Machine = load(self.open_real)(wiring)
        return machine

    def sim(self, how: Simulated) -> AbstractContextManager[Robot]:
        """The body in its training simulator. Raises UsageError where it has none."""
        opened: AbstractContextManager[Robot] = self._part("sim", self.open_sim)(how)
        return opened

    def twin(self, how: Simulated) -> AbstractContextManager[TwinHandle]:
        """The simulated machine behind a serial port. Raises UsageError where it has none."""
        opened: AbstractContextManager[TwinHandle] = self._part("twin", self.open_twin)(how)
        return opened

    def load_spec(self) -> Spec:
        """The body's own spec. Raises SpecError."""
        return load_spec(self.spec)

    def _part(self, kind: Kind, where: str) -> Callable[..., Any]:
        if not where:
            raise UsageError(f"{self.name} has no {kind}; give --robot real, or another --body")
        part: Callable[..., Any] = load(where)
        return part


def load(where: str) -> Any:  # noqa: ANN401 whatever is named
    """The attribute that "MODULE:ATTRIBUTE" names."""
    module, _, name = where.partition(":")
    return operator.attrgetter(name)(importlib.import_module(module))


def names() -> list[str]:
    """The names of all bodies that are known; nothing is imported."""
    return sorted({entry.name for entry in _installed()} | set(BUILT_IN))


def find(name: str = DEFAULT) -> Body:
    """The body of this name. Raises UsageError for an unknown one, SpecError for an entry that is no `Body`."""
    where = BUILT_IN.get(name) or next((entry.value for entry in _installed() if entry.name == name), "")
    if not where:
        raise UsageError(f"no body is called {name!r}; {hint(name, names())}")
    try:
        body = load(where)
    except (ImportError, AttributeError) as error:
        raise SpecError(f"the body {name!r} cannot be imported from {where}: {error}") from None
    if not isinstance(body, Body) or body.name != name:
        raise SpecError(f"{where} is no Body called {name!r}")
    return body


def bodies() -> list[Body]:
    """All bodies that are known."""
    return [find(name) for name in names()]


def find_by_spec(name: str) -> Body | None:
    """The body whose spec has this name; None where no known one has."""
    return next((body for body in bodies() if body.spec.stem == name), None)


def _installed() -> metadata.EntryPoints:
    return metadata.entry_points(group=GROUP)
