"""`leash calibrate camera`: lens and place of a camera, by a printed board."""

import contextlib
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import cv2
import msgspec
import numpy as np
import tyro
from msgspec import Meta
from rich.progress import track

from leash_robot.calibration.camera.charuco_board import Board
from leash_robot.calibration.camera.charuco_sheet import write_sheet
from leash_robot.calibration.camera.file import known_lens, with_lens, with_mount
from leash_robot.calibration.camera.frames import Frame, frames
from leash_robot.calibration.camera.intrinsics import ENOUGH, Fit, Intrinsics
from leash_robot.calibration.camera.mount import Mount
from leash_robot.calibration.camera.picture import coverage_picture, straightened
from leash_robot.calibration.camera.procedure import (
    Stance,
    find_lens,
    find_mount_from_floor,
    find_mount_from_stances,
    take_stances,
)
from leash_robot.calibration.camera.stances import stance_targets
from leash_robot.calibration.camera.views import Finder
from leash_robot.calibration.guide import Guide
from leash_robot.calibration.legs import legs_of
from leash_robot.calibration.store import Store
from leash_robot.launch.commands.calibrate.guide import GuideOptions, OperatorGuide, guided
from leash_robot.launch.commands.calibrate.session import Name
from leash_robot.launch.commands.deploy import terminable
from leash_robot.launch.composition.attended import attended
from leash_robot.launch.composition.robots import RobotOptions, camera_sources, open_robot
from leash_robot.launch.options.checked import Count, Seconds, checked
from leash_robot.launch.options.parsing import parsed
from leash_robot.launch.reporting.output import console, emit, note
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.errors import CalibrationError, CameraError, UsageError
from leash_robot.robot.host.priority import first_in_line
from leash_robot.robot.spec import Spec, load_spec
from leash_robot.robot.standing import Agree, nobody, stand
from leash_robot.teleop.brake import Brake

RENDERED = "rendered"
BEFORE = {
    "stances": "The robot will stand up and lean all ways over its feet.\n"
    "Lay it on its belly on a floor that does not slip; fix the board upright 40 to 50 cm before it. Hands off.",
    "known": "Lay the board flat before the robot at the place that --board-at names, its upper edge away from it.",
}
"""What must be done before the mount is found."""


@dataclass(frozen=True)
class CalibrateCamera:
    """Calibrate a camera: print the board, show it to the camera from all sides, then let the robot lean before it.

    `leash calibrate camera --board board.pdf` writes the board. Print it at 100 %, measure the line below it, and glue
    it to something flat. Then `leash calibrate camera --camera head=/dev/video0` says what to show next.
    With the board fixed before the robot, `--mount stances` also finds where the camera sits.
    """

    board: Path | None = None
    """Write the printable board into this .pdf or .png, and do nothing else."""
    paper: Literal["a4", "letter"] = "a4"
    """What it is printed on."""
    square_mm: Annotated[float, Meta(gt=1, le=1000)] = 28.0
    """Side of a square, as measured on the print."""
    columns: Annotated[int, Meta(ge=3, le=10)] = 9
    """Squares along the board's width."""
    rows: Annotated[int, Meta(ge=3, le=10)] = 6
    """Squares along its height."""
    robot: Annotated[RobotOptions, tyro.conf.OmitArgPrefixes] = field(default_factory=RobotOptions)
    pictures: str = ""
    """A folder of pictures of the board instead of a camera, or `rendered` for a simulated camera with faults."""
    name: str = "head"
    """The camera's name in the robot's spec."""
    views: Annotated[int, Meta(ge=ENOUGH, le=500)] = 24
    """Good views to collect from a camera."""
    seconds: Seconds = 300.0
    """When to stop waiting for them."""
    mount: Literal["none", "stances", "known"] = "none"
    """How to find where the camera sits: not at all; from stances before a board that stays where it is; or `known`,
    from the board flat on the floor, its upper edge away from the robot and square to it."""
    board_at: tuple[float, float, float] = (0.35, 0.0, -0.157)
    """For `--mount known`: the middle of the board ahead, left and above the hip axes' centre [m]."""
    stances: Count = 20
    """How many stances."""
    keep_lens: bool = False
    """Take the lens from the machine's newest calibration as it is, and find only the mount."""
    machine: Name = "desk"
    """What this machine is called."""
    store: Path = Path("calibrations")
    """Folder of all calibrations, one folder a machine; each run adds a version and overwrites nothing."""
    look: Path = Path()
    """Folder for coverage.png and straightened.png, to look at."""
    json: bool = False
    """Print one JSON object on the last line."""
    yes: bool = False
    """With --page: wait for nobody."""
    guide: Annotated[GuideOptions, tyro.conf.OmitArgPrefixes] = field(default_factory=GuideOptions)


