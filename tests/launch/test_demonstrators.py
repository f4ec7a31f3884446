"""`leash dagger` with somebody at the page, in real time: what the page says, and how it all ends."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from leash_robot.launch.commands.dagger import Dagger, learn
from leash_robot.launch.composition.demonstrators import PersonDemonstrator, ScriptedDemonstrator
from leash_robot.launch.composition.operators import OperatorOptions
from leash_robot.policies.imitation.demonstrator import CollectionRequest
from leash_robot.policies.imitation.rounds import RoundsConfig
from leash_robot.policies.imitation.run_log import RoundLog
from leash_robot.robot.dataset.tracks import recorded_tracks
from leash_robot.robot.errors import EpisodeError, UsageError
from leash_robot.teleop.operator import Event
from support.browsing import Visitor

PAGE = OperatorOptions(("browser",), page_port=0)
KEY = {"name": "keyboard", "serial": 1}


@contextmanager
def visiting(act: Callable[[Visitor], None], person: PersonDemonstrator) -> Iterator[None]:
    """Somebody at the page, who acts in a thread."""
    failed: list[AssertionError] = []
    cockpit = person.cockpit
    assert cockpit is not None

    def visit() -> None:
        try:
            with Visitor(cockpit) as visitor:
                act(visitor)
        except AssertionError as error:
            failed.append(error)

    thread = threading.Thread(target=visit)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    assert failed == []


@pytest.fixture
def person(tmp_path: Path) -> Iterator[PersonDemonstrator]:
    with PersonDemonstrator(PAGE, tmp_path) as made:
        yield made


def holds(visitor: Visitor, until: Callable[[dict[str, Any]], bool], **keys: object) -> None:
    """Say fifty times a second what is held, until the page shows what is awaited."""
    deadline = time.monotonic() + 30.0
    while time.monotonic() < deadline:
        visitor.holds({**KEY, **keys})
        view = visitor.looks()
        if isinstance(view, dict) and view["kind"] == "view" and "status" in view and until(view):
            return
    raise AssertionError(f"never came; the last view was {visitor.views[-1]}")


def test_a_track_is_driven_at_the_page_and_quitting_ends_it(person: PersonDemonstrator, tmp_path: Path) -> None:
    seen: list[str] = []

    def act(visitor: Visitor) -> None:
        holds(visitor, lambda view: view["status"]["armed"])
        seen.append(visitor.views[-1]["status"]["hint"])
        holds(visitor, lambda view: view["status"]["state"] == "recording", engaged=True, forward=1.0, turn=1.0)
        holds(visitor, lambda view: view["status"]["state"] == "stopped", engaged=True, forward=1.0, turn=1.0)
        holds(visitor, lambda view: bool(view["status"]["hint"]))
        seen.append(visitor.views[-1]["status"]["hint"])
        visitor.asks(Event.QUIT)
        visitor.sees(lambda message: message["kind"] == "bye" or message.get("status", {}).get("state") == "done")

    request = CollectionRequest(tmp_path / "round_00", range(40, 42), "demonstrations")
    with visiting(act, person), pytest.raises(KeyboardInterrupt):
        person.collect(request)
    assert recorded_tracks(request.folder) == {0: (40, "failure")}
    assert seen[0].startswith("Track 1 of 2") and "Track 2 of 2" in seen[1]


def test_between_the_rounds_the_page_says_what_is_done_and_hears_who_wants_to_end(person: PersonDemonstrator) -> None:
    def act(visitor: Visitor) -> None:
        seen = visitor.sees(lambda message: message.get("status", {}).get("hint") == "training round 2: 40%")
        assert seen["status"]["state"] == "busy"
        visitor.asks(Event.QUIT)

    with visiting(act, person), pytest.raises(KeyboardInterrupt), person.working("training round 2") as report:
        for _ in range(600):
            report(0.4)
            time.sleep(0.05)


def test_what_contradicts_is_refused_in_a_line(tmp_path: Path) -> None:
    classic = RoundsConfig(method="classic")
    for config, says in (
        (Dagger(who=PAGE, run=classic), "--method classic needs an expert"),
        (Dagger(who=OperatorOptions(("browser", "scripted"))), "--operator scripted teaches alone"),
        (Dagger(who=OperatorOptions(("scripted",), noise=0.1)), "--noise"),
    ):
        with pytest.raises(UsageError, match=says):
            learn(config)


def test_a_persons_run_is_not_gone_on_with_by_a_script(tmp_path: Path) -> None:
    scripted = ScriptedDemonstrator(lambda line: None)
    assert scripted.options == {}, "what scripted runs were asked for is as it was"
    RoundLog(tmp_path, {"seed": 0, **PersonDemonstrator(PAGE, tmp_path).options})
    with pytest.raises(EpisodeError, match="operator person, not None"):
        RoundLog(tmp_path, {"seed": 0, **scripted.options})
