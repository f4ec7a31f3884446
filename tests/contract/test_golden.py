"""A recorded drive through gait, limits and features gives the same numbers as the day it was recorded.

Where a change means to alter them: `python tests/test_golden.py` records anew, and the commit says why.
"""

from dataclasses import replace

import numpy as np

from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.encoding.feature_encoding import FeatureConfig, FeatureEncoder
from leash_robot.robot.fake import FakeRobot
from leash_robot.robot.spec import load_spec
from leash_robot.robot.types import Array
from support.paths import TESTS

GOLDEN = TESTS / "golden" / "drive.npz"
COMMANDS = ((0.0, 0.0, 0.0), (0.25, 0.0, 0.0), (0.1, 0.08, 0.0), (0.0, 0.0, 0.8), (-0.2, -0.05, -0.4), (0.0, 0.0, 0.0))
TICKS = 20


def drive() -> dict[str, Array]:
    """Targets that went out (T, 12) and features (T, width), for each command in turn."""
    spec = load_spec()
    gait, features = Trot(spec), FeatureEncoder(FeatureConfig(), spec.stand)
    targets, rows = [], []
    with FakeRobot(spec) as robot:
        robot.reset()
        gait.reset()
        features.reset()
        for command in np.repeat(COMMANDS, TICKS, axis=0):
            obs = replace(robot.observe(), command=command)
            rows.append(features.step(obs))
            sent = robot.send(gait.act(obs))
            features.sent(sent.joint_pos)
            targets.append(sent.joint_pos)
    return {"targets": np.array(targets, np.float64), "features": np.array(rows, np.float64)}


def test_the_golden_drive_is_repeated_to_the_last_digit_that_matters() -> None:
    with np.load(GOLDEN) as golden:
        now = drive()
        assert now.keys() == set(golden.files)
        for name, values in now.items():
            np.testing.assert_allclose(values, golden[name], atol=1e-6, err_msg=name)


if __name__ == "__main__":
    recorded = drive()
    np.savez_compressed(GOLDEN, targets=recorded["targets"], features=recorded["features"])
