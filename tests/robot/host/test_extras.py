"""Without the extras: every command explains itself, and says at once which extra it needs."""

import os
import re
import sys
from pathlib import Path

import pytest

from leash_robot.benchmarks.command import COMMANDS as MEASUREMENTS
from leash_robot.benchmarks.command import NEEDED
from leash_robot.launch.cli import COMMANDS
from leash_robot.launch.commands.calibrate.command import PROCEDURES
from leash_robot.launch.commands.data.command import COMMANDS as DATA
from leash_robot.launch.options.shipped import CONFIGS
from leash_robot.policies.shipped import WALK
from leash_robot.robot.errors import UsageError
from leash_robot.robot.host.extras import BY_PACKAGE, missing, needs, require
from support.forked import Ran, forked
from support.paths import ROOT

BLOCKER = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {sorted(BY_PACKAGE)}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
"""

NESTED = [
    *("train bc", "train sac", "train sac --robot twin", "keys new", "sim show"),
    *(f"bench {name}" for name in MEASUREMENTS),
    *(f"data {name}" for name in DATA),
]
GROUPS = {"train", "keys", "sim", "data", "bench", "calibrate"}
"""Commands whose subcommands carry the examples."""
INTERNAL = ("PosixPath", "$[", str(CONFIGS.parent), str(Path.home()), "typing.", "<class", "Annotated", "{None}")
HELP = [*COMMANDS, *NESTED, *(f"calibrate {name}" for name in PROCEDURES)]
NEEDING = {
    "demo": "sim,train",
    "dagger": "sim,train",
    "train bc data": "train",
    "train sac": "sim,train",
    "train sac --robot twin": "train",
    "sim show": "sim,train",
    "bench all": "sim,train,dev",
    "bench clone": "sim,train",
    "bench loop": "sim",
    "bench gait": "sim",
    "bench env": "sim",
    "bench session": "sim",
    "bench takeover": "sim",
    "bench stop": "sim",
    "bench ends": "sim,train",
    "bench ends --policy trot": "sim",
    "bench server": "train",
    "bench sac": "train,dev",
    "bench cockpit": "sim,teleop,dev",
    "twin": "sim",
    "doctor --robot twin": "sim",
    "deploy trot --robot sim": "sim",
    "deploy trot --robot twin": "sim",
    "eval trot --grid train": "sim",
    f"deploy {WALK} --robot pupper --port /dev/nothing": "train",
    f"serve {WALK}": "train",
    f"collect data --operator scripted --policy {WALK}": "sim,train",
    f"intervene {WALK} data --operator scripted": "sim,train",
    "collect data --operator browser": "teleop",
    "calibrate joints": "calibrate",
}


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """What commands say on a computer on which only plain leash is installed."""
    folder = tmp_path_factory.mktemp("core")
    (folder / "sitecustomize.py").write_text(BLOCKER)
    lines = [*(f"{words} --help" for words in HELP), *NEEDING]
    ran = forked([line.split() for line in lines], folder, os.environ | {"PYTHONPATH": str(folder)})
    return dict(zip(lines, ran, strict=True))


@pytest.mark.parametrize("words", HELP)
def test_every_command_explains_itself_without_any_extra(core: dict[str, Ran], words: str) -> None:
    ran = core[f"{words} --help"]
    assert (ran.code, ran.err) == (0, "")
    assert len(ran.out) > 200


@pytest.mark.parametrize("words", [words for words in HELP if words not in GROUPS])
def test_every_help_shows_an_example(core: dict[str, Ran], words: str) -> None:
    text = " ".join(re.sub(r"^usage:.*", "", core[f"{words} --help"].out).split())
    assert re.search(rf"leash {words.partition(' --')[0]}\b", text), text[:300]


@pytest.mark.parametrize("words", HELP)
def test_no_help_shows_internals(core: dict[str, Ran], words: str) -> None:
    text = "".join(re.sub(r"[│╭╰─╮╯\s]", "", core[f"{words} --help"].out))
    assert [odd for odd in INTERNAL if odd in text] == []


@pytest.mark.parametrize(("words", "extras"), NEEDING.items())
def test_a_command_says_at_once_which_extra_it_needs(core: dict[str, Ran], words: str, extras: str) -> None:
    ran = core[words]
    assert f"pip install 'leash-robot[{extras}]'" in ran.err
    assert (ran.code, ran.err.count("\n")) == (2, 1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """What `leash train bc` says where the train extra alone is installed."""
    folder = tmp_path_factory.mktemp("trained")
    others = sorted(package for package, extra in BY_PACKAGE.items() if extra != "train")
    (folder / "sitecustomize.py").write_text(BLOCKER.replace(str(sorted(BY_PACKAGE)), str(others)))
    return forked([["train", "bc", "nowhere"]], folder, os.environ | {"PYTHONPATH": str(folder)})[0]


def test_every_measurement_says_what_it_needs() -> None:
    assert NEEDED.keys() == MEASUREMENTS.keys()


def test_cloning_needs_the_train_extra_alone(trained: Ran) -> None:
    assert (trained.code, trained.err) == (2, "leash train: nowhere is neither an episode file nor a folder of them\n")


def test_what_is_there_is_not_missing() -> None:
    require("torch", "pybullet", "json")
    assert missing("json", "torch") == []


def test_what_is_not_there_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BY_PACKAGE, "no_such_package", "sim")
    monkeypatch.setitem(BY_PACKAGE, "no_such_package_either", "train")
    with pytest.raises(
        UsageError, match=r"needs the sim extra \(no_such_package is not installed\): pip install 'leash"
    ):
        require("no_such_package")
    with pytest.raises(UsageError, match=r"sim and train extras \(no_such_package, no_such_package_either are not"):
        require("json", "no_such_package", "no_such_package_either")


def test_a_package_without_wheels_for_this_python_names_the_one_that_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert needs(["pybullet"]).endswith("pip install 'leash-robot[sim]'")
    monkeypatch.setattr(sys, "version_info", (3, 12, 1))
    assert needs(["torch", "pybullet"]).endswith("pip install 'leash-robot[train,sim]' under Python 3.11")
    assert needs(["torch"]).endswith("pip install 'leash-robot[train]'")


def test_a_package_that_refuses_to_be_found_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Blocker:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            raise ModuleNotFoundError(name)

    monkeypatch.setattr(sys, "meta_path", [Blocker()])
    assert missing("no_such_package") == ["no_such_package"]


def test_the_extras_are_those_of_the_project_file() -> None:
    project = ROOT.joinpath("pyproject.toml").read_text()
    for package, extra in BY_PACKAGE.items():
        listed = re.search(rf"^{extra} = \[(.*?)\]$", project, re.DOTALL | re.MULTILINE)
        known = {"pybullet_data": "pybullet", "stable_baselines3": "stable-baselines3"}.get(package, package)
        assert listed is not None and known in listed[1], package
