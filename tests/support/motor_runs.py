"""Motor logs of a simulated leg."""

import numpy as np

from leash_robot.calibration.legs import four
from leash_robot.calibration.motors.excitation import CENTRE, HARD, OPPOSED, SWING, wave
from leash_robot.calibration.motors.fit import Run
from leash_robot.calibration.motors.leg_model import NOMINAL, TargetCourse, simulate
from leash_robot.robot.bodies.pupper.kinematics import SIDE
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Array

SPEC = load_spec()


TRUE: Array = NOMINAL * (1.2, 0.8, 0.85, 1.3, 0.9, 0.75, 1.0) + np.array([0, 0, 0, 0, 0, 0, 0.03])


def run(kind: int, motors: Array = TRUE, ticks: int = 70) -> Run:
    shares = wave(SPEC.rate)[20 : 20 + ticks]
    targets = np.tile(four(CENTRE).reshape(4, 3).T, (ticks, 1, 1))
    targets[:, kind] += shares[:, None] * OPPOSED[kind] * SWING[kind] * (SIDE if kind == 0 else 1.0)
    course = TargetCourse(
        begin=targets[0].copy(),
        sent=np.arange(ticks) / SPEC.rate,
        targets=targets,
        ticks=np.arange(0, 50 * ticks, 10),
        side=SIDE,
        down=np.array([0.0, 0.0, -1.0]),
        gains=HARD,
    )
    pos, vel = simulate(np.repeat(motors[:, None], 4, axis=1), [course])[0]
    return Run(kind, course, pos[:, kind], vel[:, kind])
