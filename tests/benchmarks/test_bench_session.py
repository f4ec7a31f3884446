"""The bench of sessions: one episode after the other, without a breath."""

from leash_robot.benchmarks.loop.session import BenchSession, back_to_back, measure
from leash_robot.teleop.operator import Event


def test_label_and_start_come_in_one_moment() -> None:
    script = back_to_back(3, 1.0, 0, None)
    assert [segment.events for segment in script if segment.events] == [
        (Event.START,),
        *[(Event.SUCCESS, Event.START)] * 2,
        (Event.SUCCESS,),
        (Event.QUIT,),
    ]


def test_the_time_between_two_episodes_is_read_from_the_recordings() -> None:
    figures = measure(BenchSession(episodes=2, seconds=0.5))
    assert figures["episodes"] == 2
    assert figures["dead_time_max_ms"] == figures["dead_time_p50_ms"] > 0
