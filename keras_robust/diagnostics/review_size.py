"""How many suspect labels are worth a look."""

import warnings
from typing import NamedTuple

import numpy as np

from keras_robust.checks import missing
from keras_robust.weight_log import WeightLog

# Shares of the samples around which the component of wrong labels starts; the likelier of both fits is taken.
_STARTS = (0.02, 0.2)
# Samples that the mixture is fitted on, evenly over the ranks.
_FITTED = 100_000
_LARGEST = 1e6  # margins beyond are as good as this
# Margins farther from the quartiles than so many times their distance are brought to it.
_REACH = 10.0


class ReviewCount(NamedTuple):
    """How many labels to look at.

    Attributes:
        count: how many of the most suspect labels are more likely wrong than right.
        share: their share of all ranked samples: an estimate of the noise rate.
        precision: (ranked,): the expected share of wrong labels among the r + 1 most suspect, in the order of
            `WeightLog.suspects`; samples that were never seen, or whose margins are NaN, are not ranked.
    """

    count: int
    share: float
    precision: np.ndarray


def review_count(log: WeightLog) -> ReviewCount:
    """How many labels are worth a look, and what share of them to expect wrong, without a clean label.

    Mean margins are taken for a mixture of two normal distributions, of wrong and of right labels. With P(wrong | m)
    its posterior at a margin m, held constant beyond the means of both, so that it falls with the margin,

        count = number of samples with P(wrong | m) >= 1/2 and m < 0,    precision_r = mean of P over the ranks up to r.

    Nothing is wrong (count 0, precision 0) where the lower component has its mean at 0 or above: the model gave these
    labels, on average over the logged epochs, more than all other classes together. One distribution of right labels,
    easy and hard, is split in two as well, but not around zero. So the count is as good as the model: one that is
    trained for too few epochs believes no label, right or wrong, and one that memorizes them believes all.

    Reference: the mixture is that of Arazo et al. 2019 and DivideMix (Li et al. 2020), here on margins of all epochs.

    Args:
        log: the log of a training run, of a robust loss if there is one.

    Raises:
        ValueError: if no sample has a margin that is a number: training diverged.
        ImportError: without scikit-learn.

    Example: 20 of 100 margins lie around -4, the others around 4.

    >>> from keras_robust.weight_log import RECORD, write_epoch
    >>> records = np.zeros(100, RECORD)
    >>> records["margin"] = np.where(np.arange(100) < 20, -4.0, 4.0) + np.linspace(-1, 1, 100)
    >>> write_epoch(tmp_path, 0, records)
    >>> count, share, precision = keras_robust.diagnostics.review_count(keras_robust.diagnostics.WeightLog(tmp_path))
    >>> count, share, precision[[0, 19, 39]].round(2).tolist()
    (20, 0.2, [1.0, 1.0, 0.5])
    """
    margins = log.mean_margin()
    margins = np.sort(np.clip(margins[~np.isnan(margins)], -_LARGEST, _LARGEST))
    if not margins.size:
        raise ValueError(
            f"No sample of the log in {log.path} has a margin that is a number: training diverged, or saw none. Train "
            "again with a lower learning rate, or a clipped gradient."
        )
    wrong = _posterior(margins)
    count = int(np.count_nonzero((wrong >= 0.5) & (margins < 0)))
    return ReviewCount(count, count / len(margins), np.cumsum(wrong) / np.arange(1, len(wrong) + 1))


def _posterior(margins):
    """P(wrong | margin) of ascending margins; outliers are brought nearer, or they would be a component."""
    lower, upper = np.quantile(margins, [0.25, 0.75])
    if (reach := _REACH * (upper - lower)) > 0:
        margins = np.clip(margins, lower - reach, upper + reach)
    spread = margins.std()
    if not spread > 1e-6 * max(1.0, abs(margins[0]), abs(margins[-1])) or margins[0] >= 0:
        return np.zeros(len(margins))
    places = np.linspace(0, len(margins) - 1, min(len(margins), _FITTED)).round().astype(int)
    fitted = max((_mixture(margins[places, None] / spread, share) for share in _STARTS), key=lambda found: found[1])[0]
    means = fitted.means_[:, 0]
    low, high = means.argmin(), means.argmax()
    if means[low] >= 0:
        return np.zeros(len(margins))
    between = np.clip(margins / spread, means[low], means[high])
    return fitted.predict_proba(between[:, None])[:, low]


def _mixture(values, share):
    """A mixture that starts from the lowest share of ascending values and the others, and its likelihood."""
    try:
        from sklearn.mixture import GaussianMixture
    except ImportError as error:
        raise missing("Suspects are counted with scikit-learn", "data") from error
    cut = min(max(1, round(share * len(values))), len(values) - 1)
    parts = values[:cut], values[cut:]
    start = {
        "weights_init": [cut / len(values), 1 - cut / len(values)],
        "means_init": [part.mean(axis=0) for part in parts],
        "precisions_init": [[[1.0 / max(part.var(), 1e-2)]] for part in parts],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an optimum that is not reached to the last digit
        fitted = GaussianMixture(2, max_iter=300, tol=1e-5, reg_covar=1e-4, random_state=0, **start).fit(values)
    return fitted, fitted.lower_bound_
