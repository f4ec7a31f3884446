"""Files that come with leash, named from any folder; a file of that name wins where there is one."""

from pathlib import Path
from typing import Annotated

from tyro.constructors import PrimitiveConstructorSpec

from leash_robot.policies.scripted.by_name import names
from leash_robot.policies.shipped import WALK
from leash_robot.robot.config.settings import hint
from leash_robot.robot.errors import UsageError

CONFIGS = Path(__file__).parents[1] / "configs"
POLICIES = {WALK.stem: WALK}
"""Policies that come with leash, by name."""
RENAMED = {
    "pupper_walk": "pupper/walk",
    "pupper_forward": "pupper/forward",
    "pupper_scratch": "pupper/scratch",
    "live_walk": "pupper/live",
    "twin_nominal": "twins/nominal",
    "twin_heavy_slippery": "twins/heavy_slippery",
}
"""Config files by the names that version 0.1 had for them."""


def policy_named(given: str) -> str:
    """A policy as it was given, or the file of the shipped one of that name. Raises UsageError for an unknown name."""
    path = Path(given)
    if given in names() or "://" in given or path.exists():
        return given
    if path.stem in POLICIES and path.suffix in {"", WALK.suffix}:
        return str(POLICIES[path.stem])
    if path.name == given and not path.suffix and not path.is_symlink():
        raise UsageError(f"no policy is called {given!r}; {hint(given, [*names(), *POLICIES])}, or give a file")
    return given


def policy_file_named(given: str, *scripted: str) -> Path:
    """A policy file as it was given, or the shipped one of that name. Raises UsageError for an unknown name; those that
    are `scripted` are known, too.
    """
    path = Path(given)
    if given in scripted or path.exists() or path.is_symlink():
        return path
    if path.stem in POLICIES and path.suffix in {"", WALK.suffix}:
        return POLICIES[path.stem]
    if path.name == given and not path.suffix:
        raise UsageError(f"no policy file is called {given!r}; {hint(given, [*scripted, *POLICIES])}, or give a file")
    return path


def shown_name(value: object) -> str:
    """A policy as a person names it: a shipped one by its name; nothing is the body's own gait."""
    if value == "":
        return "the body's own"
    return next((name for name, file in POLICIES.items() if str(value) == str(file)), str(value))


def config_named(given: str, *folders: str) -> Path:
    """A config file as it was given, or the shipped one of that name: `pupper/walk`, or `walk` for short; of those
    that the patterns `folders` match. Raises UsageError where neither is there.
    """
    path = Path(given)
    if path.exists() or path.is_symlink():
        return path
    found = {str(file.relative_to(CONFIGS).with_suffix("")): file for name in folders for file in CONFIGS.glob(name)}
    wanted = str(path.with_suffix("")) if path.suffix in {"", ".yaml"} else ""
    wanted = RENAMED.get(Path(wanted).name, wanted.removeprefix("launch/configs/"))
    short = {Path(name).name: file for name, file in found.items()}
    if file := found.get(wanted) or short.get(wanted):
        return file
    raise UsageError(f"no config file {given!r}; {hint(path.stem, [*found, *short])}, or give a file")


def _config(*folders: str) -> PrimitiveConstructorSpec[Path | None]:
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="FILE",
        instance_from_str=lambda words: config_named(words[0], *folders),
        is_instance=lambda value: value is None or isinstance(value, Path),
        str_from_instance=lambda value: [str(value)],
    )


PolicyName = Annotated[
    str,
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="POLICY",
        instance_from_str=lambda words: policy_named(words[0]),
        is_instance=lambda value: isinstance(value, str),
        str_from_instance=lambda value: [shown_name(value)],
    ),
]
"""`trot`, `stand`, a shipped policy by its name, a file or an endpoint."""
PolicyFile = Annotated[
    Path | None,
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="POLICY",
        instance_from_str=lambda words: policy_file_named(words[0]),
        is_instance=lambda value: value is None or isinstance(value, Path),
        str_from_instance=lambda value: [shown_name(value)],
    ),
]
"""A policy file, or a shipped one by its name."""
PlanFile = Annotated[Path | None, _config("pupper/[!l]*.yaml")]
"""What `leash train sac` does."""
LivePlanFile = Annotated[Path | None, _config("pupper/live*.yaml")]
"""What `leash train sac --robot` does."""
DynamicsFile = Annotated[Path | None, _config("twins/*.yaml")]
"""What a simulated robot is like."""
