"""Which episodes are held out, and which members of an ensemble learn from one: decided by the episode's own id.

An episode keeps its side whatever is added, discarded, copied or renamed around it, so that a policy which goes on
learning is never measured on what it has learned from.
"""

import hashlib
import math
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from leash_robot.robot.dataset.episode import Episode


def identity(episode: Episode) -> str:
    """The episode's own id: the same in every folder and under every name.

    Note: files from before there were ids are known by their contents, since their clocks may have begun alike; so
    such a file may change sides, and only such a one, when it is damaged and recovered.
    """
    return episode.start.id or episode.digest


def place(of: str, purpose: str = "held out") -> float:
    """A number in [0, 1) that depends on an id and on what it is for, and looks random."""
    digest = hashlib.blake2b(f"{purpose}: {of}".encode(), digest_size=6).digest()
    return int.from_bytes(digest) / 2**48


def threshold(identities: Collection[str], part: float) -> float:
    """Episodes whose `place` is below this are held out: about this part of them, at least one, and never all.

    Of a single episode nothing is below. The threshold only exceeds `part` while no episode lies below that, so an
    episode which was learned from is not held out when others join. The exception is one that had to be learned from
    since all lay below `part`; whoever goes on learning keeps the threshold, and so its side.
    """
    places = sorted({place(each) for each in identities})
    if len(places) < 2:
        return min([part, *places])
    return min(max(part, math.nextafter(places[0], 1.0)), places[-1])


def held_out(identities: Sequence[str], below: float) -> NDArray[np.bool_]:
    """Which episodes are held out, by their ids."""
    return np.array([place(each) < below for each in identities], np.bool_)


def bags(identities: Sequence[str], members: int, own: float) -> NDArray[np.float32]:
    """(members, episodes) 1 where a member learns from an episode: about the part `own`, and at least one does."""
    places = np.array([[place(each, f"member {member}") for each in identities] for member in range(members)])
    learns: NDArray[np.bool_] = (places < own) | (places == places.min(axis=0))
    return learns.astype(np.float32)
