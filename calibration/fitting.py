"""Least squares with a covariance."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from robot.types import Array

OUTLIER = 3.0
"""Beyond so many standard deviations a residual counts less and less."""


def fit(
    residuals: Callable[[Array], Array], start: Array, *, robust: bool = True, **options: Any
) -> tuple[Array, Array]:
    """The parameters (p,) that make residuals smallest, and their covariance (p, p) if residuals have unit variance.

    `residuals` maps (p,) to any number of them, each divided by its standard deviation, priors among them.
    """
    loss = {"loss": "soft_l1", "f_scale": OUTLIER} if robust else {}
    solution = least_squares(residuals, start, **loss, **options)
    jacobian = np.asarray(solution.jac)
    return np.asarray(solution.x), np.linalg.inv(jacobian.T @ jacobian)
