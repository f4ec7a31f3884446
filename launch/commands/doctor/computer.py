"""Checks of the computer: versions, priorities, clock, disk, keys."""

import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np

from leash_robot.launch.commands.doctor.finding import Finding, Findings, Level
from leash_robot.robot.host.child import python_command
from leash_robot.robot.host.priority import FIFO_PRIORITY
from leash_robot.robot.recording.recorder import ROOM

OLDEST_PYTHON = (3, 11)
NEWEST_WITH_PYBULLET = (3, 11)
DEVELOPERS = {"dev", "test", "docs"}
"""Extras that no robot needs."""
LIMITS = "/etc/security/limits.d/leash.conf"
FSYNC_SLOW = 100.0
"""A disk that takes longer to keep a second of recording makes the recorder fall behind now and then [ms]."""
RECORDED = 60_000
"""Bytes of a tick with a picture."""
COARSE = 1e-4
"""A monotonic clock that steps by more is too coarse for lateness [s]."""


def versions() -> Findings:
    """Python and the packages, against what this software was released with."""
    python = ".".join(map(str, sys.version_info[:3]))
    supported = sys.version_info[:2] >= OLDEST_PYTHON
    yield Finding(
        "python",
        "ok" if supported else "fail",
        f"{python} at {sys.executable}",
        "" if supported else "install Python 3.11, 3.12 or 3.13; training in PyBullet needs 3.11",
    )
    needed, optional = _packages(metadata.requires("leash-robot") or [])
    found = f"leash {metadata.version('leash-robot')}, {len(needed)} packages it needs"
    wrong = [problem for name, bounds in needed if (problem := _problem(name, bounds))]
    yield Finding("packages", "fail" if wrong else "ok", "; ".join(wrong) or found, _install(wrong, "leash-robot"))
    for extra, packages in optional.items():
        wrong = [problem for name, bounds in packages if (problem := _problem(name, bounds))]
        if wrong and all(problem.endswith(ABSENT) for problem in wrong):
            yield Finding(f"packages {extra}", "ok", f"{ABSENT}; `pip install leash-robot[{extra}]` brings them")
        else:
            seen = "; ".join(wrong) or "all there"
            yield Finding(
                f"packages {extra}", "warn" if wrong else "ok", seen, _install(wrong, f"leash-robot[{extra}]")
            )


def _install(problems: Sequence[str], what: str) -> str:
    return f"pip install --upgrade '{what}'" if problems else ""


ABSENT = "not installed"
Bounds = Sequence[tuple[str, str]]


def _packages(requires: Sequence[str]) -> tuple[list[tuple[str, Bounds]], dict[str, list[tuple[str, Bounds]]]]:
    """Names and version bounds of what is needed, and of what each extra adds."""
    needed: list[tuple[str, Bounds]] = []
    optional: dict[str, list[tuple[str, Bounds]]] = {}
    for line in requires:
        what, _, marker = line.partition(";")
        name = re.split(r"[\[<>=!~ (]", what.strip(), maxsplit=1)[0]
        bounds = re.findall(r"(==|>=|<=|<|>)\s*([\d.]+)", what)
        extra = re.search(r"extra\s*==\s*['\"](\w+)['\"]", marker)
        other_python = "python_version" in marker and sys.version_info[:2] > NEWEST_WITH_PYBULLET
        if name == "leash-robot" or other_python or (extra and extra[1] in DEVELOPERS):
            continue
        (optional.setdefault(extra[1], []) if extra else needed).append((name, bounds))
    return needed, optional


def _problem(name: str, bounds: Bounds) -> str:
    """What is wrong with an installed package; empty when nothing is."""
    try:
        installed = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"{name} is {ABSENT}"
    here = _numbers(installed)
    holds = {
        "==": lambda bound: here == bound,
        ">=": lambda bound: here >= bound,
        "<=": lambda bound: here <= bound,
        ">": lambda bound: here > bound,
        "<": lambda bound: here < bound,
    }
    broken = [sign + bound for sign, bound in bounds if not holds[sign](_numbers(bound))]
    return f"{name} {installed} is not {' and '.join(broken)}" if broken else ""


