"""What deployment must agree with before a policy may drive: stored in every policy file, sent by every server."""

from collections.abc import Sequence
from importlib import metadata
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from leash_robot.policies.freshness import JOINTS, Input
from leash_robot.policies.image_observation import PixelsConfig
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.dataset.episode import Episode
from leash_robot.robot.encoding.feature_encoding import FeatureConfig
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.spec import Gains, Spec

Width = Annotated[int, Meta(ge=1, le=4096)]
Row = Annotated[tuple[float, ...], Meta(max_length=64)]


class NetworkConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes of an ensemble of LayerNorm MLPs."""

    members: Annotated[int, Meta(ge=1, le=64)] = 5
    hidden: Annotated[tuple[Width, ...], Meta(max_length=8)] = (128, 128)
    horizon: Annotated[int, Meta(ge=1, le=64)] = 4
    """How many ticks of targets one answer plans; those after the first bridge late replies."""
    squash: bool = False
    """Whether a target goes through tanh on its way into the box, as an actor's does, instead of being cut off."""


Slew = Annotated[float, Meta(gt=0, le=1000)]


Interval = tuple[Annotated[float, Meta(ge=-100, le=100)], Annotated[float, Meta(ge=-100, le=100)]]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A policy, as a robot must know it before trusting it."""

    kind: Annotated[str, Meta(min_length=1, max_length=32)]
    """How it decides: `bc`, `sac`, `pixels`, `trot`, `stand`."""
    spec: Annotated[str, Meta(max_length=64)]
    spec_hash: Annotated[str, Meta(max_length=64)]
    joints: Annotated[tuple[Annotated[str, Meta(max_length=64)], ...], Meta(min_length=1, max_length=64)]
    """Names in joint order."""
    rate: Annotated[float, Meta(gt=0, le=1000)]
    """Ticks a second."""
    gains: Gains
    stand: Row
    """(n,) standing pose, the centre of the action box [rad]."""
    lower: Row
    """(n,) smallest targets [rad]."""
    upper: Row
    """(n,) largest targets [rad]."""
    needs_imu: bool = False
    """Whether gravity or the gyro are among what it reads."""
    command_size: Annotated[int, Meta(ge=0, le=16)] = 3
    """How many entries a command of this robot has."""
    cameras: Annotated[tuple[str, ...], Meta(max_length=8)] = ()
    """Cameras that it looks at."""
    inputs: Annotated[dict[str, Input], Meta(max_length=9)] = {}
    """How old a camera's picture, or `joints`, may be; what is not named has the default, see `bounds`."""
    features: FeatureConfig | None = None
    """What a network sees."""
    network: NetworkConfig | None = None
    pixels: PixelsConfig | None = None
    """What a policy that steers by a camera sees; a gait below it walks."""
    residual: Literal["", "trot"] = ""
    """What the targets are around: the stand pose, or what the scripted trot wants at this tick."""
    body: Spec | None = None
    """The whole spec, where a gait needs the legs; the one that `spec_hash` names."""
    box: Row = ()
    """(n,) half-range of the targets around `stand` [rad]."""
    filter_hz: Annotated[float, Meta(ge=0, le=1000)] = 0.0
    """Cut-off of the first-order filter on the targets [Hz]; 0 is none."""
    slew: tuple[Slew, Slew, Slew] | None = None
    """Largest change of the command that is followed: vx, vy [m/s2], yaw rate [rad/s2]; None follows it at once."""
    commands: tuple[Interval, Interval, Interval] | None = None
    """Commands that it learned to follow: vx, vy [m/s], yaw rate [rad/s]; None where nobody noted them."""
    risk_scale: Annotated[float, Meta(gt=0)] = 1.0
    """Ensemble spread, as a share of the box, that counts as risk 0.5: the 99th percentile of what was held out."""
    calibration: Annotated[str, Meta(max_length=64)] = ""
    """Hash of the calibration of the machine that it learned on, or empty."""
    weights: Annotated[str, Meta(max_length=64)] = ""
    """SHA-256 of the weights, or empty when there are none."""
    training: dict[str, str | int | float] = {}
    """Where it comes from; for people."""
    version: Annotated[str, Meta(max_length=32)] = ""
    """Of this software."""

    @property
    def bounds(self) -> dict[str, Input]:
        """How old each input may be: every camera's picture 200 ms and the joint state 100 ms, unless `inputs` says."""
        default = {JOINTS: Input(max_age=0.1)} | dict.fromkeys(self.cameras, Input())
        return default | self.inputs


def with_camera_age(manifest: Manifest, seconds: float) -> Manifest:
    """The manifest with another bound on the age of every picture [s]."""
    inputs = {name: msgspec.structs.replace(manifest.bounds[name], max_age=seconds) for name in manifest.cameras}
    return msgspec.structs.replace(manifest, inputs=manifest.inputs | inputs)


