"""Training on pictures needs memory for a batch, whatever the data set's size."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.format import open_memmap

from leash_robot.robot.dataset.episode import read_episode
from leash_robot.robot.dataset.frame_cache import ImageCache
from support.paths import TESTS
from support.pixels import LARGE, SPEC, record

EPISODES, TICKS = 6, 400
SIZE_MB = EPISODES * TICKS * LARGE.height * LARGE.width * 3 / 1e6
ALLOWED_MB = 100.0
"""How far the peak may grow; a fraction of the pictures."""

TRAIN = """
import sys
from pathlib import Path
import numpy as np
from leash_robot.policies.imitation.image_bc import PixelsTraining, train_pixels
from leash_robot.robot.dataset.episode import read_episode
from support.pixels import LARGE, SPEC

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e3

episodes = [read_episode(path) for path in sorted(Path(sys.argv[1]).glob("*.mcap"))]
weights = [np.ones(len(episode)) for episode in episodes]
config = PixelsTraining(sight=LARGE, batch=8)
train_pixels(episodes[:1], SPEC, config, weights=[weights[0] * (np.arange(len(weights[0])) < 20)], steps=1)
before = peak()
figures = train_pixels(episodes, SPEC, config, weights=weights, steps=3).figures
print(peak() - before, figures["samples"] + figures["held_out_samples"])
"""


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Episodes of small frames whose decoded ones are large already, as holes in files that need no disk."""
    for index in range(EPISODES):
        episode = read_episode(record(tmp_path, index, TICKS))
        cache = ImageCache(tmp_path, (LARGE.height, LARGE.width))
        path = cache._path(episode, "head")
        path.parent.mkdir(exist_ok=True)
        open_memmap(path, mode="w+", dtype=np.uint8, shape=(TICKS, LARGE.height, LARGE.width, 3))
    return tmp_path


def test_memory_grows_by_a_fraction_of_the_pictures(large: Path) -> None:
    assert SIZE_MB > 4 * ALLOWED_MB and len(SPEC.cameras) == 1
    command = [sys.executable, "-c", TRAIN, str(large)]
    made = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=TESTS)
    assert made.returncode == 0, made.stderr
    growth, ticks = map(float, made.stdout.split())
    assert ticks == EPISODES * TICKS
    assert growth < ALLOWED_MB, f"{growth:.0f} MB more for {SIZE_MB:.0f} MB of pictures"
