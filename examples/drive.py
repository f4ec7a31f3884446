"""Drive: a scripted trot walks the simulated robot forward for five seconds, and the simulator says how fast it was.

python examples/drive.py
"""

from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.fake import NoLog
from leash_robot.robot.locomotion.velocity_command import ConstantCommand
from leash_robot.robot.loop import run
from leash_robot.robot.spec import load_spec
from leash_robot.sim.pybullet.robot import SimPupper

SECONDS = 5.0
SPEED = 0.2


def main() -> None:
    """Walk, then report the mean speed."""
    spec = load_spec("pupper_v2")
    policy = ConstantCommand(Trot(spec), (SPEED, 0.0, 0.0))
    with SimPupper(spec) as robot, NoLog() as log:
        robot.reset()
        start = robot.truth().position[0]
        run(robot, policy, log, ticks=round(SECONDS * spec.rate))
        speed = (robot.truth().position[0] - start) / SECONDS
    print(f"command {SPEED} m/s, measured {speed:.2f} m/s")


if __name__ == "__main__":
    main()