def with_calibration(manifest: Manifest, episodes: Sequence[Episode]) -> Manifest:
    """The manifest with the calibration that all of its recordings share; without one where they do not."""
    hashes = {episode.start.calibration_hash for episode in episodes}
    if len(hashes) != 1:
        return manifest
    return msgspec.structs.replace(manifest, calibration=calibration_mark(hashes.pop(), episodes[0].spec))


def calibration_mark(calibration_hash: str, spec: Spec) -> str:
    """The hash that a manifest keeps; empty for a machine that needs no calibration."""
    return "" if calibration_hash == Calibration.identity(spec).hash else calibration_hash


def describe(kind: str, spec: Spec, *, needs_imu: bool = False) -> Manifest:
    """The manifest of a policy for a spec that has no network."""
    return Manifest(
        kind=kind,
        spec=spec.name,
        spec_hash=spec.hash,
        joints=spec.names,
        rate=spec.rate,
        gains=spec.gains,
        stand=tuple(spec.stand.tolist()),
        lower=tuple(spec.lower.tolist()),
        upper=tuple(spec.upper.tolist()),
        needs_imu=needs_imu,
        command_size=len(spec.commanded),
        version=metadata.version("leash-robot"),
    )


def check_fits(manifest: Manifest, spec: Spec) -> None:
    """Raise PolicyError, naming both, when a policy was made for another robot or another state of this one."""
    made, here = f"{manifest.spec} {manifest.spec_hash}", f"{spec.name} {spec.hash}"
    if manifest.joints != spec.names:
        raise PolicyError(f"a policy for {made} cannot drive {here}: it has {len(manifest.joints)} other joints")
    if manifest.spec_hash != spec.hash or _differing(manifest, spec):
        raise PolicyError(f"a policy for {made} cannot drive {here}: {_difference(manifest, spec)}; train it again")


def check_gait(manifest: Manifest, name: str, spec: Spec) -> None:
    """Raise PolicyError, in one line, unless the policy called `name` can walk below one that says where to."""
    if manifest.pixels is not None:
        raise PolicyError(f"--gait {name} steers by a camera itself; give trot, or a policy that moves joints")
    if manifest.features is None or not manifest.features.command:
        raise PolicyError(f"--gait {name} ignores commands; train one that sees them, or give --gait trot")
    check_fits(manifest, spec)


def _differing(manifest: Manifest, spec: Spec) -> list[str]:
    """What the manifest says of the robot that the spec does not."""
    here = describe(manifest.kind, spec)
    said = ("rate", "gains", "stand", "lower", "upper")
    return [name for name in said if getattr(manifest, name) != getattr(here, name)]


def _difference(manifest: Manifest, spec: Spec) -> str:
    return f"{' and '.join(_differing(manifest, spec)) or 'the spec'} changed since"


def to_json(manifest: Manifest) -> bytes:
    """The manifest as JSON."""
    return msgspec.json.encode(manifest)


def from_json(data: bytes | str) -> Manifest:
    """Read a manifest. Raises PolicyError for unknown keys, values out of range, or parts that disagree."""
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PolicyError(f"not a policy's manifest: {error}") from None
    _check(manifest)
    return manifest


def _check(manifest: Manifest) -> None:
    n = len(manifest.joints)
    for name in ("stand", "lower", "upper", "box"):
        row = getattr(manifest, name)
        if len(row) != n and not (name == "box" and manifest.network is None):
            raise PolicyError(f"the manifest's {name} has {len(row)} entries for {n} joints")
    if unread := [name for name in manifest.inputs if name not in {JOINTS, *manifest.cameras}]:
        raise PolicyError(f"the manifest bounds the age of {unread}; its cameras are {list(manifest.cameras)}")
    if manifest.bounds[JOINTS].optional:
        raise PolicyError("the manifest calls the joint state optional; only cameras can be")
    if manifest.pixels is not None and manifest.bounds.get(camera := manifest.pixels.camera, Input()).optional:
        raise PolicyError(f"the manifest calls camera {camera!r} optional; the policy sees nothing else")
    if manifest.features is not None and manifest.features.command_size != manifest.command_size:
        sizes = f"{manifest.features.command_size} and {manifest.command_size}"
        raise PolicyError(f"the manifest's features and the manifest disagree about the size of a command: {sizes}")
    if (manifest.network is None) != (manifest.features is None):
        raise PolicyError("the manifest has only one of `network` and `features`")
    if (manifest.pixels is None and not manifest.residual) != (manifest.body is None):
        raise PolicyError("the manifest has only one of `pixels` and `body`, or of `residual` and `body`")
    if manifest.body is not None and manifest.body.hash != manifest.spec_hash:
        raise PolicyError(f"the manifest's body is {manifest.body.hash}, not the {manifest.spec_hash} that it names")
