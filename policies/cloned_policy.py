"""A policy file at work: features in, the ensemble's mean as joint targets, its members' disagreement as risk."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import torch

from leash_robot.policies.manifest import Manifest
from leash_robot.policies.networks.mlp import Ensemble
from leash_robot.policies.networks.shapes import shapes
from leash_robot.policies.policy_file import Weights, read_manifest, read_weights
from leash_robot.policies.scripted.gait import Trot
from leash_robot.robot.encoding.action_filter import ActionFilter
from leash_robot.robot.encoding.feature_encoding import FeatureEncoder
from leash_robot.robot.errors import PolicyError
from leash_robot.robot.types import Action, Array, Observation, Policy


class Still:
    """Fits `Policy`: one pose, whatever is seen."""

    def __init__(self, pose: Array) -> None:
        self._pose = pose

    def reset(self) -> None:
        """Nothing to forget."""

    def act(self, obs: Observation) -> Action:
        """The pose."""
        return Action(self._pose, obs.command)


class ClonedPolicy:
    """Fits `Policy` and `Planner`. Robots may share a network; each has features with a past of their own."""

    def __init__(self, manifest: Manifest, network: Ensemble) -> None:
        if manifest.features is None:
            raise PolicyError(f"a {manifest.kind} policy has no network to run")
        self.manifest = manifest
        self._network = network
        self._squash = manifest.network is not None and manifest.network.squash
        self._stand = np.array(manifest.stand)
        self._filter = ActionFilter.with_cutoff(np.array(manifest.box), manifest.filter_hz, manifest.rate)
        # Note: a correction of the trot is no different, but for what it is added to.
        self._base: Policy = Trot(manifest.body) if manifest.residual and manifest.body else Still(self._stand)
        self._lower, self._upper = np.array(manifest.lower), np.array(manifest.upper)
        self._features = FeatureEncoder(manifest.features, self._stand)
        self._slew = None if manifest.slew is None else np.array(manifest.slew) / manifest.rate
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self._features.reset()
        self._base.reset()
        self._offset: Array = np.zeros(len(self._stand))
        self._command: Array = np.zeros(self.manifest.command_size)

    def act(self, obs: Observation) -> Action:
        """The joint target now."""
        return self.plan(obs)[0]

    def plan(self, obs: Observation) -> tuple[Action, Array]:
        """The action now, and targets (horizon, n) from now on [rad]. Raises PolicyError for what was not measured."""
        asked, obs = obs.command, self._told(obs)
        targets, spread = self._predict(obs)
        for index, offset in enumerate(targets):
            targets[index] = self._filter.smooth(offset, targets[index - 1] if index else self._offset)
        self._offset = targets[0].copy()
        targets = np.clip(targets + self._base.act(obs).joint_pos, self._lower, self._upper)
        self._features.sent(targets[0])
        return Action(targets[0], asked, risk=spread / (spread + self.manifest.risk_scale)), targets

    def _told(self, obs: Observation) -> Observation:
        """The same, with the command as far as it is followed by now."""
        if self._slew is None:
            return obs
        wanted = np.nan_to_num(obs.command)
        self._command = self._command + np.clip(wanted - self._command, -self._slew, self._slew)
        return replace(obs, command=self._command.copy())

    def _predict(self, obs: Observation) -> tuple[Array, float]:
        """Targets (horizon, n) around the base [rad], and the members' spread as a share of the box."""
        with torch.inference_mode():
            members = self._network(torch.from_numpy(self._features.step(obs)[None]))[:, 0].numpy()
        members = members.reshape(len(members), -1, len(self._stand)).astype(np.float64)
        if self._squash:
            members = np.tanh(members)
        mean: Array = self._filter.scale * members.mean(axis=0).clip(-1, 1)
        return mean, spread_of(members)


def spread_of(members: Array) -> float:
    """How far the members' first targets (m, horizon, n) lie apart: root mean variance, as a share of the box.

    NaN for a single member, which has nobody to disagree with.
    """
    return math.nan if len(members) == 1 else float(np.sqrt(members[:, 0].var(axis=0).mean()))


def load(path: Path, *, slewed: bool = True) -> tuple[Manifest, Callable[[], ClonedPolicy]]:
    """Read a policy file: its manifest, and a maker of policies that share its weights. Raises PolicyError.

    Without `slewed` the policies follow a new command at once, whatever the file says.
    """
    manifest = read_manifest(path)
    if manifest.network is None or manifest.features is None:
        raise PolicyError(f"{path} holds a {manifest.kind} policy without a network; nothing in it can be run")
    inputs = manifest.features.width(len(manifest.joints))
    outputs = manifest.network.horizon * len(manifest.joints)
    weights = read_weights(path, shapes(manifest.network, inputs, outputs), manifest)
    network = network_of(manifest, weights)
    ClonedPolicy(manifest, network)._predict(_standing(manifest))
    run = manifest if slewed else msgspec.structs.replace(manifest, slew=None)
    return manifest, lambda: ClonedPolicy(run, network)


def untrained(manifest: Manifest) -> Callable[[], ClonedPolicy]:
    """A maker of policies with random weights, to measure what running them costs."""
    if manifest.network is None or manifest.features is None:
        raise PolicyError(f"a {manifest.kind} policy has no network")
    torch.set_num_threads(1)
    n = len(manifest.joints)
    network = Ensemble(manifest.network, manifest.features.width(n), manifest.network.horizon * n)
    return lambda: ClonedPolicy(manifest, network)


def network_of(manifest: Manifest, weights: Weights) -> Ensemble:
    """The network with these weights, ready to run on one thread."""
    if manifest.network is None or manifest.features is None:
        raise PolicyError(f"a {manifest.kind} policy has no network")
    torch.set_num_threads(1)
    inputs = manifest.features.width(len(manifest.joints))
    network = Ensemble(manifest.network, inputs, manifest.network.horizon * len(manifest.joints))
    network.load({name: torch.from_numpy(array) for name, array in weights.items()})
    return network.eval()


def _standing(manifest: Manifest) -> Observation:
    """An observation to warm up on: the first run of a network is slow."""
    stand = np.array(manifest.stand)
    still, command = np.zeros(len(stand)), np.zeros(manifest.command_size)
    return Observation(0.0, 0.0, stand, still, still, np.array([0.0, 0.0, -1.0]), np.zeros(3), command)
