"""Files that come with leash, named from any folder; a file of that name wins where there is one."""

from pathlib import Path
from typing import Annotated

from tyro.constructors import PrimitiveConstructorSpec

from policies.shipped import WALK
from robot.errors import UsageError
from robot.settings import hint

FOLDER = Path(__file__).parent
POLICIES = {WALK.stem: WALK}
"""Policies that come with leash, by name."""
SCRIPTED = ("trot", "stand")


def policy_named(given: str) -> str:
    """A policy as it was given, or the file of the shipped one of that name. Raises UsageError for an unknown name."""
    path = Path(given)
    if given in SCRIPTED or "://" in given or path.exists():
        return given
    if path.stem in POLICIES and path.suffix in {"", WALK.suffix}:
        return str(POLICIES[path.stem])
    if path.name == given and not path.suffix and not path.is_symlink():
        raise UsageError(f"no policy is called {given!r}; {hint(given, [*SCRIPTED, *POLICIES])}, or give a file")
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
    """A policy as a person names it: a shipped one by its name."""
    return next((name for name, file in POLICIES.items() if str(value) == str(file)), str(value))


def settings_named(given: str, pattern: str) -> Path:
    """A settings file as it was given, or the shipped one of that name. Raises UsageError where neither is there."""
    path = Path(given)
    known = {file.stem: file for file in sorted(FOLDER.glob(pattern))}
    if path.exists() or path.is_symlink():
        return path
    if path.stem in known and path.suffix in {"", ".yaml"}:
        return known[path.stem]
    raise UsageError(f"no settings file {given!r}; {hint(path.stem, known)}, or give a file")


def _settings(pattern: str) -> PrimitiveConstructorSpec[Path | None]:
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="FILE",
        instance_from_str=lambda words: settings_named(words[0], pattern),
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
PlanFile = Annotated[Path | None, _settings("pupper_*.yaml")]
"""What `leash train sac` does."""
LivePlanFile = Annotated[Path | None, _settings("live_*.yaml")]
"""What `leash train sac --robot` does."""
DynamicsFile = Annotated[Path | None, _settings("twin_*.yaml")]
"""What a simulated robot is like."""
