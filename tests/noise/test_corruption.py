"""Transition matrices, and labels drawn from them."""

import numpy as np
import pytest
from scipy import stats

from keras_robust import noise

LABELS = np.random.default_rng(0).integers(0, 10, 50_000)


def test_symmetric_matrices():
    other, all_classes = noise.symmetric(10, 0.4), noise.symmetric(10, 0.4, include_true=True)
    np.testing.assert_allclose(np.diag(other), 0.6)
    assert other[2, 5] == pytest.approx(0.4 / 9)
    np.testing.assert_allclose(np.diag(all_classes), 0.64)
    assert all_classes[2, 5] == pytest.approx(0.04)
    for matrix in (other, all_classes, noise.symmetric(2, 1.0), noise.symmetric(7, 0.0), noise.pair_flip(5, 0.3)):
        assert matrix.dtype == np.float64
        np.testing.assert_allclose(matrix.sum(axis=1), 1.0, rtol=1e-12)


def test_pair_flip():
    matrix = noise.pair_flip(4, 0.3)
    assert matrix[1, 2] == pytest.approx(0.3)
    assert matrix[3, 0] == pytest.approx(0.3)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("spec", ["symmetric:0.4", "symmetric+true:0.6", "pair:0.2"])
def test_realised_matrix_fits_the_one_asked_for(spec, seed):
    matrix = noise.from_spec(spec, 10)
    drawn = noise.corrupt(LABELS, matrix, seed, spec=spec)
    counts = np.zeros((10, 10))
    np.add.at(counts, (LABELS, drawn.noisy), 1)
    expected = matrix * counts.sum(axis=1, keepdims=True)
    assert np.all(counts[expected == 0] == 0)
    possible = expected > 0
    chi2 = ((counts - expected)[possible] ** 2 / expected[possible]).sum()
    assert stats.chi2.sf(chi2, possible.sum() - 10) > 1e-4
    np.testing.assert_allclose(drawn.transition, counts / counts.sum(axis=1, keepdims=True))
    assert drawn.rate == pytest.approx(1 - (np.bincount(LABELS) * np.diag(matrix)).sum() / 50_000, abs=0.01)
    assert drawn.mask.sum() == (drawn.noisy != LABELS).sum()


def test_exact_counts():
    matrix = noise.symmetric(10, 0.3)
    drawn = noise.corrupt(LABELS, matrix, seed=4, exact=True)
    for i in range(10):
        members = (i == LABELS).sum()
        for j in range(10):
            if i != j:
                assert ((i == LABELS) & (drawn.noisy == j)).sum() == int(members * matrix[i, j] + 1e-9)


def test_the_seed_decides_and_the_input_is_left_alone():
    labels = LABELS.copy()
    matrix = noise.symmetric(10, 0.4)
    one, again, other = (noise.corrupt(labels, matrix, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.noisy, again.noisy)
    assert np.any(one.noisy != other.noisy)
    np.testing.assert_array_equal(labels, LABELS)
    labels[:] = 0
    np.testing.assert_array_equal(one.clean, LABELS)


def test_the_global_seed_is_not_touched():
    np.random.seed(0)
    expected = np.random.get_state()[1].copy()
    noise.corrupt(LABELS, noise.symmetric(10, 0.4), seed=3)
    np.testing.assert_array_equal(np.random.get_state()[1], expected)


def test_no_noise_and_classes_without_samples():
    labels = np.array([0, 2, 2])
    clean = noise.corrupt(labels, noise.from_spec(None, 4), seed=0)
    assert clean.rate == 0.0
    np.testing.assert_array_equal(clean.transition, np.eye(4))
    swapped = noise.corrupt(labels, np.eye(4)[[1, 0, 3, 2]], seed=0)
    np.testing.assert_array_equal(swapped.noisy, [1, 3, 3])


@pytest.mark.parametrize(
    ("labels", "matrix", "seed", "name"),
    [
        (LABELS, np.full((10, 10), 0.2), 0, "transition"),
        (LABELS, np.ones((10, 1)), 0, "transition"),
        (LABELS, np.eye(10) * 2 - np.roll(np.eye(10), 1, 0), 0, "transition"),
        (LABELS, np.eye(9), 0, "labels"),
        (LABELS - 1, np.eye(10), 0, "labels"),
        (LABELS.astype(float), np.eye(10), 0, "labels"),
        (np.eye(10, dtype=int), np.eye(10), 0, "labels"),
        (LABELS, np.eye(10), -1, "seed"),
    ],
)
def test_wrong_arguments(labels, matrix, seed, name):
    with pytest.raises(ValueError, match=f"`{name}` of corrupt must be"):
        noise.corrupt(labels, matrix, seed)


@pytest.mark.parametrize("spec", ["symetric:0.4", "symmetric", "symmetric:", "symmetric:lots", "", "0.4"])
def test_wrong_specifications_list_the_known_ones(spec):
    with pytest.raises(ValueError, match=r'Noise must be None or one of "symmetric:RATE", "symmetric\+true:RATE"'):
        noise.from_spec(spec, 10)


def test_rates_out_of_range():
    with pytest.raises(ValueError, match=r"`rate` of symmetric must be at least 0 and at most 1. Received: rate=1.2"):
        noise.from_spec("symmetric:1.2", 10)
