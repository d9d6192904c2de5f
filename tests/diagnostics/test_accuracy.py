"""The accuracy on clean labels, told from noisy ones."""

import numpy as np
import pytest
from harness import once

from keras_robust import noise
from keras_robust.diagnostics import clean_accuracy

pytestmark = once


def sample(T, accuracy, size, seed):
    """Predictions of a model that is right on a share of the samples, each by itself, and noisy labels."""
    rng = np.random.default_rng(seed)
    K = len(T)
    clean = rng.integers(0, K, size)
    predicted = np.where(rng.random(size) < accuracy, clean, (clean + rng.integers(1, K, size)) % K)
    return predicted, noise.corrupt(clean, T, seed=seed).noisy


def test_it_is_the_trace_of_counts_times_the_inverse():
    T = np.array([[0.7, 0.2, 0.1], [0.0, 0.9, 0.1], [0.3, 0.3, 0.4]])
    predicted, given = sample(T, 0.7, 4000, seed=1)
    counts = np.zeros((3, 3))
    np.add.at(counts, (predicted, given), 1)
    expected = np.trace(counts @ np.linalg.inv(T)) / 4000
    found = clean_accuracy(predicted, given, T)
    assert found.estimate == pytest.approx(expected)
    assert abs(found.estimate - 0.7) < 0.04
    assert found.low < found.estimate < found.high
    assert clean_accuracy(np.eye(3)[predicted], given[:, None], noise.Estimate(T, 0.3)) == found
    wide = clean_accuracy(predicted, given, T, confidence=0.99)
    assert wide.low < found.low < found.high < wide.high
    assert clean_accuracy(predicted, given, T, seed=1).low == pytest.approx(found.low, abs=0.01)


@pytest.mark.parametrize(("accuracy", "T"), [(0.95, noise.symmetric(10, 0.4)), (0.98, noise.pair_flip(10, 0.1))])
def test_the_interval_covers(accuracy, T):
    found = [clean_accuracy(*sample(T, accuracy, 300, seed), T) for seed in range(200)]
    assert 0.90 <= np.mean([one.low <= accuracy <= one.high for one in found]) <= 0.99
    assert np.mean([one.estimate for one in found]) == pytest.approx(accuracy, abs=0.015)


def test_labels_that_all_agree_are_no_proof():
    perfect = clean_accuracy(np.arange(50) % 5, np.arange(50) % 5, np.eye(5))
    assert perfect.estimate == perfect.high == 1.0
    assert 0.85 < perfect.low < 0.98


def test_many_different_scores_are_drawn_by_sample():
    rng = np.random.default_rng(0)
    T = 0.6 * np.eye(40) + 0.4 * rng.dirichlet(np.ones(40), 40)
    predicted, given = sample(T, 0.8, 1500, seed=3)
    found = clean_accuracy(predicted, given, T)
    assert found.low < 0.8 < found.high
    scores = np.linalg.inv(T)[given, predicted]
    assert found.high - found.low == pytest.approx(2 * 1.96 * scores.std() / 1500**0.5, rel=0.1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"transition": noise.symmetric(3, 2 / 3)}, "cannot be inverted .* do not tell some classes apart"),
        ({"transition": np.ones((3, 3))}, "`transition` of clean_accuracy must be a matrix"),
        ({"transition": "half"}, "`transition` of clean_accuracy must be a matrix"),
        ({"given": [0, 1, 3]}, "`given` of clean_accuracy must be integer class ids"),
        ({"given": [0, 1]}, "`given` of clean_accuracy must be one label for each of the 3 predictions"),
        ({"predicted": [0.0, 1.0, 2.0]}, "`predicted` of clean_accuracy must be integer class ids"),
        ({"predicted": np.full((3, 3), np.nan)}, "finite scores"),
        ({"predicted": np.ones((3, 4))}, "finite scores"),
        ({"confidence": 95}, "`confidence` of clean_accuracy must be greater than 0 and less than 1"),
    ],
)
def test_what_cannot_be_told_is_refused(changes, words):
    arguments = {"predicted": [0, 1, 2], "given": [0, 1, 1], "transition": noise.symmetric(3, 0.2)} | changes
    with pytest.raises(ValueError, match=words):
        clean_accuracy(**arguments)
