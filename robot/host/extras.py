"""What does not come with plain `pip install leash-robot`: which extra brings which package, and how to say so."""

import importlib.util
import sys
from collections.abc import Sequence

from leash_robot.robot.errors import UsageError

EXTRAS = {
    "sim": ("pybullet", "pybullet_data", "mujoco", "gymnasium"),
    "train": ("torch", "matplotlib", "av", "tensorboard"),
    "teleop": ("evdev", "starlette", "uvicorn", "websockets"),
    "calibrate": ("scipy",),
    "dev": ("playwright", "stable_baselines3"),
}
"""Packages by the extra that brings them, as pyproject.toml has them."""
BY_PACKAGE = {package: extra for extra, packages in EXTRAS.items() for package in packages}

NEWEST_PYTHON = {"pybullet": (3, 11), "pybullet_data": (3, 11)}
"""The newest Python that a package has wheels for, where that is older than the newest that we support."""


def require(*packages: str) -> None:
    """Raise UsageError naming the extras to install, where one of these packages is not there."""
    if gone := missing(*packages):
        raise UsageError(needs(gone))


def missing(*packages: str) -> list[str]:
    """Those of the packages that are not installed."""
    return [package for package in packages if not _there(package)]


def needs(packages: Sequence[str]) -> str:
    """One line on packages that are not there."""
    extras = list(dict.fromkeys(BY_PACKAGE[package] for package in packages))
    which = " and ".join(extras) + (" extras" if len(extras) > 1 else " extra")
    gone = f"{', '.join(packages)} {'are' if len(packages) > 1 else 'is'} not installed"
    return f"needs the {which} ({gone}): pip install 'leash-robot[{','.join(extras)}]'{_where(packages)}"


def _where(packages: Sequence[str]) -> str:
    """Under which Python alone the packages can be installed, where ours is too new for one of them."""
    newest = min((NEWEST_PYTHON[package] for package in packages if package in NEWEST_PYTHON), default=(99, 0))
    return f" under Python {newest[0]}.{newest[1]}" if sys.version_info[:2] > newest else ""


def _there(package: str) -> bool:
    if package in sys.modules:
        return True
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False
