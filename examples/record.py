"""Record: three episodes of a trot in simulation, each one MCAP file that Foxglove opens.

python examples/record.py data/examples
"""

import sys
from pathlib import Path

from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.locomotion.velocity_command import ConstantCommand
from leash_robot.robot.loop import run
from leash_robot.robot.recording.recorder import Recorder
from leash_robot.robot.spec import load_spec
from leash_robot.sim.pybullet.robot import SimPupper

COMMANDS = ((0.1, 0.0, 0.0), (0.2, 0.0, 0.0), (0.2, 0.0, 0.4))
SECONDS = 5.0


def main(folder: Path) -> None:
    """Write one episode per command, each labelled a success."""
    spec = load_spec("pupper_v2")
    with SimPupper(spec) as robot, Recorder(folder, spec, info={"task": "walk"}) as recorder:
        for command in COMMANDS:
            robot.reset()
            number = recorder.begin()
            run(robot, ConstantCommand(Trot(spec), command), recorder, ticks=round(SECONDS * spec.rate))
            recorder.end("success", "timeout")
            print(f"episode {number}: command {command}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "data/examples"))
