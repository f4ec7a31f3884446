"""The command line under unkind circumstances: mistakes, closed streams, signals, names from any folder."""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from leash_robot.launch import cli
from leash_robot.launch.commands.deploy import Deploy
from leash_robot.launch.commands.doctor.command import Doctor
from leash_robot.launch.commands.train.live import TrainLive
from leash_robot.launch.commands.train.sac import TrainSac
from leash_robot.launch.composition.training.schema import load_training
from leash_robot.launch.options import startup
from leash_robot.launch.options.checked import checked
from leash_robot.launch.options.parsing import parsed
from leash_robot.launch.options.shipped import CONFIGS, config_named, policy_named
from leash_robot.launch.options.startup import guarded
from leash_robot.launch.reporting.output import plain
from leash_robot.policies.shipped import WALK
from leash_robot.robot.errors import LeashError, UsageError
from leash_robot.robot.locomotion.velocity_command import Command
from support.forked import Ran, forked

LEASH = str(Path(sys.executable).with_name("leash"))
MISTAKES = {
    "colect": "no command is called 'colect'; did you mean `collect`?",
    "deploy": "missing POLICY",
    "deploy trot --secnds 3": "unknown --secnds; did you mean --seconds?",
    "deploy trot --seconds x": "--seconds x: give FLOAT",
    "deploy trot --seconds": "--seconds: a value is missing",
    "deploy trot --robot moon": "--robot moon: choose one of 'sim', 'twin', 'pupper'",
    "deploy trot extra": "unknown extra",
    "deploy trot --command 99 0 0": "--command 99.0 0.0 0.0: 99.0 is out of bounds; give a number <= 1.5",
    "deploy pupper_wak": "no policy is called 'pupper_wak'; did you mean `pupper_walk`?",
    "deploy FOLDER": "is a folder; give a policy file",
    "deploy FOLDER/text": "is no policy file: it is something else, or cut short",
    "deploy FOLDER/empty": "is no policy file: it is empty",
    "deploy FOLDER/broken": "is a link to nothing",
    "eval trot --command 1 2": "--command 1 2: give FLOAT FLOAT FLOAT",
    "data": "say what: list, show",
    "data label x foo": "foo: choose one of",
    "twin --dynamics twin_nominl": "no config file 'twin_nominl'; did you mean `twins/nominal`?",
    "twin --dynamics FOLDER": "Is a directory; give a YAML file",
    "collect": "missing PATH",
    "collect FOLDER --episodes 0": "--episodes 0: 0 is out of bounds; give a whole number >= 1",
    "collect FOLDER --seconds -1": "--seconds -1.0: -1.0 is out of bounds; give a number > 0.0",
    "calibrate jonts": "no calibration of 'jonts'",
}


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "text").write_text("a letter to a friend\n")
    (folder / "empty").touch()
    (folder / "broken").symlink_to("nowhere")
    lines = [words.replace("FOLDER", str(folder)).split() for words in MISTAKES]
    return dict(zip(MISTAKES, forked(lines, folder), strict=True))


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_one_line_that_names_it(mistakes: dict[str, Ran], words: str) -> None:
    ran = mistakes[words]
    assert MISTAKES[words] in ran.err
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert not any(odd in ran.err for odd in ("Traceback", "$", "PosixPath", "None", "typing.", "class"))


@pytest.mark.parametrize("words", ["--help", "deploy --help", "--version"])
def test_a_reader_that_leaves_is_no_fault(words: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ran = subprocess.run([LEASH, *words.split()], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writer)
    assert (ran.returncode, ran.stderr) == (141, "")


def test_closed_streams_and_a_narrow_dumb_latin_terminal_do_not_matter() -> None:
    closed = subprocess.run(["sh", "-c", f"{LEASH} data list /nowhere <&- >&- 2>&-"], timeout=60)
    assert closed.returncode == 2
    plain = os.environ | {"TERM": "dumb", "COLUMNS": "40", "PYTHONIOENCODING": "ascii"}
    narrow = subprocess.run([LEASH, "deploy", "--help"], env=plain, capture_output=True, text=True, timeout=60)
    assert (narrow.returncode, narrow.stderr) == (0, "")


WARNS = "warnings.warn('it is old', DeprecationWarning) or print(sys.warnoptions, os.environ.get('PYTHONWARNINGS'))"


@pytest.mark.parametrize("demand", ["error", "always", "error::DeprecationWarning"])
def test_what_the_user_makes_of_warnings_does_not_reach_us(demand: str) -> None:
    begins = "import os, sys, warnings; from leash_robot.launch.options.startup import guarded"
    program = f"{begins}; sys.exit(guarded(lambda _: {WARNS} or 0, []))"
    environment = os.environ | {"PYTHONWARNINGS": demand}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "[] None\n", "")


@pytest.mark.parametrize(
    "module",
    [
        "leash_robot.launch.commands.calibrate.report",
        "leash_robot.launch.commands.data.plot",
        "leash_robot.launch.reporting.evaluation_plot",
    ],
)
def test_the_users_drawing_backend_does_not_reach_us(module: str) -> None:
    program = f"import {module}, leash_robot.launch.reporting.output, matplotlib; print(matplotlib.get_backend())"
    environment = os.environ | {"MPLBACKEND": "module://a_notebook.backend"}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout.strip().lower()) == (0, "agg"), ran.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", [0.15, 0.6, 2.0])
