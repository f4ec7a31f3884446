"""What an episode's file holds: channels, the fields of a tick, its metadata, and the files beside it."""

from docstrings import cell, field_docs, summary
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet
from yaml_keys import table

from leash_robot.robot.dataset.labels import Label
from leash_robot.robot.dataset.mcap.tick_schema import MESSAGE, Layout
from leash_robot.robot.dataset.metadata import End, EpisodeStart
from leash_robot.robot.dataset.notes import Note
from leash_robot.robot.dataset.takeovers import Stretch
from leash_robot.robot.types import Action, Observation, Tick

JOINTS, CAMERAS = 12, 1
MORE = {
    "number": "Number of the tick in the episode, from 0; a gap is ticks that were lost.",
    "camera_time": "(cameras,) capture time of the newest frame of each camera [s].",
    "camera_age": "(cameras,) how old that frame was when `observe` returned it [s].",
    "human": "What the operator proposed, also while the policy drives.",
    "policy": "What the policy proposed, also while a person drives.",
}
"""Fields that no class of the vocabulary has."""

INTRODUCTION = f"""
An episode is one [MCAP](https://mcap.dev) file, `episode_000017.mcap`. It holds the ticks as protobuf messages of type
`{MESSAGE}`, with their schema in the file; the joint state and each camera's pictures also as ROS 2 messages
(`sensor_msgs/msg/JointState`, `sensor_msgs/msg/CompressedImage`), which Foxglove and Rerun show as they are; and two
metadata records, `leash.start` and `leash.end`. A file that is still being written ends in `.partial`.

Read it with [`load_dataset`][leash_robot.robot.dataset.episode.load_dataset]: arrays of shape (ticks, ...), in SI
units, NaN where nothing was measured.
"""


def page() -> str:
    """The page in Markdown."""
    parts = [
        "# The recording\n",
        INTRODUCTION,
        "## Tick\n",
        f"Sizes are those of a body of {JOINTS} joints and {CAMERAS} camera.\n",
        *messages(),
        "## Metadata\n",
        table(EpisodeStart, "### leash.start\n"),
        table(End, "### leash.end\n"),
        "## Beside the episodes\n",
        "One JSON object a line. The last line about an episode counts.\n",
        table(Label, "### labels.jsonl\n"),
        table(Stretch, "### takeovers.jsonl\n"),
        table(Note, "### notes.jsonl\n"),
    ]
    return "\n".join(parts)


def messages() -> list[str]:
    """The messages of a tick, from the descriptor that each file carries."""
    (file,) = FileDescriptorSet.FromString(Layout(JOINTS, CAMERAS).descriptor).file
    tick, action = (next(each for each in file.message_type if each.name == name) for name in ("Tick", "Action"))
    return [_message(tick, Tick, field_docs(Tick) | field_docs(Observation)), _message(action, Action, {})]


def _message(message: DescriptorProto, kind: type, more: dict[str, str]) -> str:
    kinds = {1: "double", 7: "fixed32", 11: "Action", 14: "Source"}
    texts = MORE | more | field_docs(kind)
    rows = [
        f"| {field.number} | `{field.name}` | {'repeated ' if field.label == 3 else ''}{kinds[field.type]} "
        f"| {cell(texts.get(field.name, ''))} |"
        for field in message.field
    ]
    lines = [f"### {kind.__name__}\n", summary(kind), ""]
    return "\n".join([*lines, "| number | field | type | meaning |", "|---|---|---|---|", *rows, ""])
