"""Pupper v2 as links, joints and primitive shapes, written out as URDF.

Masses, centres of mass, inertias and joint positions are those measured on the stock robot; the shapes are our own.
The committed `assets/pupper_v2.urdf` is `urdf()`; randomized machines are other builds of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

ASSET = Path(__file__).parents[1] / "assets" / "pupper_v2.urdf"

LEGS = ("front_right", "front_left", "back_right", "back_left")
"""In joint order; each with the joints abduction, hip and knee."""

Vector = tuple[float, float, float]
ZERO: Vector = (0.0, 0.0, 0.0)

HIP_X = 0.100
HIP_Y = 0.047
ABDUCTION_TO_HIP = 0.0395
"""Outward [m]."""
HIP_TO_KNEE = (-0.004, -0.080)
"""Outward and up [m]."""
KNEE_TO_FOOT = (-0.002, -0.110)
"""Outward and up [m]."""
FOOT_RADIUS = 0.0095
STOPS = {"abduction": (-0.81, 0.81), "hip": (-1.334, 4.476), "knee": (-2.905, 2.905)}
"""Where the links hit their hard stops, play included [rad]."""


@dataclass(frozen=True)
class Mass:
    """Mass [kg], its centre in the link's frame [m], and the principal inertias about that centre [kg m2]."""

    mass: float
    com: Vector
    inertia: Vector

    def scaled(self, mass: float, inertia: float) -> "Mass":
        """Multiply mass and inertia; the inertia follows the mass unless told otherwise."""
        ixx, iyy, izz = (value * mass * inertia for value in self.inertia)
        return Mass(self.mass * mass, self.com, (ixx, iyy, izz))

    def moved(self, by: Vector) -> "Mass":
        """Move the centre of mass [m]."""
        x, y, z = (a + b for a, b in zip(self.com, by, strict=True))
        return replace(self, com=(x, y, z))

    def loaded(self, mass: float, at: Vector) -> "Mass":
        """Add a point mass; products of inertia, which stay tiny here, are left out."""
        if mass == 0.0:
            return self
        total = self.mass + mass
        x, y, z = ((self.mass * a + mass * b) / total for a, b in zip(self.com, at, strict=True))
        reduced = self.mass * mass / total
        dx, dy, dz = ((a - b) ** 2 for a, b in zip(self.com, at, strict=True))
        ixx, iyy, izz = self.inertia
        return Mass(
            total,
            (x, y, z),
            (ixx + reduced * (dy + dz), iyy + reduced * (dx + dz), izz + reduced * (dx + dy)),
        )


# Note: one source has the centre of mass 73 mm ahead, which puts the whole robot's 24 mm ahead of its hips; another
# team weighed the parts and found 37 mm, which agrees with how far forward the stock gait stands.
BODY = Mass(0.991, (0.037, 0.0, -0.0096), (0.00175, 0.00626, 0.00678))
ABDUCTION = Mass(0.106, (0.001, 0.0139, 0.0), (6e-5, 2e-5, 6e-5))
THIGH = Mass(0.142, (0.0, 0.0172, -0.061), (1.6e-4, 1.4e-4, 3e-5))
# Note: the published 1.8e-4 is about the knee, not the centre of mass; a rod of this mass and length has 3e-5.
SHANK = Mass(0.038, (-0.0008, -0.0056, -0.0658), (3e-5, 3e-5, 1e-5))
PAYLOAD_AT: Vector = (0.0, 0.0, 0.05)
"""Where a payload sits: on the back [m]."""


@dataclass(frozen=True)
class Shape:
    """A primitive: URDF geometry, where it is, which way it is turned, its colour, and whether it touches."""

    geometry: str
    at: Vector = ZERO
    turn: Vector = ZERO
    colour: str = "graphite"
    solid: bool = False
    seen: bool = True


COLOURS = {
    "navy": (0.13, 0.24, 0.38),
    "sky": (0.36, 0.62, 0.80),
    "graphite": (0.20, 0.21, 0.24),
    "coral": (0.95, 0.45, 0.30),
    "ivory": (0.93, 0.91, 0.86),
    "ink": (0.07, 0.07, 0.09),
}


def box(x: float, y: float, z: float) -> str:
    """A box with these sides [m]."""
    return f'<box size="{x} {y} {z}"/>'


def cylinder(radius: float, length: float) -> str:
    """A cylinder along z [m]."""
    return f'<cylinder radius="{radius}" length="{length}"/>'


def sphere(radius: float) -> str:
    """A sphere [m]."""
    return f'<sphere radius="{radius}"/>'


ALONG_X: Vector = (0.0, 1.5708, 0.0)
ALONG_Y: Vector = (1.5708, 0.0, 0.0)

BODY_SHAPES = (
    Shape(box(0.261, 0.124, 0.092), (0.0, 0.0, -0.009), seen=False, solid=True),
    Shape(box(0.236, 0.086, 0.070), (-0.006, 0.0, -0.014), colour="navy"),
    Shape(box(0.180, 0.060, 0.014), (-0.012, 0.0, 0.028), colour="sky"),
    Shape(box(0.036, 0.076, 0.050), (0.126, 0.0, 0.008), colour="ivory"),
    Shape(cylinder(0.010, 0.010), (0.146, 0.018, 0.014), ALONG_X, colour="ink"),
    Shape(cylinder(0.010, 0.010), (0.146, -0.018, 0.014), ALONG_X, colour="ink"),
    Shape(box(0.014, 0.100, 0.060), (0.070, 0.0, -0.012), colour="graphite"),
    Shape(box(0.014, 0.100, 0.060), (-0.070, 0.0, -0.012), colour="graphite"),
)


