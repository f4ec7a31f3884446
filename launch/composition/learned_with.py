"""Which calibration a policy learned with, and whether a machine with another one may run it."""

from pathlib import Path

from leash_robot.calibration.store import Store
from leash_robot.launch.composition.robots import RobotOptions, known_calibration
from leash_robot.policies.manifest import Manifest
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.spec import Spec, load_spec


def check_calibration(manifest: Manifest, name: str, options: RobotOptions) -> None:
    """Raise PolicyError, with both hashes, where the policy called `name` learned with another calibration than this
    machine's. Simulated robots without a calibration need none, and run any policy.
    """
    if options.kind != "real" and options.calibration is None:
        return
    spec = load_spec(options.load_plan().spec)
    problem = mismatch(manifest, known_calibration(options, spec), options.calibration, spec)
    if problem and options.accept_calibration != manifest.calibration:
        raise PolicyError(f"{name} {problem}; {remedy(manifest)}")


def mismatch(manifest: Manifest, known: Calibration, path: Path | None, spec: Spec) -> str:
    """What is wrong with a machine's calibration for a policy, in a few words with both hashes; empty if nothing."""
    if not manifest.calibration or manifest.calibration == known.hash:
        return ""
    learned = f"learned with calibration {manifest.calibration}"
    if path is None:
        return f"{learned}, but this robot runs without any ({known.hash})"
    store = Store(path.parent, path.name, spec) if path.is_dir() else Store(path.parent.parent, path.parent.name, spec)
    stale = [one.version for one in store.history() if one.hash == manifest.calibration]
    said = f"version {stale[0]} of the same machine" if stale else "another machine's, or one that is not kept here"
    return f"{learned}, {said}; here it is {known.hash} of {known.machine}"


def remedy(manifest: Manifest) -> str:
    """What a person can do about it."""
    return (
        "train it on recordings made with this one, or, if joints and IMU are as well calibrated as they were then, "
        f"give --accept-calibration {manifest.calibration}"
    )
