"""Front and back exchanged, nearly: what walks ahead may walk backwards, reflected, and is worth a try.

The body is the same in front and behind, but all knees bend backward, so this is no symmetry of joints as left and
right are (`policies/symmetry.py`). It is one of the feet, to first order around the stand pose: a foot that would go
ahead goes back. Good for exploration, whose outcome is seen; no good for making up experience.
"""

import numpy as np

from leash_robot.policies.rl.sac.numpy_actor import ActorNetwork, Float32
from leash_robot.robot.bodies.pupper.kinematics import jacobian
from leash_robot.robot.encoding.feature_encoding import FeatureConfig, parts
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import Array

OTHER_END = (2, 3, 0, 1)
"""Which leg each one changes places with."""
VECTOR, SPIN = np.diag([-1.0, 1.0, 1.0]), np.diag([1.0, -1.0, -1.0])
"""Of a velocity, a force, gravity; of an angular velocity."""
COMMAND = np.diag([-1.0, 1.0, -1.0])
BURST = 40
"""For so many ticks at a time the actor sees the world reflected, or does not."""


def of_joints(spec: Spec) -> Array:
    """(12, 12) how far from the stand pose each joint of the reflected body is; twice is nothing.

    Each foot's Jacobian J at the stand pose gives J^-1 diag(-1, 1, 1) J, and the legs change ends. Raises PolicyError
    for a body without legs.
    """
    if spec.legs is None:
        raise PolicyError("the spec has no `legs`: there is no front and back to exchange")
    reflect: Array = np.zeros((12, 12))
    for leg, one in enumerate(jacobian(spec.stand, spec.legs)):
        other = OTHER_END[leg]
        reflect[3 * other : 3 * other + 3, 3 * leg : 3 * leg + 3] = np.linalg.inv(one) @ VECTOR @ one
    return reflect


def of_features(config: FeatureConfig, spec: Spec) -> Array:
    """(d, d) what the reflected body would see."""
    of = {"gravity": VECTOR, "gyro": SPIN, "command": COMMAND, "clock": np.eye(4)}
    of |= dict.fromkeys(("joint_pos", "joint_vel", "actions"), of_joints(spec))
    blocks = [of[name] for name in parts(config)]
    whole: Array = np.zeros((sum(map(len, blocks)),) * 2)
    at = 0
    for block in blocks:
        whole[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    return whole


class Reflected:
    """An actor that for a part of the time acts as if front and back were exchanged."""

    def __init__(self, actor: ActorNetwork, part: float, config: FeatureConfig, spec: Spec, box: Array) -> None:
        """`box` (12,) is the half-range of the action box [rad]."""
        self._actor, self._part = actor, part
        self._features = of_features(config, spec).astype(np.float32)
        self._action = (of_joints(spec) * box / box[:, None]).astype(np.float32)
        self._left, self._now = 0, False

    def sample(self, obs: Float32, rng: np.random.Generator) -> Float32:
        """The action (n,) in [-1, 1] for these features (d,)."""
        if not self._left:
            self._left, self._now = BURST, rng.random() < self._part
        self._left -= 1
        if not self._now:
            return self._actor.sample(obs, rng)
        action: Float32 = (self._action @ self._actor.sample(self._features @ obs, rng)).clip(-1.0, 1.0)
        return action
