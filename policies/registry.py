"""Policy files of every kind, ready to drive."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from leash_robot.policies import cloned_policy as clone
from leash_robot.policies import image_policy as pixels
from leash_robot.policies.freshness import Fresh
from leash_robot.policies.hierarchical import Steered
from leash_robot.policies.image_policy import Pixels, network_of
from leash_robot.policies.manifest import Manifest, check_gait, describe
from leash_robot.policies.networks.cnn import shapes
from leash_robot.policies.policy_file import read_manifest, read_weights
from leash_robot.policies.scripted.by_name import names, own_gait, own_gaits, scripted
from leash_robot.robot.cameras.image import Image
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Observation, Policy

Maker = Callable[[], Policy]


def load_policy(path: Path, gait: str = "") -> tuple[Manifest, Maker]:
    """Read a policy file: its manifest, and a maker of policies for joints that share its weights. Raises PolicyError.

    One that steers by a camera gets the `gait` below it: the body's own, or the file of a policy for joints.
    """
    if read_manifest(path).pixels is None:
        if gait not in own_gaits():
            raise PolicyError(f"{path} moves the joints itself, so there is nothing below it; leave out --gait {gait}")
        return load_joints(path)
    manifest, make = load_pixels(path)
    below, walk = load_gait(gait, body_of(manifest))
    both = msgspec.structs.replace(manifest, needs_imu=manifest.needs_imu or below.needs_imu)
    return both, lambda: Steered(make(), walk())


def load_joints(path: Path) -> tuple[Manifest, Maker]:
    """Read the file of a policy that moves joints. Raises PolicyError."""
    return clone.load(path)


def load_gait(name: str, spec: Spec) -> tuple[Manifest, Maker]:
    """What walks below a policy that says where to: a scripted gait, by default the body's own, or the file of a policy
    for joints that follows commands.

    Raises PolicyError for one that does not, or was made for another robot.
    """
    name = name or own_gait(spec)
    if name in names():
        return describe(name, spec), lambda: scripted(name, spec)
    check_gait(read_manifest(Path(name)), name, spec)
    return load_joints(Path(name))


def load_pixels(path: Path) -> tuple[Manifest, Maker]:
    """Read the file of an image policy, for use above a gait of one's own, in a simulator whose time stands still while
    it thinks. Raises PolicyError.
    """
    manifest = read_manifest(path)
    config = pixels.config_of(manifest)
    network = network_of(manifest, read_weights(path, shapes(config), manifest))
    Pixels(manifest, network).act(_still(manifest))  # the first run of a network is slow
    return manifest, lambda: Fresh(Pixels(manifest, network), manifest.bounds)


def body_of(manifest: Manifest) -> Spec:
    """The spec that an image policy was made for. Raises PolicyError."""
    if manifest.body is None:
        raise PolicyError(f"a {manifest.kind} policy does not carry its robot's spec")
    return manifest.body


def _still(manifest: Manifest) -> Observation:
    """A robot that stands in the dark."""
    stand, down = np.array(manifest.stand), np.array([0.0, 0.0, -1.0])
    images = {name: Image.blank(0.0, 72, 96) for name in manifest.cameras}
    return Observation(
        0.0, 0.0, stand, 0 * stand, 0 * stand, down, np.zeros(3), np.zeros(manifest.command_size), images
    )
