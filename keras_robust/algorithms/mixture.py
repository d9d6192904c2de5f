"""Which losses are small: a mixture of two normal distributions."""

import warnings

import numpy as np

from keras_robust.checks import missing


def small_loss_posterior(losses) -> np.ndarray:
    """The probability that each loss belongs to the component with the smaller mean, (n,).

    Losses are brought to [0, 1] by their extremes. Where all of them are equal nothing tells them apart, and it is 1.

    Reference: Li et al. 2020 (DivideMix), as the released code sets scikit-learn's mixture.

    Args:
        losses: (n,), finite.

    Raises:
        ImportError: without scikit-learn.
        ValueError: for losses that are not finite.

    Example:

    >>> small_loss_posterior([0.1, 0.2, 0.1, 0.2, 5.0, 5.2]).round(2).tolist()
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    """
    GaussianMixture, ConvergenceWarning = gaussian_mixture()
    losses = np.asarray(losses, "float64")
    if not np.isfinite(losses).all():
        count = np.count_nonzero(~np.isfinite(losses))
        raise ValueError(f"{count:,} of {losses.size:,} losses are not finite: the network has diverged.")
    span = np.ptp(losses) if losses.size else 0.0
    if span == 0.0:
        return np.ones_like(losses)
    scaled = ((losses - losses.min()) / span)[:, None]
    mixture = GaussianMixture(n_components=2, max_iter=10, tol=1e-2, reg_covar=5e-4, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # ten rounds are the setting
        return mixture.fit(scaled).predict_proba(scaled)[:, mixture.means_.argmin()]


def gaussian_mixture():
    """scikit-learn's mixture, and the warning that it stopped early.

    Raises:
        ImportError: without scikit-learn.
    """
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture
    except ImportError as error:
        raise missing("DivideMix fits scikit-learn's mixture", "data") from error
    return GaussianMixture, ConvergenceWarning
