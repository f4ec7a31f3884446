"""What is written is what other people's readers read: mcap's own, its ROS 2 and its protobuf decoder."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message_factory import GetMessages
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.reader import NonSeekingReader, make_reader
from mcap.stream_reader import StreamReader
from mcap_protobuf.decoder import DecoderFactory as ProtobufDecoder
from mcap_ros2.decoder import DecoderFactory as Ros2Decoder

from leash_robot.robot.dataset.mcap.tick_schema import PROPOSALS, Layout
from leash_robot.robot.dataset.metadata import NANO
from leash_robot.robot.spec import Spec
from leash_robot.robot.types import SOURCES
from support.recording.recordings import OFFSET, blind_spec, record, small_spec, tick, ticks


@given(joints=st.integers(1, 64), cameras=st.integers(0, 20))
@settings(max_examples=30, deadline=None)
def test_a_tick_is_a_protobuf_message_for_any_number_of_joints_and_cameras(joints: int, cameras: int) -> None:
    layout = Layout(joints, cameras)
    kind = GetMessages(FileDescriptorSet.FromString(layout.descriptor).file)["leash.Tick"]
    rows = layout.blank.copy()
    rows["joint_pos"] = np.arange(joints)
    rows["camera_time"] = np.arange(cameras)
    message: Any = kind.FromString(rows.tobytes())
    assert list(message.joint_pos) == list(range(joints))
    assert list(message.camera_time) == list(range(cameras))
    assert all(len(getattr(message, name).joint_pos) == joints for name in PROPOSALS)


def test_a_protobuf_reader_sees_every_field_of_every_tick(tmp_path: Path) -> None:
    made = ticks(23)
    with record(tmp_path).open("rb") as file:
        reader = make_reader(file, validate_crcs=True, decoder_factories=[ProtobufDecoder()])
        read = [found.decoded_message for found in reader.iter_decoded_messages(topics=["/tick"])]
    assert [message.number for message in read] == list(range(23))
    for message, one in zip(read, made, strict=True):
        for name in ("time", "late", "age"):
            assert getattr(message, name) == getattr(one.obs, name)
        for name in ("joint_pos", "joint_vel", "joint_effort", "gravity", "gyro", "command"):
            np.testing.assert_array_equal(getattr(message, name), getattr(one.obs, name))
        for name in PROPOSALS:
            action, theirs = getattr(one, name), getattr(message, name)
            assert theirs.source == (0 if action is None else SOURCES.index(action.source) + 1)
            np.testing.assert_array_equal(theirs.joint_pos, np.full(12, np.nan) if action is None else action.joint_pos)


def test_a_ros_reader_sees_joint_states_targets_and_camera_frames(tmp_path: Path) -> None:
    made = ticks(23)
    with record(tmp_path).open("rb") as file:
        reader = make_reader(file, validate_crcs=True, decoder_factories=[Ros2Decoder()])
        topics = ["/joint_states", "/joint_targets", "/camera/head", "/camera/tail"]
        found = list(reader.iter_decoded_messages(topics=topics))
    by_topic = {topic: [one for one in found if one.channel.topic == topic] for topic in topics}
    assert [len(one) for one in by_topic.values()] == [23, 23, 23, 11]
    for one, state, target, image in zip(made, *(by_topic[topic] for topic in topics[:3]), strict=True):
        assert tuple(state.decoded_message.name) == small_spec().names
        np.testing.assert_array_equal(state.decoded_message.position, one.obs.joint_pos)
        np.testing.assert_array_equal(state.decoded_message.velocity, one.obs.joint_vel)
        np.testing.assert_array_equal(target.decoded_message.position, one.sent.joint_pos)
        assert image.decoded_message.format == "jpeg"
        assert bytes(image.decoded_message.data) == one.obs.images["head"].jpeg
        stamp = image.decoded_message.header.stamp
        assert stamp.sec * NANO + stamp.nanosec == OFFSET + round(one.obs.images["head"].time * NANO)


def test_the_index_leads_a_seeking_reader_to_every_message(tmp_path: Path) -> None:
    with record(tmp_path).open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        assert summary is not None
        assert summary.statistics is not None
        counts = {
            summary.channels[number].topic: count for number, count in summary.statistics.channel_message_counts.items()
        }
        times = [message.log_time for _, _, message in reader.iter_messages()]
        metadata = {record.name: record.metadata for record in reader.iter_metadata()}
    assert counts == {"/tick": 23, "/joint_states": 23, "/joint_targets": 23, "/camera/head": 23, "/camera/tail": 11}
    assert len(times) == sum(counts.values())
    assert times == sorted(times)
    assert summary.statistics.message_start_time == times[0]
    assert summary.statistics.message_end_time == times[-1]
    assert metadata["leash.start"]["spec_hash"] == small_spec().hash
    assert metadata["leash.end"]["outcome"] == "success"


def test_message_indexes_point_at_their_messages(tmp_path: Path) -> None:
    path = record(tmp_path)
    data = path.read_bytes()
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    for chunk in summary.chunk_indexes:
        body = chunk.chunk_start_offset + 9 + 40
        for channel, where in chunk.message_index_offsets.items():
            number, length = struct.unpack_from("<HI", data, where + 9)
            assert number == channel
            for entry in range(length // 16):
                time, offset = struct.unpack_from("<QQ", data, where + 15 + 16 * entry)
                assert struct.unpack_from("<BQHIQ", data, body + offset)[2::2] == (channel, time)


@pytest.mark.parametrize("spec", [small_spec(), blind_spec()], ids=lambda spec: spec.name)
def test_every_checksum_holds_for_a_reader_that_tests_them_all(tmp_path: Path, spec: Spec) -> None:
    path = record(tmp_path, spec=spec)
    with path.open("rb") as file:
        kinds = [type(one).__name__ for one in StreamReader(file, validate_crcs=True).records]
    assert kinds[-1] == "Footer"
    with path.open("rb") as file:
        count = sum(1 for _ in NonSeekingReader(file, validate_crcs=True).iter_messages())
    assert count == kinds.count("Message")


def test_an_episode_without_ticks_is_a_valid_file_too(tmp_path: Path) -> None:
    with record(tmp_path, 0).open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        assert list(reader.iter_messages()) == []


def test_a_tick_from_a_wrong_body_is_refused() -> None:
    one = tick(1.0, blind_spec(), np.random.default_rng(0), {})
    with pytest.raises(ValueError, match="could not broadcast"):
        Layout(5, 0).pack(0, one, ())
