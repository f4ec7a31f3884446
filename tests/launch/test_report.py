"""The report stands by itself and the video plays."""

from pathlib import Path

import av
import numpy as np

from leash_robot.launch.reporting.report import HtmlReport, axes
from leash_robot.launch.reporting.video import side_by_side, write_video


def test_a_video_has_every_frame_side_by_side(tmp_path: Path) -> None:
    left = [np.full((48, 64, 3), shade, np.uint8) for shade in (0, 100, 200)]
    right = [np.full((48, 64, 3), 255 - shade, np.uint8) for shade in (0, 100, 200, 250)]
    path = tmp_path / "both.mp4"
    assert write_video(path, side_by_side(left, right), 20.0) == 3
    with av.open(str(path)) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
        assert file.streams.video[0].average_rate == 20
    assert [frame.shape for frame in frames] == [(48, 128, 3)] * 3
    assert abs(int(frames[1][24, 10, 0]) - 100) < 8
    assert abs(int(frames[1][24, 118, 0]) - 155) < 8


def test_a_report_is_one_file_that_needs_no_other(tmp_path: Path) -> None:
    report = HtmlReport("A walk <fast>", "It went well.")
    report.section("Figures")
    report.table(("figure", "value"), [("speed & more", 0.25123)])
    figure, (axis,) = axes()
    axis.plot([0, 1], [0, 1])
    report.plot(figure, "A line.")
    video = tmp_path / "v.mp4"
    write_video(video, [np.zeros((48, 64, 3), np.uint8)], 20.0)
    report.video(video, "Darkness.")
    path = tmp_path / "report.html"
    report.write(path)
    page = path.read_text()
    assert "A walk &lt;fast&gt;" in page
    assert "speed &amp; more" in page
    assert "0.251" in page
    assert "data:image/png;base64," in page
    assert "data:video/mp4;base64," in page
    assert "http" not in page
