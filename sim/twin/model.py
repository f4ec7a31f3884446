"""The twin's body as MJCF: links, joints, primitive shapes and a floor, from the measured tables of Pupper v2.

Body frame: x forward, y left, z up, origin at the centre of the four hip-pitch axes. Legs are front right, front left,
back right, back left; joints abduction (about x), hip and knee (about y), by the right-hand rule, zero straight down.
"""

import math
from collections.abc import Sequence

import mujoco
import numpy as np

from leash_robot.sim.twin.dynamics import TwinDynamics
from leash_robot.sim.twin.motor import COULOMB, VISCOUS
from leash_robot.sim.unstable_dynamics import impossible

LEGS = ("front_right", "front_left", "back_right", "back_left")
JOINT_KINDS = ("abduction", "hip", "knee")

BACKLASH = 0.025
"""Play that the hard stops allow beyond the nominal limits; homing takes it into account [rad]."""
LIMITS = ((-math.pi / 4, math.pi / 4), (math.radians(-75), math.radians(255)), (math.radians(-165), math.radians(165)))
"""Nominal range of abduction, hip and knee [rad]."""

BODY_MASS = 0.991
BODY_COM = (0.037, 0.0, -0.0096)
"""Note: the length of the table (0.073) is doubted by its own authors; this is what another team weighed [m]."""
BODY_INERTIA = (0.00175, 0.00626, 0.00678)
ROTOR_INERTIA = 0.0028
"""Reflected to the joint [kg m2]."""
PAYLOAD_HEIGHT = 0.05

SKIN = 'group="1" rgba="0.93 0.93 0.95 1"'
DARK = 'group="1" rgba="0.16 0.17 0.19 1"'
ACCENT = 'group="1" rgba="0.83 0.13 0.15 1"'
GLASS = 'group="1" rgba="0.25 0.45 0.60 1"'
CAMERA_DOWN = 0.2
"""Slope at which the head camera looks down."""
ROUGH_SIZE, ROUGH_CELLS = 20.0, 400
"""Half-width of the rough floor [m], and its cells along a side."""


def build(dynamics: TwinDynamics, seed: int = 0) -> mujoco.MjModel:
    """Compile the model of this machine on its floor; `seed` draws the bumps. Raises RobotError."""
    try:
        model = mujoco.MjModel.from_xml_string(document(dynamics))
    except ValueError as error:
        raise impossible(dynamics, " ".join(str(error).split())) from None
    if dynamics.bumps > 0.0:
        model.hfield_data[:] = np.random.default_rng(seed).random(model.hfield_data.shape, np.float32)
    return model


def document(dynamics: TwinDynamics, scenery: str = "") -> str:
    """The whole MJCF text; `scenery` is more of it, which has no part in the physics."""
    tilt = math.radians(dynamics.slope_deg)
    gravity = _numbers((-9.81 * math.sin(tilt), 0.0, -9.81 * math.cos(tilt)))
    extent = f"{ROUGH_SIZE} {ROUGH_SIZE} {dynamics.bumps} 0.1"
    rough = f'<hfield name="rough" nrow="{ROUGH_CELLS}" ncol="{ROUGH_CELLS}" size="{extent}"/>'
    feet = "".join(f'<touch name="{leg}" site="{leg}"/>' for leg in LEGS)
    return f"""<mujoco model="pupper_v2">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="0.001" gravity="{gravity}" integrator="implicitfast"
          cone="elliptic" impratio="5" iterations="50" ls_iterations="20"/>
  <default>
    <joint armature="{ROTOR_INERTIA * dynamics.rotor_inertia}" damping="{VISCOUS + dynamics.joint_damping}"
           frictionloss="{COULOMB * dynamics.coulomb}"
           solreflimit="0.004 1" solreffriction="0.004 1" solimpfriction="0.99 0.999 0.001"/>
    <geom contype="0" conaffinity="1" condim="3" solref="0.006 1" friction="0.5 0.005 0.0001"/>
  </default>
  <asset>{rough if dynamics.bumps > 0.0 else ""}</asset>
  <worldbody>
    {_floor(dynamics)}
    <body name="body" pos="0 0 0.2">
      <freejoint/>
      {_trunk(dynamics)}
      {"".join(_leg(index, dynamics) for index in range(4))}
    </body>
  </worldbody>
  <sensor>
    <gyro name="gyro" site="imu"/>
    <accelerometer name="accel" site="imu"/>
    {feet}
  </sensor>
  {scenery}
</mujoco>"""


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.9g}" for value in values)


def _floor(dynamics: TwinDynamics) -> str:
    plane = '<geom name="floor" type="plane" size="0 0 0.05" contype="1" conaffinity="0"/>'
    rough = '<geom name="rough" type="hfield" hfield="rough" contype="1" conaffinity="0"/>'
    return plane + (rough if dynamics.bumps > 0.0 else "")


