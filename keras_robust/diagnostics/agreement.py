"""Whether another method suspects the same labels."""

from typing import NamedTuple

import numpy as np

from keras_robust.checks import missing, refuse
from keras_robust.weight_log import WeightLog, mean_ranks


class Agreement(NamedTuple):
    """How a log's ranking of suspects compares with cleanlab's.

    Attributes:
        flagged: how many labels cleanlab calls wrong.
        overlap: share of them among as many samples of lowest mean margin; NaN where none is flagged.
        rank_correlation: of the whole rankings (Spearman), 1 for the same.
    """

    flagged: int
    overlap: float
    rank_correlation: float


def cleanlab_agreement(log: WeightLog, pred_probs) -> Agreement:
    """Compares the mean margins of a log with what cleanlab makes of predicted probabilities.

    cleanlab flags labels by confident learning (`find_label_issues`) and ranks all of them by the probability of the
    given label (`get_label_quality_scores`). It wants predictions out of sample, by cross-validation for example; the
    log needs none.

    Reference: Northcutt et al. 2021, as the package cleanlab computes it.

    Args:
        log: the log of a training run that saw every sample.
        pred_probs: predicted probabilities (samples, K), by sample number.

    Raises:
        ImportError: without cleanlab.
        ValueError: for probabilities that are none, or a sample that was never seen.

    Example:

    >>> from keras_robust.weight_log import RECORD, write_epoch
    >>> records = np.zeros(100, RECORD)
    >>> records["label"] = np.arange(100) % 2
    >>> pred_probs = np.eye(2)[records["label"]] * 0.8 + 0.1
    >>> pred_probs[:5] = pred_probs[:5, ::-1]
    >>> records["margin"] = np.log(pred_probs[np.arange(100), records["label"]])
    >>> write_epoch(tmp_path, 0, records)
    >>> found = keras_robust.diagnostics.cleanlab_agreement(keras_robust.diagnostics.WeightLog(tmp_path), pred_probs)
    >>> found.flagged, found.overlap, round(found.rank_correlation, 6)
    (5, 1.0, 1.0)
    """
    try:
        from cleanlab.filter import find_label_issues
        from cleanlab.rank import get_label_quality_scores
    except ImportError as error:
        raise missing("Agreement is with cleanlab", "cleanlab") from error
    probabilities, labels = np.asarray(pred_probs, "float64"), log.labels
    if np.any(labels < 0):
        raise ValueError(f"The log in {log.path} never saw {np.sum(labels < 0):,} of its {len(labels):,} samples.")
    shaped = probabilities.ndim == 2 and len(probabilities) == len(labels) and probabilities.shape[1] > labels.max()
    if not shaped or not np.all(probabilities >= 0) or np.any(np.abs(probabilities.sum(axis=1) - 1) > 1e-2):
        rule = f"probabilities of shape ({len(labels)}, K) with K > {labels.max()}, rows summing to 1"
        refuse("cleanlab_agreement", "pred_probs", rule, pred_probs)
    flagged = find_label_issues(labels, probabilities, n_jobs=1)
    count = int(flagged.sum())
    overlap = float(flagged[log.suspects(count)].mean()) if count else float("nan")
    quality, margins = get_label_quality_scores(labels, probabilities), log.mean_margin()
    with np.errstate(invalid="ignore"):
        correlation = np.corrcoef(mean_ranks(quality), mean_ranks(margins))[0, 1]
    return Agreement(count, overlap, float(correlation))