def main(args: list[str]) -> int:
    """Write the board, or calibrate; nothing is written unless everything went well."""
    config = checked(parsed(CalibrateCamera, "leash calibrate camera", args))
    board = Board(config.columns, config.rows, config.square_mm / 1e3)
    if config.board is not None:
        write_sheet(board, config.board, config.paper)
        console.print(f"wrote {config.board}; print it at 100 % and check the line with a ruler", highlight=False)
        figures: dict[str, object] = {"board": str(config.board), "square_mm": config.square_mm}
    else:
        with terminable():
            figures = calibrate(config, board)
    if config.json:
        emit(figures)
    return 0


def calibrate(config: CalibrateCamera, board: Board) -> dict[str, object]:
    """Lens, then mount, then the file. Raises CalibrationError, before anything is written."""
    spec = load_spec()
    if config.name not in spec.cameras:
        raise CameraError(f"{spec.name} has no camera {config.name!r}; its spec names {sorted(spec.cameras)}")
    store = Store(config.store, config.machine, spec)
    store.check_writable()
    known = store.newest() or msgspec.structs.replace(Calibration.identity(spec), machine=config.machine)
    finder = Finder(board)
    with guided(config.guide, config.store) as guide, _rendered(config, board) as rendered:
        fit, picture = (None, None) if config.keep_lens else _lens(config, spec, finder, rendered, guide)
        lens = fit.camera if fit else known_lens(known, config.name)
        mount = _mount(config, spec, finder, lens, rendered, guide)
    found = known if fit is None else with_lens(known, config.name, fit)
    found = found if mount is None else with_mount(found, config.name, mount)
    path = store.save(found)
    if fit is not None and picture is not None:
        _draw(config.look, fit, picture)
    return _figures(path, fit, lens, mount)


@dataclass(frozen=True)
class Rendered:
    """What a simulated camera sees, instead of a real one."""

    held: Iterator[Frame]
    stood: Iterable[Stance]


@contextlib.contextmanager
def _rendered(config: CalibrateCamera, board: Board) -> Iterator[Rendered | None]:
    """A simulated camera with faults, if that was asked for."""
    if config.pictures != RENDERED:
        yield None
        return
    from leash_robot.sim.rendering.board_scene import Pattern, board_scene
    from leash_robot.sim.rendering.flawed_camera import draw_flaws
    from leash_robot.sim.rendering.shown_board import ShownBoard

    rng, spec = np.random.default_rng(config.robot.noise), load_spec()
    room = board_scene(Pattern(board.modules, board.size[0]))
    with ShownBoard(draw_flaws(rng), board.size, room, rng) as shown:
        held = ((f"view {number}", pixels) for number, pixels in enumerate(shown.held()))
        yield Rendered(held, shown.stood(spec, stance_targets(spec, legs_of(spec), config.stances)[:-1]))


def _lens(
    config: CalibrateCamera, spec: Spec, finder: Finder, rendered: Rendered | None, guide: Guide
) -> tuple[Fit, Pixels]:
    """The lens, and one of the pictures it comes from."""
    with _pictures(config, spec, rendered) as pictures:
        endless = not Path(config.pictures or "/dev/null").is_dir()
        count, live = config.views if endless else 500, rendered is None and endless
        return find_lens(pictures, finder, count, config.seconds, guide, live=live)


