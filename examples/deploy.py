"""Deploy: let a policy file drive the simulated robot; a file that was made for another robot is refused.

python examples/deploy.py runs/example.safetensors
"""

import sys
from pathlib import Path

from leash_robot.policies.manifest import check_fits
from leash_robot.policies.registry import load_policy
from leash_robot.robot.fake import NoLog
from leash_robot.robot.locomotion.velocity_command import ConstantCommand
from leash_robot.robot.loop import run
from leash_robot.robot.spec import load_spec
from leash_robot.sim.pybullet.robot import SimPupper

SECONDS = 5.0


def main(file: Path) -> None:
    """Walk at 0.2 m/s until the time is over or the robot has fallen."""
    spec = load_spec("pupper_v2")
    manifest, make = load_policy(file)
    check_fits(manifest, spec)
    with SimPupper(spec) as robot, NoLog() as log:
        robot.reset()
        policy = ConstantCommand(make(), (0.2, 0.0, 0.0))
        run(robot, policy, log, ticks=round(SECONDS * spec.rate), done=lambda tick: robot.truth().fallen)
        print(f"{log.count / spec.rate:.1f} s, {robot.truth().position[0]:.2f} m, fallen: {robot.truth().fallen}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example.safetensors"))
