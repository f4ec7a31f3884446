"""Commands whose extras may be missing: they explain themselves all the same, and name at once what they need."""

import contextlib
import sys
from collections.abc import Iterator, MutableSequence, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from leash_robot.robot.errors import UsageError
from leash_robot.robot.host.extras import BY_PACKAGE, missing, needs

SIMULATORS = ("pybullet", "mujoco", "gymnasium")
NEEDED = {
    "demo": (*SIMULATORS, "torch", "matplotlib", "av"),
    "dagger": ("pybullet", "torch", "matplotlib"),
    "train bc": ("torch",),
    "train sac": ("pybullet", "gymnasium", "torch"),
    "train sac --robot": ("torch", "tensorboard"),
    "sim": ("pybullet", "matplotlib"),
    "calibrate": ("scipy",),
}
"""What a command needs in all, so that it can be named together."""


def told(command: str, args: Sequence[str]) -> str:
    """A command as `NEEDED` has it: with its subcommand, and with --robot, where that matters."""
    whole = " ".join([command, *args[:1]])
    if any(word == "--robot" or word.startswith("--robot=") for word in args) and f"{whole} --robot" in NEEDED:
        return f"{whole} --robot"
    return whole if whole in NEEDED else command


@contextlib.contextmanager
def named(command: str) -> Iterator[None]:
    """Turn the import of a package that an extra would bring into a UsageError with all that the command lacks."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package not in BY_PACKAGE:
            raise
        gone = missing(*NEEDED.get(command, ()))
        raise UsageError(needs(gone if package in gone else [package, *gone])) from None


@contextlib.contextmanager
def help_without() -> Iterator[None]:
    """Let a command explain itself where its extras are missing, and quickly where they are not.

    The packages are replaced by hollow ones, of which nothing works; so this is for processes that then end.
    """
    finder = _Hollow()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Anything(type):
    """A class that has every attribute, each another such class."""

    def __getattr__(cls, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return _thing(name)

    def __getitem__(cls, key: object) -> type:
        return cls

    def __or__(cls, other: object) -> Any:  # noqa: ANN401
        return cls

    def __ror__(cls, other: object) -> Any:  # noqa: ANN401
        return cls


def _thing(name: str) -> type:
    return _Anything(name, (), {"__init__": lambda self, *args, **options: None, "__call__": lambda self, given: given})


class _HollowModule(ModuleType):
    __path__: MutableSequence[str] = []  # noqa: RUF012

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return _thing(name)


class _Hollow(MetaPathFinder, Loader):
    """Finds the packages of every extra, without anything in them."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name.partition(".")[0] not in BY_PACKAGE and name != "safetensors.torch":
            return None
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _HollowModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass
