"""The registry's entry of the arm."""

from pathlib import Path

from msgspec.structs import replace

from leash_robot.robot.bodies.gated_robot import GatedRobot
from leash_robot.robot.bodies.registry import Body, Defaults
from leash_robot.robot.safety.config import gate_config
from leash_robot.robot.safety.messages import GateConfig

CODEC = "support.desk_arm.codec:DeskArmCodec"


class DeskArm(GatedRobot):
    """Fits `Robot`."""

    def gate_config(self) -> GateConfig:
        """What the gate must know: an arm that falls without torque is led to its rest pose before it is let go."""
        config = gate_config(self._spec, self._port, self._calibration, CODEC)
        settings = {"torque": 100.0, "yielding": 40.0}
        return replace(config, settings=settings, baud=1_000_000, retreat=1.0)


BODY = Body(
    name="desk_arm",
    spec=Path(__file__).with_name("desk_arm.yaml"),
    codec=CODEC,
    open_real="support.desk_arm.body:DeskArm.of",
    open_sim="support.desk_arm.sim:open_sim",
    open_twin="support.desk_arm.firmware:open_twin",
    defaults=Defaults(gait="reach", scripted={"reach": "support.desk_arm.reach:Reach"}),
)
