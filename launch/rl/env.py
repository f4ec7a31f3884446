"""The environment that a policy learns in: the simulator's, seen through the features that the policy file names."""

import numpy as np

from leash_robot.launch.rl.plan import SacPlan
from leash_robot.policies.reflection import Reflected
from leash_robot.policies.rl.replay_buffer import Layout, layout
from leash_robot.policies.rl.sac.config import Sizes
from leash_robot.policies.rl.sac.feature_scale import scale_of
from leash_robot.policies.rl.sac.numpy_actor import Actor, NumpyActor
from leash_robot.policies.scripted.gait import Trot
from leash_robot.policies.symmetry import JOINTS, Mirror, of_features
from leash_robot.robot.feature_encoding import FeatureEncoder
from leash_robot.robot.spec import Spec, load_spec
from leash_robot.sim.envs import privileged
from leash_robot.sim.envs.walk import PupperEnv, WalkConfig


def open_env(plan: SacPlan, walk: WalkConfig | None = None) -> PupperEnv:
    """A world of its own."""
    spec = load_spec()
    base = Trot(spec) if plan.residual else None
    return PupperEnv(walk or plan.walk, spec=spec, encoder=FeatureEncoder(plan.features, spec.stand), base=base)


def sizes(plan: SacPlan, spec: Spec) -> Sizes:
    """Lengths of what the learner gets."""
    return Sizes(plan.features.width(len(spec.joints)), privileged.SIZE, len(spec.joints))


def columns(plan: SacPlan, spec: Spec) -> Layout:
    """Columns of the replay."""
    return layout(*sizes(plan, spec))


def shown_columns(plan: SacPlan, spec: Spec) -> Layout:
    """Columns of a replay of demonstrations: beside what was done, what the demonstrator wanted there."""
    return (*columns(plan, spec), ("wanted", (len(spec.joints),), "f4"))


def mirrors(plan: SacPlan) -> dict[str, Mirror]:
    """How the columns of the replay look to a mirrored robot."""
    return {
        "obs": of_features(plan.features),
        "privileged": Mirror(np.array(privileged.MIRROR), np.array(privileged.MIRROR_SIGNS)),
        "action": JOINTS,
    }


def actor_of(plan: SacPlan) -> NumpyActor:
    """The actor for processes that only act; it has no weights yet."""
    joints = len(load_spec().joints)
    return NumpyActor(scale_of(plan.features, joints), plan.sac.actor_hidden, joints)


def explorer(plan: SacPlan, actor: NumpyActor, spec: Spec) -> Actor:
    """Who drives while experience is gathered."""
    if not plan.reflected:
        return actor
    return Reflected(actor, plan.reflected, plan.features, spec, np.tile(plan.walk.box, 4))
