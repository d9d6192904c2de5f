"""What a model believes of its training labels, and what that says of the noise in them."""

import numpy as np

from keras_robust.checks import at_least, refuse
from keras_robust.noise.estimate import Estimate
from keras_robust.noise.transition import realized
from keras_robust.weight_log import WeightLog

# Votes, samples times classes, that are counted at a time.
_VOTES = 2**22
# Classes whose T, in float64, takes 800 MB.
_MOST = 10_000


def believed_labels(log: WeightLog, samples=None) -> np.ndarray:
    """The class that was predicted for each sample in most of the logged epochs; the smallest id of a tie.

    The last epoch alone would do for a loss that never believes wrong labels. One that memorizes them in the end
    has predicted something else for most of the time.

    Args:
        log: the log of a training run.
        samples: numbers of samples (n,), in a log of positions of records; None: all.

    Returns:
        Class ids (n,), -1 for a sample that was never seen.

    Example:

    >>> from keras_robust.weight_log import RECORD, write_epoch
    >>> for epoch, predicted in enumerate([[1, 0], [1, 2], [0, 2]]):
    ...     records = np.zeros(2, RECORD)
    ...     records["predicted"] = predicted
    ...     write_epoch(tmp_path, epoch, records)
    >>> keras_robust.diagnostics.believed_labels(keras_robust.diagnostics.WeightLog(tmp_path)).tolist()
    [1, 2]
    """
    samples = np.arange(log.num_records) if samples is None else np.asarray(samples, "int64")
    K = max(1, 1 + max(int(records["predicted"].max(initial=-1)) for records in log))
    believed = np.full(len(samples), -1, "int32")
    step = max(1, _VOTES // K)
    for start in range(0, len(samples), step):
        chunk = samples[start : start + step]
        votes = np.zeros((len(chunk), K), "int32")
        for records in log:
            predicted = records["predicted"][chunk]
            seen = np.flatnonzero(predicted >= 0)
            votes[seen, predicted[seen]] += 1
        found = votes.any(axis=1)
        believed[start : start + step][found] = votes.argmax(axis=1)[found]
    return believed


def estimated_transition(log: WeightLog, num_classes: int | None = None) -> Estimate:
    """The noise in the given labels, taking what the model believes for the clean labels.

        T[i, j] = share of the samples believed to be i whose label is j

    No clean label is needed. It is as good as the model: one that memorizes wrong labels from the first epochs on
    finds no noise, one that gives up hard classes finds too much.

    Args:
        log: the log of a training run, of a robust loss if there is one.
        num_classes: number of classes K; None: as many as labels and predictions show.

    Returns:
        `Estimate(transition, rate)`; the row of a class that nobody is believed to have is that of no noise.

    Raises:
        ValueError: if there are more classes than that, or more than 10,000; if no sample was seen.

    Example:

    >>> from keras_robust.weight_log import RECORD, write_epoch
    >>> records = np.zeros(4, RECORD)
    >>> records["predicted"], records["label"] = [0, 0, 1, 1], [0, 1, 1, 1]
    >>> write_epoch(tmp_path / "noise", 0, records)
    >>> log = keras_robust.diagnostics.WeightLog(tmp_path / "noise")
    >>> keras_robust.diagnostics.estimated_transition(log).transition.tolist()
    [[0.5, 0.5], [0.0, 1.0]]
    """
    num_classes = at_least(2, integer=True, optional=True).check("estimated_transition", "num_classes", num_classes)
    labels, believed = log.labels, believed_labels(log)
    found = 1 + int(max(labels.max(initial=-1), believed.max(initial=-1)))
    K = max(found, 2) if num_classes is None else num_classes
    if not found <= K <= _MOST:
        rule = f"at least {found:,}, the classes in the log, and at most {_MOST:,}, for T is a matrix"
        refuse("estimated_transition", "num_classes", rule, num_classes)
    seen = (labels >= 0) & (believed >= 0)
    if not seen.any():
        raise ValueError(f"The log in {log.path} saw no sample, so that nothing is known of its noise.")
    return Estimate(realized(believed[seen], labels[seen], K), float(np.mean(believed[seen] != labels[seen])))