def abduction_shapes(side: int) -> tuple[Shape, ...]:
    """The abduction motor along x and the hip motor along y."""
    return (
        Shape(cylinder(0.019, 0.052), ZERO, ALONG_X, colour="graphite"),
        Shape(cylinder(0.021, 0.040), (0.0, side * 0.024, 0.0), ALONG_Y, colour="sky"),
        Shape(sphere(0.024), (0.0, side * 0.030, 0.0), seen=False, solid=True),
    )


def thigh_shapes(side: int) -> tuple[Shape, ...]:
    """A plate with the knee motor on its inside near the hip, and the knee."""
    return (
        Shape(box(0.030, 0.011, 0.088), (0.0, side * 0.006, -0.040), colour="coral"),
        Shape(cylinder(0.020, 0.012), (0.0, side * 0.006, 0.0), ALONG_Y, colour="coral"),
        Shape(cylinder(0.014, 0.020), (0.0, -side * 0.001, -0.080), ALONG_Y, colour="graphite"),
        Shape(sphere(0.014), (0.0, 0.0, -0.080), seen=False, solid=True),
    )


def shank_shapes(side: int) -> tuple[Shape, ...]:
    """A thin rod and the ball of the foot."""
    return (
        Shape(box(0.012, 0.0095, 0.106), (0.0, -side * 0.001, -0.053), colour="ivory"),
        Shape(sphere(FOOT_RADIUS), (0.0, side * KNEE_TO_FOOT[0], KNEE_TO_FOOT[1]), colour="ink", solid=True),
    )


@dataclass(frozen=True)
class Build:
    """How one machine's masses differ from the nominal ones."""

    mass: float = 1.0
    """Scales every mass and inertia."""
    inertia: float = 1.0
    """Scales every inertia on top of that."""
    com_shift: Vector = ZERO
    """Moves the body's centre of mass [m]."""
    payload: float = 0.0
    """Rides on the back [kg]."""


def urdf(build: Build | None = None) -> str:
    """Write this machine, or the nominal one."""
    build = build or Build()
    body = BODY.scaled(build.mass, build.inertia).moved(build.com_shift).loaded(build.payload, PAYLOAD_AT)
    parts = [*_materials(), _link("body", body, BODY_SHAPES)]
    for index, leg in enumerate(LEGS):
        parts += _leg(leg, 1 if index < 2 else -1, -1 if index % 2 == 0 else 1, build)
    return "\n".join(['<robot name="pupper_v2">', *parts, "</robot>", ""])


def _leg(leg: str, front: int, side: int, build: Build) -> Iterator[str]:
    links = (
        ("abduction", ABDUCTION, abduction_shapes(side), (front * HIP_X, side * HIP_Y, 0.0), "1 0 0"),
        ("hip", THIGH, thigh_shapes(side), (0.0, side * ABDUCTION_TO_HIP, 0.0), "0 1 0"),
        ("knee", SHANK, shank_shapes(side), (0.0, side * HIP_TO_KNEE[0], HIP_TO_KNEE[1]), "0 1 0"),
    )
    parent = "body"
    for joint, part, shapes, origin, axis in links:
        child = f"{leg}_{joint}"
        com = (part.com[0], side * part.com[1], part.com[2])
        yield _link(f"{child}_link", replace(part, com=com).scaled(build.mass, build.inertia), shapes)
        yield _joint(child, parent, f"{child}_link", origin, axis)
        parent = f"{child}_link"


def _materials() -> Iterator[str]:
    for name, (red, green, blue) in COLOURS.items():
        yield f'  <material name="{name}"><color rgba="{red} {green} {blue} 1"/></material>'


def _link(name: str, part: Mass, shapes: tuple[Shape, ...]) -> str:
    ixx, iyy, izz = part.inertia
    inertial = (
        f"    <inertial>{_origin(part.com)}"
        f'<mass value="{part.mass:.6g}"/>'
        f'<inertia ixx="{ixx:.6g}" iyy="{iyy:.6g}" izz="{izz:.6g}" ixy="0" ixz="0" iyz="0"/></inertial>'
    )
    visuals = (
        f"    <visual>{_origin(shape.at, shape.turn)}<geometry>{shape.geometry}</geometry>"
        f'<material name="{shape.colour}"/></visual>'
        for shape in shapes
        if shape.seen
    )
    collisions = (
        f"    <collision>{_origin(shape.at, shape.turn)}<geometry>{shape.geometry}</geometry></collision>"
        for shape in shapes
        if shape.solid
    )
    return "\n".join([f'  <link name="{name}">', inertial, *visuals, *collisions, "  </link>"])


def _joint(name: str, parent: str, child: str, origin: Vector, axis: str) -> str:
    lower, upper = STOPS[name.rpartition("_")[2]]
    return (
        f'  <joint name="{name}" type="revolute"><parent link="{parent}"/><child link="{child}"/>{_origin(origin)}'
        f'<axis xyz="{axis}"/><limit lower="{lower}" upper="{upper}" effort="3.2" velocity="52.4"/></joint>'
    )


def _origin(at: Vector, turn: Vector = ZERO) -> str:
    place = " ".join(f"{value:.6g}" for value in at)
    rotation = " ".join(f"{value:.6g}" for value in turn)
    return f'<origin xyz="{place}" rpy="{rotation}"/>'
