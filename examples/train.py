"""Train: clone whoever drove in a folder of recordings, by behaviour cloning.

python examples/train.py data/examples runs/example.safetensors
"""

import sys
from pathlib import Path

from leash_robot.policies.imitation.bc import BcConfig, train
from leash_robot.policies.policy_file import save_policy
from leash_robot.robot.dataset.episode import load_dataset


def main(folder: Path, out: Path) -> None:
    """Train on every episode that is no failure, and write a policy file."""
    episodes = load_dataset(folder, outcomes=("unlabelled", "success"))
    trained = train(episodes, episodes[0].spec, BcConfig(teacher="policy", steps=500))
    save_policy(out, trained.manifest, trained.weights)
    print(f"{out}: error on held-out ticks {trained.figures['held_out_rmse_rad']:.3f} rad")


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:]]
    main(*(given or [Path("data/examples"), Path("runs/example.safetensors")]))