def test_a_signal_at_any_moment_ends_a_command_quietly(number: signal.Signals, after: float) -> None:
    words = [LEASH, "serve", "trot", "--endpoint", "tcp://127.0.0.1:*"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        try:
            time.sleep(after)
            process.send_signal(number)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    if "leash_robot" in said.replace("from leash_robot.launch.start import main", ""):
        assert "Traceback" not in said  # Python's own, from before our first line, is not ours to hush
    assert process.returncode in {128 + number, -number, 1}  # the latter two before our first line


@pytest.mark.parametrize("locale", [{}, {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
def test_names_beyond_ascii_work_in_any_locale(tmp_path: Path, locale: dict[str, str]) -> None:
    folder = tmp_path / "dätä"
    folder.mkdir()
    ran = subprocess.run(
        [LEASH, "data", "list", str(folder), "--json"], env=os.environ | {"LC_ALL": "C"} | locale,
        capture_output=True, encoding="utf-8", timeout=60,
    )  # fmt: skip
    assert json.loads(ran.stdout) == {"error": f"no episodes in {folder}"}
    assert ran.stderr == f"leash data: no episodes in {folder}\n"


def test_a_name_that_is_no_text_can_be_printed() -> None:
    assert plain({"file": os.fsdecode(b"a\xff")}) == {"file": "a\\udcff"}


def test_shipped_files_have_names_in_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (
        "pupper/walk",
        "walk",
        "walk.yaml",
        "pupper_walk",
        "launch/pupper_walk.yaml",
        "launch/configs/pupper/walk.yaml",
    ):
        assert config_named(name, "pupper/*.yaml") == CONFIGS / "pupper" / "walk.yaml"
    assert policy_named("pupper_walk") == str(WALK)
    assert [policy_named(name) for name in ("trot", "tcp://there:1", "a/b.safetensors")] == [
        "trot", "tcp://there:1", "a/b.safetensors",
    ]  # fmt: skip


def test_a_file_that_is_there_wins_over_a_shipped_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("walk", "walk.yaml", "pupper_walk"):
        Path(name).touch()
        assert config_named(name, "pupper/*.yaml") == Path(name)
    assert policy_named("pupper_walk") == "pupper_walk"


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean `pupper_walk`"):
        policy_named("puper_walk")
    with pytest.raises(UsageError, match="known are"):
        config_named("zzz", "twins/*.yaml")


def test_shipped_policies_have_names_in_plans_and_for_options_that_want_a_file(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("demonstrations: {teacher: pupper_walk, steps: 1000}\n")
    assert load_training(plan).demonstrations.teacher == str(WALK)
    assert parsed(Doctor, "leash doctor", ["--policy", "pupper_walk"]).policy == WALK
    assert parsed(TrainSac, "leash train sac", ["--from", "pupper_walk"]).start == WALK
    assert parsed(TrainLive, "leash train sac", ["--from", "pupper_walk"]).start == str(WALK)


def test_an_unknown_policy_in_a_plan_or_option_is_refused_with_the_nearest(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("demonstrations: {teacher: pupper_wak, steps: 1000}\n")
    with pytest.raises(UsageError, match="did you mean `pupper_walk`"):
        load_training(plan)
    for kind, words in ((Doctor, ["--policy", "pupper_wak"]), (TrainSac, ["--from", "pupper_wak"])):
        with pytest.raises(UsageError, match="did you mean `pupper_walk`"):
            parsed(kind, "leash", words)


def test_a_bound_is_named_without_the_librarys_own_terms() -> None:
    far: Command = (0.0, 0.0, 12.0)
    with pytest.raises(UsageError, match=r"^--command 0.0 0.0 12.0: 12.0 is out of bounds; give a number <= 5.0$"):
        checked(Deploy("trot", command=far))


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the streams and signals of this process alone."""
    monkeypatch.setattr(startup, "_open_streams", lambda: None)
    monkeypatch.setattr(startup, "ENDINGS", ())


@pytest.mark.usefixtures("inside")
def test_a_file_that_the_computer_refuses_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def run(words: list[str]) -> int:
        Path("/proc/none/of/this").write_text("x")
        return 0

    assert guarded(run, ["train"]) == 2
    assert capsys.readouterr().err == (
        "leash train: /proc/none/of/this: No such file or directory; free it, or name another\n"
    )


@pytest.mark.usefixtures("inside")
def test_a_defect_of_ours_still_shows_where_it_is() -> None:
    def run(words: list[str]) -> int:
        raise OSError("a defect")

    with pytest.raises(OSError, match="a defect"):
        guarded(run, ["train"])


def test_a_signal_that_an_earlier_command_received_does_not_end_the_next_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(startup, "received", [signal.SIGTERM])
    with pytest.raises(LeashError, match="no episodes"):
        cli.run(["data", "list", str(tmp_path)])


def test_a_signal_during_the_import_of_a_command_ends_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    genuine = importlib.import_module

    def swallowed(module: str) -> object:
        with contextlib.suppress(KeyboardInterrupt):
            startup.interrupt(signal.SIGTERM, None)
        return genuine(module)

    monkeypatch.setattr(startup, "received", [])
    monkeypatch.setattr("importlib.import_module", swallowed)
    with pytest.raises(KeyboardInterrupt):
        cli.run(["data", "list", str(tmp_path)])