def _inertial(mass: float, com: Sequence[float], inertia: Sequence[float], dynamics: TwinDynamics) -> str:
    diagonal = _numbers([value * dynamics.mass * dynamics.inertia for value in inertia])
    return f'<inertial mass="{mass * dynamics.mass:.9g}" pos="{_numbers(com)}" diaginertia="{diagonal}"/>'


def _trunk(dynamics: TwinDynamics) -> str:
    com = [a + b for a, b in zip(BODY_COM, dynamics.com_shift, strict=True)]
    mount = _numbers([math.radians(angle) for angle in dynamics.imu.mount_deg])
    payload = f"""<body name="payload" pos="0 0 {PAYLOAD_HEIGHT}">
      {_inertial(dynamics.payload, (0, 0, 0), [dynamics.payload * 4e-4] * 3, TwinDynamics())}</body>"""
    return f"""{_inertial(BODY_MASS, com, BODY_INERTIA, dynamics)}
      <geom name="trunk" type="box" size="0.1305 0.062 0.046" pos="0 0 -0.009" group="4"/>
      {_shell()}
      <camera name="head" pos="0.136 0 0.022" xyaxes="0 -1 0 {CAMERA_DOWN} 0 1" fovy="49"/>
      <site name="imu" euler="{mount}"/>
      {payload if dynamics.payload > 0.0 else ""}"""


def _shell() -> str:
    """What the body looks like; the box around it is what collides."""
    box = '<geom type="box" conaffinity="0" size="{}" pos="{}" {}/>'
    parts = (
        box.format("0.118 0.058 0.036", "0 0 -0.012", SKIN),
        box.format("0.1305 0.040 0.030", "0 0 -0.012", DARK),
        box.format("0.085 0.050 0.006", "-0.012 0 0.030", DARK),
        box.format("0.050 0.0595 0.010", "0 0 -0.012", ACCENT),
        box.format("0.012 0.026 0.016", "0.118 0 0.021", DARK),
        f'<geom type="cylinder" conaffinity="0" size="0.008 0.003" euler="0 1.5708 0" pos="0.131 0 0.022" {GLASS}/>',
    )
    return "".join(parts)


def _leg(index: int, dynamics: TwinDynamics) -> str:
    name = LEGS[index]
    front, side = (1 if index < 2 else -1), (-1 if index % 2 == 0 else 1)
    joints = [_joint(index, kind, dynamics) for kind in range(3)]
    return f"""
    <body name="{name}_abduction" pos="{front * 0.1} {side * 0.047} 0">
      {joints[0]}{_inertial(0.106, (0.001, side * 0.0139, 0), (6e-5, 2e-5, 6e-5), dynamics)}
      <geom type="cylinder" size="0.015 0.0375" euler="1.5708 0 0" pos="0 {side * 0.0139} 0" {DARK}/>
      <body name="{name}_thigh" pos="0 {side * 0.0395} 0">
        {joints[1]}{_inertial(0.142, (0, side * 0.0172, -0.061), (1.6e-4, 1.4e-4, 3e-5), dynamics)}
        <geom type="capsule" size="0.011" fromto="0 0 0 0 {-side * 0.004} -0.08" {ACCENT}/>
        <geom type="cylinder" size="0.015 0.0325" euler="1.5708 0 0" pos="0 {side * 0.0172} -0.08" {DARK}/>
        <body name="{name}_shank" pos="0 {-side * 0.004} -0.08">
          {joints[2]}{_inertial(0.038, (-0.0008, -side * 0.0056, -0.0658), (3e-5, 3e-5, 5e-6), dynamics)}
          <geom type="capsule" size="0.006" fromto="0 0 0 0 {-side * 0.002} -0.11" {SKIN}/>
          <geom name="{name}" type="sphere" size="0.0095" pos="0 {-side * 0.002} -0.11" priority="1"
                friction="{dynamics.friction} 0.005 0.0001" {DARK}/>
          <site name="{name}" type="sphere" size="0.012" pos="0 {-side * 0.002} -0.11" group="4"/>
        </body>
      </body>
    </body>"""


def _joint(leg: int, kind: int, dynamics: TwinDynamics) -> str:
    low, high = LIMITS[kind]
    zero = math.radians(dynamics.joint_zero_deg[3 * leg + kind])
    axis = "1 0 0" if kind == 0 else "0 1 0"
    reach = f"{low - BACKLASH - zero:.9g} {high + BACKLASH - zero:.9g}"
    return f'<joint name="{LEGS[leg]}_{JOINT_KINDS[kind]}" axis="{axis}" range="{reach}"/>'
