"""The ticks of a file as one numpy array, without a Python loop over them."""

from functools import lru_cache

import numpy as np

from leash_robot.robot.dataset.mcap.records import CHUNK_HEAD, HEAD, Data, Op
from leash_robot.robot.dataset.mcap.scan import TICKS, Scan
from leash_robot.robot.dataset.mcap.tick_schema import Layout, Rows
from leash_robot.robot.errors import EpisodeError
from leash_robot.robot.types import SOURCES


def read_rows(data: Data, found: Scan) -> Rows:
    """The ticks (T,) of all whole chunks, in the order of the file. Raises EpisodeError for bytes we did not write."""
    layout = Layout.of(found.start.spec, found.start.cameras)
    dtype = _message(layout)
    parts = [data[block.body + CHUNK_HEAD.size : block.stop] for block in found.ticks]
    if any(len(part) % dtype.itemsize for part in parts):
        raise EpisodeError(f"ticks that are not those of {len(found.start.spec.joints)} joints")
    rows = np.frombuffer(b"".join(parts), dtype)
    ours = (rows["op"] == Op.MESSAGE) & (rows["length"] == dtype.itemsize - HEAD.size) & (rows["channel"] == TICKS)
    ticks: Rows = rows["tick"]
    for name in ("wanted", "sent", "human", "policy"):
        ours &= ticks[name]["source"] <= len(SOURCES)
    if not ours.all():
        raise EpisodeError(f"tick {int(np.argmin(ours))} is not one that this software writes")
    return ticks


@lru_cache(maxsize=16)
def _message(layout: Layout) -> np.dtype[np.void]:
    """A whole message record around a tick."""
    head = [
        ("op", "u1"),
        ("length", "<u8"),
        ("channel", "<u2"),
        ("sequence", "<u4"),
        ("log", "<u8"),
        ("publish", "<u8"),
    ]
    return np.dtype([*head, ("tick", layout.dtype)])
