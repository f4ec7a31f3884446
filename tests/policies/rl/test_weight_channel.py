"""Weight channels: the newest weights, whole or not at all."""

import multiprocessing
from multiprocessing.shared_memory import SharedMemory

import numpy as np
from numpy.typing import NDArray

from leash_robot.policies.rl.weight_channel import SLOTS, Address, WeightChannel


def test_a_reader_gets_the_newest_once() -> None:
    with WeightChannel(size=3) as channel:
        assert channel.read(0) is None
        channel.publish(np.full(3, 1, np.float32))
        channel.publish(np.full(3, 2, np.float32))
        found = channel.read(0)
        assert found is not None
        version, values = found
        assert version == 2
        assert values.tolist() == [2, 2, 2]
        assert channel.read(version) is None


def test_what_is_replaced_while_it_is_copied_is_not_returned() -> None:
    class Slow(WeightChannel):
        """A reader that sleeps between looking and copying."""

        version_seen = 1

        @property
        def version(self) -> int:
            return self.version_seen

    with WeightChannel(size=2) as channel:
        reader = Slow(channel.address)
        for number in range(1, SLOTS + 2):
            channel.publish(np.full(2, number, np.float32))
        assert reader.read(0) is None
        reader.version_seen = SLOTS + 1
        assert reader.read(0) is not None
        reader.close()


def test_a_version_that_is_seen_before_its_values_is_not_returned() -> None:
    with WeightChannel(size=2) as channel:
        channel.publish(np.array([1, 2], np.float32))
        memory = SharedMemory(channel.address.memory)
        values: NDArray[np.float32] = np.ndarray((SLOTS, 2), np.float32, memory.buf, 64)
        values[1] = 1, 0
        assert channel.read(0) is None
        values[1] = 1, 2
        assert channel.read(0) is not None
        del values
        memory.close()


SIZE, COUNT = 50_000, 3000


def _publish(address: Address) -> None:
    channel = WeightChannel(address)
    for number in range(1, COUNT + 1):
        channel.publish(np.full(SIZE, number, np.float32))
    channel.close()


def test_vectors_are_never_torn_however_fast_they_come() -> None:
    with WeightChannel(size=SIZE) as channel:
        process = multiprocessing.get_context("spawn").Process(target=_publish, args=(channel.address,))
        process.start()
        known = seen = 0
        while known < COUNT:
            if found := channel.read(known):
                known, values = found
                assert (values == known).all()
                seen += 1
        process.join()
    assert seen > 0
