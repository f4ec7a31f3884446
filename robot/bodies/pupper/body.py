"""The registry's entry for the Stanford Pupper v2; it imports neither simulator nor policy."""

from pathlib import Path

from leash_robot.robot.bodies.pupper.codec import NAME as CODEC
from leash_robot.robot.bodies.pupper.driver import Pupper
from leash_robot.robot.bodies.registry import Body, Defaults, Wiring


def open_real(wiring: Wiring) -> Pupper:
    """The driver of a Pupper, or of its twin, at a serial port."""
    robot = Pupper(
        wiring.spec,
        wiring.port,
        cameras=wiring.cameras,
        calibration=wiring.calibration,
        needs_imu=wiring.needs_imu,
    )
    robot.watch = wiring.watch
    return robot


BODY = Body(
    name="pupper",
    spec=Path(__file__).with_name("pupper_v2.yaml"),
    codec=CODEC,
    open_real="leash_robot.robot.bodies.pupper.body:open_real",
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
