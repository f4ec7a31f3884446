"""Plans and checkpoints that version 0.1 wrote still open: `data/checkpoint_0_1.safetensors` is one of its."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from safetensors.numpy import load_file

from leash_robot.launch.commands.train.sac import FREE
from leash_robot.launch.composition.training.schema import WalkTraining, load_robot_training, load_training
from leash_robot.launch.composition.training.walk_task import WalkTask
from leash_robot.policies.rl.checkpoint import check_same, load_checkpoint
from leash_robot.policies.rl.drivers.synchronous import SynchronousTraining
from leash_robot.policies.rl.sac.config import SacConfig, with_current_keys
from leash_robot.robot.errors import SpecError
from leash_robot.robot.spec import load_spec

DATA = Path(__file__).parent / "data"
CHECKPOINT = DATA / "checkpoint_0_1.safetensors"
EARLIER = """
sac: {critics: 3, believed: 2, critic_rate: 1.0e-3, actor_rate: 2.0e-3, temperature_rate: 3.0e-3, temperature: 0.03,
  entropy: -0.7, steps: 2, delay: 3}
"""
CURRENT = SacConfig(
    critics=3,
    critic_subset=2,
    critic_learning_rate=1e-3,
    actor_learning_rate=2e-3,
    alpha_learning_rate=3e-3,
    alpha=0.03,
    target_entropy=-0.7,
    n_step=2,
    policy_delay=3,
)


def test_a_plan_with_the_earlier_names_reads_as_one_with_todays(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(EARLIER)
    assert load_training(path).sac == load_robot_training(path).sac == CURRENT


def test_a_value_under_an_earlier_name_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("sac: {temperature: 3}")
    with pytest.raises(SpecError, match=r"sac\.alpha"):
        load_training(path)


def test_an_earlier_checkpoint_resumes_and_learns_as_it_did() -> None:
    """`data/resumed_0_1.safetensors` holds what version 0.1 had learned three episodes later."""
    spec = load_spec()
    checkpoint = load_checkpoint(CHECKPOINT, spec.hash)
    plan = msgspec.convert(with_current_keys(msgspec.json.decode(checkpoint.info.plan)), WalkTraining)
    assert plan.sac.critic_subset == 2 and plan.sac.policy_delay == 3
    check_same(CHECKPOINT, checkpoint.info, plan, FREE)
    with SynchronousTraining(WalkTask(plan, spec), resume=checkpoint) as training:
        assert training.trainer.algorithm.updates == 35
        for _ in range(3):
            training.episode()
        assert training.trainer.algorithm.updates == 80
        found = training.trainer.algorithm.state().arrays
    for name, array in load_file(DATA / "resumed_0_1.safetensors").items():
        np.testing.assert_allclose(found[f"learner.{name}"], array, rtol=1e-2, atol=1e-3, err_msg=name)
