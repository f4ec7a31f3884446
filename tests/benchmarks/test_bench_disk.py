"""What random sessions show is what is on the disk afterwards; and the check would notice if it were not."""

from pathlib import Path

from leash_robot.benchmarks.safety.disk import Expected, compare, measure
from leash_robot.robot.dataset.episode import read_episode
from leash_robot.robot.dataset.labels import add_label
from leash_robot.robot.dataset.notes import Note, add_note
from leash_robot.robot.dataset.takeovers import Stretch, add_takeover
from support.recording.recordings import record


def test_random_sessions_leave_on_the_disk_what_they_showed() -> None:
    figures = measure(3, seed=3)
    assert (figures["sessions"], figures["sessions that differ"], figures["numbers used again"]) == (3, 0, 0)
    assert figures["episodes"] > 3


def test_every_kind_of_difference_is_noticed(tmp_path: Path) -> None:
    episode = read_episode(record(tmp_path, outcome="success"))
    line = Stretch(episode.path.name, 1, "person", 3, 5, "handback", episode.id)
    facts = Expected(0, {"success"}, {"stopped"}, set(), set(), {}, certain=True)
    assert list(compare(tmp_path, {episode.id: facts})) == []
    add_label(episode.path, "failure")
    add_note(tmp_path, Note(0, 1.0, "never shown", episode.id))
    add_takeover(tmp_path, line)
    facts.reasons = {"timeout"}
    assert list(compare(tmp_path, {episode.id: facts})) == ["reason", "label", "note", "takeover"]
    facts.takeovers = {(1, 3): [{"ticks": 5, "ended": "handback"}]}
    facts.notes = {"never shown", "lost"}
    assert list(compare(tmp_path, {episode.id: facts})) == ["reason", "label", "note"]
    assert list(compare(tmp_path, {"another": facts})) == ["missing"]