@contextlib.contextmanager
def _pictures(config: CalibrateCamera, spec: Spec, rendered: Rendered | None) -> Iterator[Iterator[Frame]]:
    if rendered is not None:
        yield rendered.held
        return
    with frames(config.pictures or _source(config), spec.cameras[config.name]) as pictures:
        yield pictures


def _source(config: CalibrateCamera) -> str:
    sources = camera_sources(config.robot.camera, {})
    if config.name not in sources:
        raise UsageError(
            f"which camera? give --camera {config.name}=/dev/video0 (a URL or a video does, too), "
            "--pictures FOLDER, or --pictures rendered for a simulated one"
        )
    return sources[config.name]


def _mount(
    config: CalibrateCamera, spec: Spec, finder: Finder, lens: Intrinsics, rendered: Rendered | None,
    guide: OperatorGuide,
) -> Mount | None:  # fmt: skip
    """Where the camera sits, if that was asked for. Raises CalibrationError."""
    if config.mount == "none":
        return None
    if config.guide.page and not config.yes and rendered is None:
        guide.ask(BEFORE[config.mount])
    if config.mount == "known":
        with _pictures(config, spec, rendered) as pictures:
            return find_mount_from_floor(pictures, finder, lens, np.array(config.board_at), config.seconds, guide)
    guide.say("leaning before the board; hands off")
    agree = nobody if config.yes else guide.agrees if config.guide.page else None
    stood = rendered.stood if rendered else robot_stances(config.robot, config.name, config.stances, guide.brake, agree)
    return find_mount_from_stances(stood, finder, lens, spec, guide)


def robot_stances(
    options: RobotOptions, name: str, count: int, brake: Brake | None = None, agree: Agree | None = None
) -> list[Stance]:
    """Open the robot, stand it up, and take the stances. Raises CalibrationError, GateLatched.

    `brake` is pulled by whoever else may stop the robot, `agree` asks whether to go on after a stop; without it, the
    terminal does.
    """
    options = options if options.camera else replace(options, camera=("on",))
    with (
        attended(brake) as person,
        # Note: while it homes, the brake is already watched, and a stop must not come as Ctrl-C instead
        person.brake.on(lambda cause: None),
        open_robot(options, watch=person.watch) as opened,
        person.brake.on(opened.stop),
        first_in_line(opened.plan.processes.control.nice),
    ):
        stand(opened, agree or person.agrees, note)
        console.print("the robot leans before the board; hands off, and do not move the board", highlight=False)
        progress = functools.partial(track, description="stances", console=console, transient=True)
        seen = take_stances(opened.robot, name, count, person.brake.check, opened.stopped, progress)
    person.brake.check()
    return seen


def _draw(folder: Path, fit: Fit, picture: Pixels) -> None:
    for name, page in {"coverage": coverage_picture(fit), "straightened": straightened(picture, fit.camera)}.items():
        path = folder / f"{name}.png"
        if not cv2.imwrite(str(path), page[..., ::-1]):
            raise CalibrationError(f"cannot write {path}; give --look a folder that exists")
        console.print(f"look at {path}", highlight=False)


def _figures(path: Path, fit: Fit | None, lens: Intrinsics, mount: Mount | None) -> dict[str, object]:
    """What `--json` prints, and people read."""
    figures: dict[str, object] = {"file": str(path)}
    if fit is not None:
        figures |= {
            "views": len(fit.views),
            "rejected": len(fit.rejected),
            "focal_px": lens.focal,
            "focal_doubt_px": lens.focal_doubt,
            "principal_px": lens.centre,
            "distortion": lens.distortion,
            "reprojection_px": lens.reprojection,
        }
    if mount is not None:
        figures |= {
            "stances": mount.stances,
            "position_m": mount.pose.place.tolist(),
            "rotation": mount.pose.rotation.tolist(),
            "mount_residual_px": mount.residual,
        }
    for key, value in figures.items():
        console.print(f"{key:<18} {value}", highlight=False)
    return figures
