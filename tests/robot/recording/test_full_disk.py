"""A disk that fills up while somebody records: they hear of it at once, and nobody calls what is left a success."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from leash_robot.robot.dataset.episode import read_episode

pytest.importorskip("pybullet")  # the robots here are simulated

SCRIPT = """
import os, sys, threading, time
from contextlib import suppress
from pathlib import Path
from leash_robot.launch.cli import main

disk = Path(sys.argv[1])

def fill():
    while not any(path.stat().st_size > 50_000 for path in disk.glob("*/episode_*.partial")):
        time.sleep(0.01)
    with (disk / "filler").open("wb", buffering=0) as file:
        room = os.statvfs(disk)
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize * 9 // 10)  # at once
        file.seek(0, os.SEEK_END)
        for size in (1 << 20, 4096):
            with suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass

threading.Thread(target=fill, daemon=True).start()
sys.argv = ["leash", *sys.argv[2:]]
sys.exit(main())
"""


def on_a_small_disk(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a command whose `DISK` is a disk of 270 MB that is full as soon as an episode is on it; keep what is left."""
    disk, script = folder / "disk", folder / "script.py"
    disk.mkdir()
    script.write_text(SCRIPT)
    words = [word.replace("DISK", str(disk)) for word in args]
    run = f'mount -t tmpfs -o size=270m none {disk} && "$@"; code=$?; cp {disk}/*/*.mcap {folder}; exit $code'
    command = ["unshare", "-rm", "sh", "-c", run, "sh", sys.executable, str(script), str(disk), *words]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    if "unshare:" in ran.stderr or "permission denied" in ran.stderr:
        pytest.skip(f"no tmpfs of our own here: {ran.stderr}")
    return ran


def test_a_collection_on_a_disk_that_fills_up_says_so_and_fails(tmp_path: Path) -> None:
    what = ("collect", "DISK/walk", "--robot", "sim", "--operator", "scripted", "--episodes", "2", "--seconds", "120")
    ran = on_a_small_disk(tmp_path, *what, "--json")
    assert "Traceback" not in ran.stderr
    assert "episode 0 is cut short: cannot write to" in ran.stderr
    assert "make room first" in ran.stderr
    assert ran.returncode == 1
    figures = json.loads(ran.stdout.splitlines()[-1])
    assert (figures["episodes"], figures["unlabelled"], figures.get("success", 0)) == (1, 1, 0)
    assert len(figures["losses"]) == 2
    (path,) = tmp_path.glob("*.mcap")
    episode = read_episode(path)
    assert episode.end is not None
    assert (episode.outcome, episode.end.reason, episode.end.detail) == ("unlabelled", "fault", "disk full")
    assert 0 < len(episode) < 2400


def test_a_deployment_on_a_disk_that_fills_up_says_so_and_counts_every_tick_that_is_missing(tmp_path: Path) -> None:
    ran = on_a_small_disk(
        tmp_path, "deploy", "trot", "--robot", "sim", "--seconds", "6", "--record", "DISK/walk", "--json"
    )
    assert "Traceback" not in ran.stderr
    assert "episode 0 is cut short: cannot write to" in ran.stderr
    assert ran.returncode == 1
    figures = json.loads(ran.stdout.splitlines()[-1])
    (path,) = tmp_path.glob("*.mcap")
    end = read_episode(path).end
    assert end is not None
    assert (end.outcome, end.reason, end.detail) == ("unlabelled", "fault", "disk full")
    assert (figures["recorded"], figures["dropped"], figures["cut_short"]) == (end.ticks, end.dropped, 1)
    assert end.ticks + end.dropped == figures["ticks"]
    assert end.dropped > 0
