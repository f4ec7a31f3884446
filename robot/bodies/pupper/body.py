"""The registry's entry for the Stanford Pupper v2; it imports neither simulator nor policy."""

from pathlib import Path

from leash_robot.robot.bodies.pupper.codec import NAME as CODEC
from leash_robot.robot.bodies.registry import Body, Defaults

BODY = Body(
    name="pupper",
    spec=Path(__file__).with_name("pupper_v2.yaml"),
    codec=CODEC,
    open_real="leash_robot.robot.bodies.pupper.driver:Pupper.of",
    open_sim="leash_robot.sim.pybullet.robot:open_sim",
    open_twin="leash_robot.sim.twin.twin:open_twin",
    calibration="leash_robot.calibration.procedures:LEGGED",
    defaults=Defaults(
        gait="trot",
        scripted={"trot": "leash_robot.policies.scripted.gait:Trot"},
        packages={"sim": ("pybullet",), "twin": ("mujoco",)},
        stood_by="set it level, on its belly with its legs free",
    ),
)
