"""`leash bench`: the headline figures, each by one command; `leash bench all` runs quick versions of them."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rich.table import Table

from leash_robot.benchmarks.learning import clone as bench_clone
from leash_robot.benchmarks.learning import gait as bench_gait
from leash_robot.benchmarks.learning.clone import BenchClone
from leash_robot.benchmarks.learning.gait import BenchGait
from leash_robot.benchmarks.loop import cockpit as bench_cockpit
from leash_robot.benchmarks.loop import loop as bench_loop
from leash_robot.benchmarks.loop import session as bench_session
from leash_robot.benchmarks.loop.chromium import missing
from leash_robot.benchmarks.loop.cockpit import BenchCockpit
from leash_robot.benchmarks.loop.loop import BenchLoop
from leash_robot.benchmarks.loop.session import BenchSession
from leash_robot.benchmarks.safety import takeover as bench_takeover
from leash_robot.benchmarks.safety.options import BenchDisk, BenchEnds, BenchFreeze, BenchStop
from leash_robot.benchmarks.safety.takeover import BenchTakeover
from leash_robot.launch.commands.deploy import terminable
from leash_robot.launch.options.checked import Count, Seconds, checked
from leash_robot.launch.options.parsing import subcommand
from leash_robot.launch.reporting.output import console, emit
from leash_robot.policies.scripted.by_name import STAND, names
from leash_robot.robot.host.extras import require

Figures = Mapping[str, Any]


class Bench(Protocol):
    """One measurement and its options."""

    @property
    def json(self) -> bool:
        """Whether to print JSON instead of a table."""
        ...

    def measure(self) -> Figures:
        """The figures."""
        ...


@dataclass(frozen=True)
class BenchServer:
    """Round trip of a 640x480 JPEG and the state to the policy server, against a bare ZeroMQ echo in the same run.

    For instance: `leash bench server`.
    """

    seconds: Seconds = 10.0
    """How long to measure."""
    json: bool = False
    """Print one JSON object on the last line."""

    def measure(self) -> Figures:
        """The figures."""
        from leash_robot.benchmarks.loop.server import measure

        return measure(self.seconds)


@dataclass(frozen=True)
class BenchEnv:
    """PyBullet control steps a second on one core, against a1.urdf stepped the same way in the same run.

    For instance: `leash bench env`.
    """

    seconds: Seconds = 10.0
    """How long to measure."""
    json: bool = False
    """Print one JSON object on the last line."""

    def measure(self) -> Figures:
        """The figures."""
        from leash_robot.benchmarks.learning.env import measure

        return measure(self.seconds)


@dataclass(frozen=True)
class Gait(BenchGait):
    """Commanded against achieved speed of the scripted trot, in every direction, on both simulators.

    For instance: `leash bench gait --robot both`.
    """

    def measure(self) -> Figures:
        """The figures."""
        return bench_gait.measure(self)


@dataclass(frozen=True)
class CloneOptions(BenchClone):
    """How well a clone walks: recorded, trained and scored from scratch on the twin, beside its demonstrator.

    For instance: `leash bench clone`.
    """

    def measure(self) -> Figures:
        """The figures."""
        return bench_clone.measure(self)


@dataclass(frozen=True)
class BenchRecorder:
    """What `kill -9` of the recorder costs, and how fast recordings are read.

    For instance: `leash bench recorder`.
    """

    kills: Count = 50
    """How many kills at random instants."""
    json: bool = False
    """Print one JSON object on the last line."""

    def measure(self) -> Figures:
        """The figures."""
        from leash_robot.benchmarks.loop.recorder import measure_kills, measure_read

        with tempfile.TemporaryDirectory(prefix="leash-") as folder:
            return {**measure_read(Path(folder)), **measure_kills(self.kills, Path(folder))}


@dataclass(frozen=True)
class Loop(BenchLoop):
    """How punctual the 20 Hz loop is on the twin: with a camera, recording, and busy neighbours.

    For instance: `leash bench loop --seconds 60`.
    """

    def measure(self) -> Figures:
        """The figures."""
        return bench_loop.measure(self)


@dataclass(frozen=True)
class TakeoverOptions(BenchTakeover):
    """How soon a press has authority, how far hand-overs jump, and whether the labels are right, on the twin.

    For instance: `leash bench takeover`.
    """

    def measure(self) -> Figures:
        """The figures."""
        return bench_takeover.measure(self)


@dataclass(frozen=True)
class CockpitBench(BenchCockpit):
    """How old the picture on the cockpit's page is, and what open pages cost the loop; needs Chromium.

    For instance: `leash bench cockpit`.
    """

    def measure(self) -> Figures:
        """The figures."""
        return bench_cockpit.measure(self)


@dataclass(frozen=True)
class SessionBench(BenchSession):
    """How long nothing is recorded between two episodes, on the twin with a camera.

    For instance: `leash bench session`.
    """

    def measure(self) -> Figures:
        """The figures."""
        return bench_session.measure(self)


@dataclass(frozen=True)
class BenchSac:
    """Full SAC updates a second on one thread, beside stable-baselines3's and beside bare matrix products.

    For instance: `leash bench sac`.
    """

    seconds: Seconds = 30.0
    """How long to measure, compilation apart [s of CPU time]."""
    json: bool = False
    """Print one JSON object on the last line."""

    def measure(self) -> Figures:
        """The figures."""
        from leash_robot.benchmarks.learning.sac import measure

        return measure(self.seconds)


@dataclass(frozen=True)
class BenchAll:
    """Quick versions of every measurement, in a few minutes: `leash bench all --json`."""

    json: bool = False
    """Print one JSON object on the last line."""

    def measure(self) -> Figures:
        """Nested figures of each bench, by its name."""
        quick: dict[str, Bench] = {
            "env": BenchEnv(seconds=4.0),
            "server": BenchServer(seconds=4.0),
            "loop": Loop(seconds=10.0),
            "loop_busy": Loop(seconds=10.0, hogs=1),
            "gait": Gait(seconds=10.0, settle=2.0, directions=("forward", "sideways", "turn")),
            "clone": CloneOptions(demonstrations=6, demonstration_s=8.0, episodes=2),
            "recorder": BenchRecorder(kills=3),
            "session": SessionBench(episodes=4),
            "takeover": TakeoverOptions(takeovers=20),
            "sac": BenchSac(seconds=10.0),
        }
        if not missing():
            quick["cockpit"] = CockpitBench(seconds=8.0, rounds=1)
        figures = {}
        for name, bench in quick.items():
            console.print(f"bench {name} ...")
            figures[name] = bench.measure()
        return figures


COMMANDS: dict[str, Callable[..., Bench]] = {
    "loop": Loop,
    "server": BenchServer,
    "env": BenchEnv,
    "gait": Gait,
    "clone": CloneOptions,
    "recorder": BenchRecorder,
    "session": SessionBench,
    "takeover": TakeoverOptions,
    "cockpit": CockpitBench,
    "sac": BenchSac,
    "ends": BenchEnds,
    "disk": BenchDisk,
    "stop": BenchStop,
    "freeze": BenchFreeze,
    "all": BenchAll,
}


WALKING = ("mujoco",)
"""What the twin needs."""
PAGES = ("starlette", "uvicorn", "websockets", "playwright")
EVERYTHING = ("pybullet", "mujoco", "gymnasium", "torch", "matplotlib", "stable_baselines3")
NEEDED: dict[str, tuple[str, ...]] = {
    "loop": WALKING,
    "server": ("torch",),
    "env": ("pybullet", "gymnasium"),
    "gait": ("pybullet", "mujoco"),
    "clone": ("pybullet", "mujoco", "torch", "matplotlib"),
    "session": WALKING,
    "takeover": WALKING,
    "cockpit": (*WALKING, *PAGES),
    "sac": ("gymnasium", "torch", "stable_baselines3"),
    "ends": ("pybullet", "mujoco"),
    "stop": WALKING,
    "recorder": (),
    "disk": (),
    "freeze": (),
    "all": EVERYTHING,
}
"""Packages that a measurement needs, so that they are missed before it begins."""


def needed(chosen: Bench, name: str) -> list[str]:
    """The packages of a measurement, with torch where a learned policy is named."""
    learned = getattr(chosen, "policy", STAND) not in names()
    return [*NEEDED[name], *["torch"] * learned]


def main(args: list[str]) -> int:
    """Measure and print."""
    chosen: Bench = subcommand(COMMANDS, "leash bench", args, __doc__)
    require(*needed(chosen, args[0]))
    with terminable():
        figures = checked(chosen).measure()
    if chosen.json:
        emit(figures)
    else:
        console.print(table(figures))
    return 0


def table(figures: Figures, prefix: str = "") -> Table:
    """The figures, for people; nested ones with dotted names."""
    made = Table("figure", "value")
    for key, value in _flat(figures, prefix):
        made.add_row(key, f"{value:.4g}" if isinstance(value, float) else str(value))
    return made


def _flat(figures: Figures, prefix: str) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for key, value in figures.items():
        rows += _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [(prefix + key, value)]
    return rows
