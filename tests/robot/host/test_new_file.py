"""Files get their names without replacing others, with hard links and without."""

import errno
import os
from pathlib import Path

import pytest

from leash_robot.robot.host.new_file import publish


def refuse(*_: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.fixture(params=["links", "no links"])
def draft(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if request.param == "no links":
        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "draft"
    path.write_text("finished")
    return path


def test_a_draft_appears_under_its_name(draft: Path, tmp_path: Path) -> None:
    publish(draft, tmp_path / "name")
    assert (tmp_path / "name").read_text() == "finished"


def test_a_name_that_is_taken_is_not_replaced(draft: Path, tmp_path: Path) -> None:
    (tmp_path / "name").write_text("years of work")
    with pytest.raises(FileExistsError):
        publish(draft, tmp_path / "name")
    assert (tmp_path / "name").read_text() == "years of work"
