"""Estimating noise: the matrix that made the labels comes back."""

import sys

import numpy as np
import pytest

from keras_robust import noise

PRIOR = np.array([0.4, 0.25, 0.15, 0.1, 0.1])
MATRIX = noise.symmetric(5, 0.3)
MATRIX[2] = [0.0, 0.1, 0.5, 0.4, 0.0]
MATRIX[0] = [0.8, 0.2, 0.0, 0.0, 0.0]


def labels_and_predictions(matrix, n=20_000):
    """Labels with known noise, and the probabilities that the best possible classifier gives them."""
    rng = np.random.default_rng(0)
    clean = rng.choice(5, n, p=PRIOR)
    centers = 2.0 * rng.normal(size=(5, 8))
    x = centers[clean] + rng.normal(size=(n, 8))
    scores = np.exp(-0.5 * ((x[:, None] - centers) ** 2).sum(axis=-1)) * PRIOR
    return noise.corrupt(clean, matrix, seed=1), (scores / scores.sum(axis=1, keepdims=True)) @ matrix


def test_a_known_matrix_comes_back():
    """It is not symmetric, so rows and columns cannot be exchanged unnoticed."""
    drawn, predictions = labels_and_predictions(MATRIX)
    transition, rate = noise.estimate(predictions, drawn.noisy)
    np.testing.assert_allclose(transition.sum(axis=1), 1.0)
    np.testing.assert_allclose(transition, drawn.transition, atol=0.02)
    assert rate == pytest.approx(drawn.rate, abs=0.01)


def test_clean_labels():
    drawn, predictions = labels_and_predictions(np.eye(5))
    transition, rate = noise.estimate(predictions, drawn.noisy)
    np.testing.assert_allclose(transition, np.eye(5), atol=0.02)
    assert rate < 0.02


def test_classes_that_nobody_has():
    predictions = 0.85 * np.eye(4)[[0, 0, 1, 1, 2]] + 0.0375
    transition, rate = noise.estimate(predictions, np.array([0, 0, 1, 2, 2]))
    np.testing.assert_allclose(transition.sum(axis=1), 1.0)
    np.testing.assert_array_equal(transition[3], [0, 0, 0, 1])
    assert 0 < rate < 1


@pytest.mark.parametrize(
    ("predictions", "labels", "name"),
    [
        (np.full((4, 2), 0.3), [0, 1, 0, 1], "pred_probs"),
        (np.array([[1.5, -0.5]] * 4), [0, 1, 0, 1], "pred_probs"),
        (np.array([[np.nan, 1.0]] * 4), [0, 1, 0, 1], "pred_probs"),
        (np.ones((4, 1)), [0, 0, 0, 0], "pred_probs"),
        (np.full((4, 2), 0.5), [0, 1, 2, 1], "labels"),
        (np.full((4, 2), 0.5), [0, 1, 0], "labels"),
        (np.zeros((0, 2)), np.zeros(0, int), "labels"),
    ],
)
def test_wrong_arguments(predictions, labels, name):
    with pytest.raises(ValueError, match=f"`{name}` of estimate must be"):
        noise.estimate(predictions, labels)


def test_without_cleanlab(monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab.count", None)
    with pytest.raises(ImportError, match=r"pip install -e '\.\[cleanlab\]' in the clone"):
        noise.estimate(np.full((2, 2), 0.5), [0, 1])
