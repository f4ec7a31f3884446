"""The run log of an evaluation: kept, resumed, refused."""

from pathlib import Path

import pytest

from leash_robot.robot.errors import UsageError
from leash_robot.sim.evaluation.run_log import NAME, EvaluationLog
from support.episode_results import result


def test_a_log_resumes_where_it_was_interrupted_and_forgets_what_was_torn(tmp_path: Path) -> None:
    header = {"policy": "trot", "seed": 0}
    with EvaluationLog(tmp_path, header, ["twin"], 4) as log:
        log.add(result(0))
        log.add(result(2))
    with (tmp_path / NAME).open("ab") as file:
        file.write(b'{"engine": "twin", "dra')
    with EvaluationLog(tmp_path, header, ["twin"], 4) as log:
        assert log.results == [result(0), result(2)]
        assert log.missing("twin") == [1, 3] and log.missing("sim") == [0, 1, 2, 3]
        log.add(result(1))
    with EvaluationLog(tmp_path, header, ["twin"], 4) as log:
        assert [one.draw for one in log.results] == [0, 2, 1]


def test_a_finished_evaluation_is_begun_anew(tmp_path: Path) -> None:
    for _ in range(2):
        with EvaluationLog(tmp_path, {}, ["twin"], 1) as log:
            assert log.results == []
            log.add(result(0))
    assert (tmp_path / "draws.old.jsonl").exists()


def test_fewer_draws_or_engines_are_told_apart_and_cost_none_of_the_others(tmp_path: Path) -> None:
    with EvaluationLog(tmp_path, {}, ["twin", "sim"], 6) as log:
        for draw in range(5):
            log.add(result(draw))
        log.add(result(0, "sim"))
    with EvaluationLog(tmp_path, {}, ["sim"], 2) as log:
        assert log.results == [result(0, "sim")] and log.missing("sim") == [1]
    with EvaluationLog(tmp_path, {}, ["twin", "sim"], 6) as log:
        assert len(log.results) == 6 and log.missing("twin") == [5]


def test_a_folder_of_another_evaluation_is_refused(tmp_path: Path) -> None:
    with EvaluationLog(tmp_path, {"seed": 0}, ["twin"], 2):
        pass
    with pytest.raises(UsageError, match="another evaluation"):
        EvaluationLog(tmp_path, {"seed": 1}, ["twin"], 2)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot keep results"):
        EvaluationLog(tmp_path / "file", {}, ["twin"], 2)
