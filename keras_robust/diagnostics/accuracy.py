"""How good a model is on clean labels, told from noisy ones."""

from typing import NamedTuple

import numpy as np

from keras_robust.checks import Interval, at_least, refuse

#: Largest condition number of a transition matrix that is inverted.
WELL_CONDITIONED = 1e4
_DRAWS = 2000
# Predictions that are added as right, and as many as wrong.
_ADDED = 2
# Drawing the count of a distinct score takes as long as drawing so many samples.
_COUNTED = 50
# Samples drawn at a time.
_CHUNK = 2**20


class CleanAccuracy(NamedTuple):
    """Accuracy on clean labels, in [0, 1], and the borders of its confidence interval."""

    estimate: float
    low: float
    high: float

    def __str__(self):
        return f"{self.estimate:.1%} ({self.low:.1%} to {self.high:.1%})"


def clean_accuracy(predicted, given, transition, confidence: float = 0.95, seed: int = 0) -> CleanAccuracy:
    """What the accuracy on clean labels is, from noisy labels and the transition matrix of their noise.

    For choosing between models without one clean label. With C[i, j] the number of samples predicted as i and labeled
    j, and T[k, j] = P(noisy j | clean k), the counts of predicted and clean classes are C T^-1, and

        estimate = trace(C T^-1) / n = mean over samples of T^-1[given, predicted],

    without bias for a known T, whatever the model and the shares of the classes, under two conditions:

    - Held-out labels only. A model that was trained on these labels has memorized some of the wrong ones.
    - Noise that does not depend on the prediction given the true class, as class-conditional noise does not. Noise of
      hard samples (instance-dependent, of people) is wrong where models are wrong too: then the estimate is off, mostly
      too low, for all models in the same way, so that their order suffers less than their numbers.

    What is estimated is the accuracy on new samples of the same kind. The interval is the percentile bootstrap over
    samples, with two right and two wrong predictions added (Agresti & Coull 1998), so that it does not shrink to a
    point where all labels agree. It holds the accuracy on these very samples at least as often, because that one lacks
    the chance in drawing them. T is taken as exact: where it is estimated, its error is not in the interval, and one
    estimate of T should serve all models that are compared. The page "From suspects to a clean data set" has the
    coverage that was measured.

    Reference: T^-1 makes estimates unbiased as in Natarajan et al. 2013, Lemma 1, here of the 0-1 loss.

    Args:
        predicted: class ids (n,), or scores (n, K), of which the largest counts.
        given: noisy class ids (n,) of the same samples, held out.
        transition: T (K, K), rows with sum 1; or an object with one as `.transition`, such as what `noise.estimate`
            returns.
        confidence: of the interval, greater than 0 and less than 1.
        seed: of the bootstrap: the same seed gives the same interval.

    Returns:
        `CleanAccuracy(estimate, low, high)`, cut off at 0 and 1.

    Raises:
        ValueError: for ids that are not classes of the matrix, samples that do not match, a matrix that is none, or one
            that cannot be inverted: then the labels do not tell some classes apart.

    Example: 40% of the labels are wrong; the model agrees with 57% of them, and is right on most.

    >>> T = keras_robust.noise.symmetric(10, 0.4)
    >>> clean = np.arange(2000) % 10
    >>> given = keras_robust.noise.corrupt(clean, T, seed=0).noisy
    >>> predicted = np.where(np.arange(2000) % 20 < 19, clean, (clean + 1) % 10)
    >>> round(float(np.mean(predicted == given)), 3)
    0.574
    >>> print(keras_robust.diagnostics.clean_accuracy(predicted, given, T))
    95.2% (91.2% to 99.0%)
    """
    own = "clean_accuracy"
    T, inverse = _inverted(own, transition)
    K = len(T)
    given, predicted = _ids(own, "given", given, K), _ids(own, "predicted", _classes(own, predicted, K), K)
    if len(given) != len(predicted) or not len(given):
        refuse(own, "given", f"one label for each of the {len(predicted)} predictions, at least one", len(given))
    confidence = Interval(0.0, 1.0, open_low=True, open_high=True).check(own, "confidence", confidence)
    seed = at_least(0, integer=True).check(own, "seed", seed)
    scores = inverse[given, predicted]
    means = _resampled(scores, np.random.default_rng(seed))
    estimate = scores.mean()
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    found = np.clip([estimate, min(low, estimate), max(high, estimate)], 0.0, 1.0)
    return CleanAccuracy(*map(float, found))


def _resampled(scores, rng):
    """Means of bootstrap samples of the scores."""
    scores = np.append(scores, [1.0, 0.0] * _ADDED)
    values, counts = np.unique(np.round(scores, 9), return_counts=True)
    size = len(scores)
    if len(values) * _COUNTED <= size:
        return rng.multinomial(size, counts / size, _DRAWS) @ values / size
    at_once = max(1, _CHUNK // size)
    chunks = (min(at_once, _DRAWS - start) for start in range(0, _DRAWS, at_once))
    return np.concatenate([scores[rng.integers(0, size, (draws, size))].mean(axis=1) for draws in chunks])


def _inverted(own, transition):
    """T and its inverse."""
    rule = "a matrix (K, K), T[i, j] = P(noisy j | clean i), of numbers of at least 0, rows with sum 1"
    try:
        T = np.asarray(getattr(transition, "transition", transition), "float64")
    except (TypeError, ValueError):
        refuse(own, "transition", rule, transition)
    square = T.ndim == 2 and T.shape[0] == T.shape[1] >= 2
    if not square or not np.all(T >= 0) or np.any(np.abs(T.sum(axis=1) - 1) > 1e-5):
        refuse(own, "transition", rule, transition)
    condition = np.linalg.cond(T)
    if not condition <= WELL_CONDITIONED:
        raise ValueError(
            f"`transition` of {own} cannot be inverted (condition number {condition:.3g}, at most {WELL_CONDITIONED:g} "
            "is taken): labels with this noise do not tell some classes apart, so that no accuracy on clean labels "
            f"follows from them. Received: transition={T!r}."
        )
    return T, np.linalg.inv(T)


def _classes(own, predicted, K):
    """Predictions as class ids, where they are scores."""
    predicted = np.asarray(predicted)
    if predicted.ndim != 2 or predicted.shape[1] == 1:
        return predicted
    if predicted.shape[1] != K or not np.all(np.isfinite(predicted)):
        refuse(own, "predicted", f"class ids (n,), or finite scores (n, {K}), as many as T has classes", predicted)
    return predicted.argmax(axis=1)


def _ids(own, name, ids, K):
    ids = np.asarray(ids)
    ids = ids[:, 0] if ids.ndim == 2 and ids.shape[1] == 1 else ids
    is_ids = ids.ndim == 1 and np.issubdtype(ids.dtype, np.integer)
    if not is_ids or (ids.size and not 0 <= ids.min() <= ids.max() < K):
        refuse(own, name, f"integer class ids of shape (n,) in [0, {K}), the classes of T", ids)
    return ids
