"""Least squares with a covariance."""

from collections.abc import Callable

import numpy as np
from scipy.optimize import least_squares

from leash_robot.robot.types import Array

OUTLIER = 3.0
"""Beyond so many standard deviations a residual counts less and less."""


def fit(
    residuals: Callable[[Array], Array], start: Array, *, robust: bool = True, step: float | None = None
) -> tuple[Array, Array]:
    """The parameters (p,) that make residuals smallest, and their covariance (p, p).

    `residuals` maps parameters to any number of residuals, each divided by its standard deviation, priors among them;
    `step` is the relative step of differences.
    """
    loss = "soft_l1" if robust else "linear"
    solution = least_squares(residuals, start, loss=loss, f_scale=OUTLIER, diff_step=step)
    jacobian = np.asarray(solution.jac)
    return np.asarray(solution.x), np.linalg.inv(jacobian.T @ jacobian)
