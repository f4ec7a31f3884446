"""Policy files of every kind, ready to drive."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from policies import clone, pixels
from policies.checkpoint import read_manifest, read_weights
from policies.convnet import shapes
from policies.gait import Trot
from policies.manifest import Manifest
from policies.pixels import Pixels, network_of
from policies.steered import Steered
from robot.errors import PolicyError
from robot.image import Image
from robot.spec import Spec
from robot.types import Observation, Policy

Maker = Callable[[], Policy]


def load_policy(path: Path) -> tuple[Manifest, Maker]:
    """Read a policy file: its manifest, and a maker of policies for joints that share its weights. Raises PolicyError.

    One that steers by a camera gets a trot below it.
    """
    manifest = read_manifest(path)
    if manifest.pixels is None:
        return clone.load(path)
    _, make = load_pixels(path)
    body = body_of(manifest)
    return manifest, lambda: Steered(make(), Trot(body))


def load_pixels(path: Path) -> tuple[Manifest, Callable[[], Pixels]]:
    """Read the file of an image policy, for use above a gait of one's own. Raises PolicyError."""
    manifest = read_manifest(path)
    config = pixels.config_of(manifest)
    network = network_of(manifest, read_weights(path, shapes(config), manifest))
    Pixels(manifest, network).act(_still(manifest))  # the first run of a network is slow
    return manifest, lambda: Pixels(manifest, network)


def body_of(manifest: Manifest) -> Spec:
    """The spec that an image policy was made for. Raises PolicyError."""
    if manifest.body is None:
        raise PolicyError(f"a {manifest.kind} policy does not carry its robot's spec")
    return manifest.body


def _still(manifest: Manifest) -> Observation:
    """A robot that stands in the dark."""
    stand, down = np.array(manifest.stand), np.array([0.0, 0.0, -1.0])
    images = {name: Image.blank(0.0, 72, 96) for name in manifest.cameras}
    return Observation(0.0, 0.0, stand, 0 * stand, 0 * stand, down, np.zeros(3), np.zeros(3), images)