def _numbers(version: str) -> tuple[int, ...]:
    """The release as numbers, without trailing zeros, so that 2 is 2.0."""
    release = re.match(r"[\d.]*", version)
    numbers = [int(part) for part in release[0].split(".") if part] if release else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def privileges() -> Findings:
    """Whether the loop and the gate may run before ordinary processes. Tried in a child, which leaves ours as it is."""
    fifo = _child_may(f"os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param({FIFO_PRIORITY}))")
    nice = _child_may("os.setpriority(os.PRIO_PROCESS, 0, -10)")
    user = os.environ.get("USER", "YOU")
    fix = f"printf '{user} - rtprio 60\\n{user} - nice -20\\n' | sudo tee {LIMITS}, then log in anew"
    level: Level = "ok" if fifo else "warn"
    seen = (
        "SCHED_FIFO is permitted"
        if fifo
        else "nice is permitted, SCHED_FIFO is not"
        if nice
        else "neither is permitted"
    )
    why = " (a busy computer makes ticks up to 20 ms late)"
    figures = {"sched_fifo": fifo, "nice": nice}
    yield Finding("real time", level, seen if fifo else seen + why, "" if fifo else fix, figures)


def _child_may(what: str) -> bool:
    child = subprocess.run(python_command(f"import os; {what}"), capture_output=True, check=False)
    return child.returncode == 0


def clock() -> Findings:
    """Resolution of the monotonic clock, how punctual sleeping is, and whether the date can be right."""
    steps = [_step() for _ in range(200)]
    late = [_overslept() for _ in range(50)]
    step, worst = float(np.median(steps)), float(np.max(late))
    figures = {
        "clock_step_us": 1e6 * step,
        "sleep_late_p50_ms": 1e3 * float(np.median(late)),
        "sleep_late_max_ms": 1e3 * worst,
    }
    coarse = step > COARSE
    yield Finding(
        "clock",
        "warn" if coarse else "ok",
        f"steps of {1e6 * step:.2g} us, sleeping is at most {1e3 * worst:.1f} ms late",
        "use a kernel with high resolution timers (CONFIG_HIGH_RES_TIMERS)" if coarse else "",
        figures,
    )
    now, newest = datetime.now(UTC), datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
    past = now < newest
    yield Finding(
        "date",
        "warn" if past else "ok",
        f"{now:%Y-%m-%d %H:%M} UTC" + (f", before this software was installed ({newest:%Y-%m-%d})" if past else ""),
        "sudo timedatectl set-ntp true" if past else "",
    )


def _step() -> float:
    begun = time.monotonic_ns()
    while (now := time.monotonic_ns()) == begun:
        pass
    return (now - begun) / 1e9


def _overslept() -> float:
    due = time.monotonic() + 0.002
    time.sleep(0.002)
    return time.monotonic() - due


def disk(folder: Path) -> Findings:
    """Room for recordings, and how fast they are kept."""
    place = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    level: Level = "ok" if free > 8 * ROOM else "warn" if free > ROOM else "fail"
    fix = f"make room in {place}, or record into a folder on a larger disk" if level != "ok" else ""
    yield Finding("disk space", level, f"{free / 1e9:.2f} GB free in {place}", fix, {"free_bytes": free})
    try:
        took = _kept(place)
    except OSError as error:
        yield Finding("disk speed", "fail", f"cannot write in {place}: {error.strerror}", _writable(place, error))
        return
    slow = took["fsync_max_ms"] > FSYNC_SLOW
    yield Finding(
        "disk speed",
        "warn" if slow else "ok",
        f"a tick of {RECORDED // 1000} kB is kept in {took['fsync_p50_ms']:.1f} ms, at most {took['fsync_max_ms']:.1f}",
        "record onto another disk (a good SD card or an SSD)" if slow else "",
        took,
    )


def _writable(place: Path, error: OSError) -> str:
    full = error.errno is not None and os.strerror(error.errno) == "No space left on device"
    return f"make room in {place}" if full else f"sudo chown -R $USER {place}, or choose another --folder"


def _kept(place: Path) -> dict[str, float]:
    """How long an append with its fdatasync takes."""
    took = []
    with tempfile.TemporaryFile(dir=place) as file:
        for _ in range(20):
            begun = time.monotonic()
            file.write(os.urandom(RECORDED))
            file.flush()
            os.fdatasync(file.fileno())
            took.append(1e3 * (time.monotonic() - begun))
    return {"fsync_p50_ms": float(np.median(took)), "fsync_max_ms": float(np.max(took))}


def keys(folder: Path) -> Findings:
    """Whether the secret keys of a remote policy server are readable by their owner only."""
    secrets = sorted(folder.glob("*.key_secret"))
    if not secrets:
        yield Finding("keys", "ok", f"none in {folder}; needed only for a policy server on another machine")
        return
    opened = [path for path in secrets if stat.S_IMODE(path.stat().st_mode) & 0o077]
    yield Finding(
        "keys",
        "fail" if opened else "ok",
        f"{', '.join(map(str, opened))} can be read by others" if opened else f"{len(secrets)} secret, mode 0600",
        f"chmod 600 {' '.join(map(str, opened))}" if opened else "",
        {"modes": {path.name: f"{stat.S_IMODE(path.stat().st_mode):04o}" for path in secrets}},
    )
