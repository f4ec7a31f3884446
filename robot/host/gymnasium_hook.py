"""Registers our environments with gymnasium when that is imported, before or after us, without importing it ourselves.

Note: gymnasium has no entry points for plug-ins any more, and what runs beside motors must not load it.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

NAME = "gymnasium"
ENVIRONMENTS = {"leash/PupperWalk-v0": "leash_robot.sim.envs.walk:PupperEnv"}
"""Entry points by id; they are imported when an environment is made."""


def register_environments() -> None:
    """Register now where gymnasium is imported already, else as soon as it is."""
    if NAME in sys.modules:
        _register(sys.modules[NAME])
    else:
        sys.meta_path.insert(0, _Hook())


def _register(gymnasium: ModuleType) -> None:
    for name, entry_point in ENVIRONMENTS.items():
        if name not in gymnasium.registry:
            gymnasium.register(name, entry_point=entry_point)


class _Hook:
    """A finder that finds gymnasium once, as Python would, and adds to what importing it does."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Gymnasium's spec; None for every other module."""
        if name != NAME:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            _register(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
