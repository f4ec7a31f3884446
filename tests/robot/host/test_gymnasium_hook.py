"""Environments are registered with gymnasium once, whichever is imported first, and nothing is loaded for it."""

import sys
from importlib.machinery import PathFinder
from types import ModuleType

import pytest

from leash_robot.robot.host import gymnasium_hook
from leash_robot.robot.host.gymnasium_hook import ENVIRONMENTS, NAME, register_environments


class Gymnasium(ModuleType):
    """Only what is asked of it."""

    def __init__(self) -> None:
        super().__init__(NAME)
        self.registry: dict[str, str] = {}

    def register(self, name: str, *, entry_point: str) -> None:
        assert name not in self.registry
        self.registry[name] = entry_point


def test_one_that_is_imported_already_gets_them_at_once_and_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    gymnasium = Gymnasium()
    monkeypatch.setitem(sys.modules, NAME, gymnasium)
    register_environments()
    register_environments()
    assert gymnasium.registry == ENVIRONMENTS


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> gymnasium_hook._Hook:
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    register_environments()
    found = sys.meta_path[0]
    assert isinstance(found, gymnasium_hook._Hook)
    return found


def test_one_that_is_imported_later_gets_them_then(hook: gymnasium_hook._Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    class Loader:
        def exec_module(self, module: ModuleType) -> None:
            module.__dict__["executed"] = True

    class Found:
        loader = Loader()

    monkeypatch.setattr(PathFinder, "find_spec", lambda *args: Found)
    assert hook.find_spec("another") is None
    spec = hook.find_spec(NAME)
    assert hook not in sys.meta_path
    gymnasium = Gymnasium()
    assert spec is not None and spec.loader is not None
    spec.loader.exec_module(gymnasium)
    assert gymnasium.registry == ENVIRONMENTS and gymnasium.__dict__["executed"]


def test_one_that_is_not_installed_is_not_found(hook: gymnasium_hook._Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PathFinder, "find_spec", lambda *args: None)
    assert hook.find_spec(NAME) is None
