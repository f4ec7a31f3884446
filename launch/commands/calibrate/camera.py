"""`leash calibrate camera`: lens and place of a camera, by a printed board."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
import tyro
from msgspec import Meta
from msgspec.structs import replace

from leash_robot.calibration.camera.charuco_board import Board
from leash_robot.calibration.camera.charuco_sheet import write_sheet
from leash_robot.calibration.camera.file import with_lens, with_mount
from leash_robot.calibration.camera.intrinsics import ENOUGH, Fit, Intrinsics, fit_intrinsics
from leash_robot.calibration.camera.mount import Mount, fit_mount, mount_from_known_board
from leash_robot.calibration.camera.picture import coverage_picture, straightened
from leash_robot.calibration.camera.views import Finder
from leash_robot.calibration.legs import legs_of
from leash_robot.calibration.pose import Pose
from leash_robot.calibration.store import Store
from leash_robot.launch.calibration.camera_file import lens_of
from leash_robot.launch.calibration.camera_frames import Frame, frames
from leash_robot.launch.calibration.camera_stands import Stood, robot_stances
from leash_robot.launch.calibration.camera_views import Collected, collect
from leash_robot.launch.commands.calibrate.guide import Guide, GuideOptions, guided
from leash_robot.launch.commands.calibrate.session import Name
from leash_robot.launch.commands.deploy import terminable
from leash_robot.launch.composition.robots import RobotOptions, camera_sources
from leash_robot.launch.options.checked import Count, Seconds, checked
from leash_robot.launch.options.parsing import parsed
from leash_robot.launch.reporting.output import console, emit
from leash_robot.robot.calibration import Calibration
from leash_robot.robot.cameras.image import Pixels
from leash_robot.robot.errors import CalibrationError, CameraError, UsageError
from leash_robot.robot.spec import Spec, load_spec
from leash_robot.robot.standing import nobody

RENDERED = "rendered"
BEFORE = {
    "stances": "The robot will stand up and lean all ways over its feet.\n"
    "Lay it on its belly on a floor that does not slip; fix the board upright 40 to 50 cm before it. Hands off.",
    "known": "Lay the board flat before the robot at the place that --board-at names, its upper edge away from it.",
}
"""What must be done before the mount is found."""
FLAT = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
"""Axes of a board on the floor before the robot, its upper edge away from it: right, down, into the floor."""


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
    known = store.newest() or replace(Calibration.identity(spec), machine=config.machine)
    finder = Finder(board)
    with guided(config.guide, config.store) as guide, _bench(config, board) as bench:
        fit, picture = (None, None) if config.keep_lens else _lens(config, spec, finder, bench, guide)
        lens = fit.camera if fit else _kept(config.name, known)
        mount = _mount(config, spec, finder, lens, bench, guide)
    found = known if fit is None else with_lens(known, config.name, fit)
    found = found if mount is None else with_mount(found, config.name, mount)
    path = store.save(found)
    if fit is not None and picture is not None:
        _draw(config.look, fit, picture)
    return _figures(path, fit, lens, mount)


class Bench:
    """What takes the pictures when a simulator does; None when a camera or a folder does."""

    def __init__(self, held: Iterator[Frame] | None = None, stood: Iterable[Stood] | None = None) -> None:
        self.held, self.stood = held, stood


@contextlib.contextmanager
def _bench(config: CalibrateCamera, board: Board) -> Iterator[Bench]:
    if config.pictures != RENDERED:
        yield Bench()
        return
    from leash_robot.launch.calibration.shown_board import ShownBoard, board_room
    from leash_robot.sim.rendering.flawed_camera import draw_flaws

    rng = np.random.default_rng(config.robot.noise)
    with ShownBoard(draw_flaws(rng), board, board_room(board), rng) as shown:
        spec = load_spec()
        held = ((f"view {number}", pixels) for number, pixels in enumerate(shown.held()))
        yield Bench(held, shown.stood(spec, legs_of(spec), config.stances))


def _lens(config: CalibrateCamera, spec: Spec, finder: Finder, bench: Bench, guide: Guide) -> tuple[Fit, Pixels]:
    """The intrinsics, and one of the pictures they come from."""
    with _pictures(config, spec, bench) as pictures:
        endless = not Path(config.pictures or "/dev/null").is_dir()
        wanted, live = config.views if endless else 500, bench.held is None and endless
        collected = collect(pictures, finder, wanted, config.seconds, live=live, guide=guide)
    _tell(collected)
    guide.say("fitting the lens")
    return fit_intrinsics(collected.views), collected.picture()


@contextlib.contextmanager
def _pictures(config: CalibrateCamera, spec: Spec, bench: Bench) -> Iterator[Iterator[Frame]]:
    if bench.held is not None:
        yield bench.held
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
    config: CalibrateCamera, spec: Spec, finder: Finder, lens: Intrinsics, bench: Bench, guide: Guide
) -> Mount | None:
    """Where the camera sits, if that was asked. Raises CalibrationError."""
    if config.mount == "none":
        return None
    if config.guide.page and not config.yes and config.pictures != RENDERED:
        guide.ask(BEFORE[config.mount])
    if config.mount == "known":
        width, height = finder.board.size
        corner = np.array(config.board_at) - FLAT @ [width / 2, height / 2, 0.0]
        with _pictures(config, spec, bench) as pictures:
            collected = collect(pictures, finder, 1, config.seconds, live=False, guide=guide)
        if not collected.views:
            raise CalibrationError(
                f"the board was not seen: {collected.reasons()}; lay it before the robot, in the light"
            )
        return mount_from_known_board(collected.views[0], lens, Pose(FLAT, corner))
    guide.say("leaning before the board; hands off")
    agree = nobody if config.yes else guide.agrees if config.guide.page else None
    stood = bench.stood or robot_stances(config.robot, config.name, config.stances, guide.brake, agree)
    seen = [(joints, finder.find(picture, f"stance {number}")) for number, (joints, picture) in enumerate(stood)]
    good = [(joints, view) for joints, view in seen if len(view) >= 12]
    console.print(f"the board was seen from {len(good)} of {len(seen)} stances", highlight=False)
    joints = np.array([joints for joints, _ in good]).reshape(len(good), -1)
    return fit_mount(joints, legs_of(spec), [view for _, view in good], lens)


def _kept(name: str, known: Calibration) -> Intrinsics:
    """A lens that was found before. Raises CalibrationError."""
    lens = known.cameras.get(name)
    if lens is None:
        raise CalibrationError(f"nothing is known of the lens of {name} on {known.machine}; leave --keep-lens out")
    return lens_of(lens)


def _draw(folder: Path, fit: Fit, picture: Pixels) -> None:
    for name, page in {"coverage": coverage_picture(fit), "straightened": straightened(picture, fit.camera)}.items():
        path = folder / f"{name}.png"
        if not cv2.imwrite(str(path), page[..., ::-1]):
            raise CalibrationError(f"cannot write {path}; give --look a folder that exists")
        console.print(f"look at {path}", highlight=False)


def _tell(collected: Collected) -> None:
    console.print(f"{len(collected.views)} good views; {collected.reasons()}", highlight=False)


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
