"""What comes with the package. Known without torch."""

from pathlib import Path

WALK = Path(__file__).parent / "pretrained" / "pupper_walk.safetensors"
"""The gait that `--config pupper/walk` trains; follows a body velocity."""
