"""The snapshots of a training, as they are evaluated: a line for people, and curves for TensorBoard."""

from collections.abc import Mapping
from pathlib import Path

from leash_robot.launch.reporting.curves import Curves
from leash_robot.launch.reporting.output import console
from leash_robot.policies.rl.evaluation import Evaluation, Snapshot


class SnapshotReport:
    """Prints and draws every evaluation; call `close` in the end."""

    def __init__(self, folder: Path) -> None:
        self._curves = Curves(folder)

    def close(self) -> None:
        """Finish the curves."""
        self._curves.close()

    def add(self, figures: Mapping[str, float], snapshot: Snapshot, line: str) -> None:
        """One evaluation: its figures by name, and its line."""
        curves = {f"judged/{name}": value for name, value in figures.items()}
        curves |= {f"learner/{name}": value for name, value in snapshot.metrics.items()}
        self._curves.add(curves, snapshot.updates, snapshot.minutes)
        console.print(line, highlight=False, soft_wrap=True)


def walk_line(figures: Mapping[str, float], evaluation: Evaluation, snapshot: Snapshot, *, better: bool) -> str:
    """The evaluation of a walk in one line."""
    return (
        f"{_begin(evaluation)} · up {figures['no_fall']} · off by {figures['speed_error']:.3f} m/s"
        f" {figures['yaw_error']:.3f} rad/s · change {figures['action_rate']:.3f}{_learner(snapshot)}"
        f"{' · best' if better else '' if evaluation.eligible else ' · does not follow its commands, not kept'}"
    )


def return_line(evaluation: Evaluation, snapshot: Snapshot, *, better: bool) -> str:
    """The evaluation in any environment in one line."""
    mean = f" · return {evaluation.figures['return']:.1f}"
    return f"{_begin(evaluation)}{mean}{_learner(snapshot)}{' · best' if better else ''}"


def _begin(made: Evaluation) -> str:
    counts = f"{made.minutes:5.1f} min · {made.steps} steps · {made.updates} updates"
    return f"{counts} · success {made.success}/{made.episodes}"


def _learner(snapshot: Snapshot) -> str:
    metrics = snapshot.metrics
    shown = "".join(f" · {name} {metrics[name]:.1f}" for name in ("value", "entropy") if name in metrics)
    return f" · reward {snapshot.reward:.2f}{shown}"
