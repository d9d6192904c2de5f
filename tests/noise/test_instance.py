"""Instance-dependent noise against Algorithm 2 of Xia et al. 2020."""

import numpy as np
import pytest
from harness import once
from scipy import stats

from keras_robust import noise
from keras_robust.noise import instance

pytestmark = once

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 10, 50_000)
FEATURES = RNG.normal(size=(50_000, 12)).astype("float32")


def truncated(rate, std=0.1):
    return stats.truncnorm(-rate / std, (1 - rate) / std, loc=rate, scale=std)


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.4, 0.95])
def test_flip_rates_are_a_truncated_normal(rate):
    rates = instance._flip_rates(50_000, rate, 0.1, np.random.default_rng(3))
    assert stats.kstest(rates, truncated(rate).cdf).pvalue > 1e-3
    assert 0 <= rates.min() <= rates.max() <= 1


def test_flip_rates_without_spread():
    np.testing.assert_array_equal(instance._flip_rates(5, 0.3, 0.0, np.random.default_rng(0)), np.full(5, 0.3))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("rate", [0.1, 0.2, 0.4])
def test_overall_rate_is_the_mean_of_the_truncated_normal(rate, seed):
    drawn = noise.instance_dependent(FEATURES, LABELS, rate, K=10, seed=seed)
    mean = truncated(rate).mean()
    assert drawn.rate == pytest.approx(mean, abs=0.01)
    if rate == 0.2:
        assert mean == pytest.approx(0.2055, abs=5e-5)
    assert drawn.spec == f"instance:{rate}"
    np.testing.assert_array_equal(drawn.clean, LABELS)


def test_a_flip_never_lands_on_the_own_class():
    """With rate 1 and no spread every sample is flipped, so every label must differ."""
    drawn = noise.instance_dependent(FEATURES, LABELS, 1.0, K=10, seed=0, std=0.0)
    assert drawn.mask.all()
    few = noise.instance_dependent(1e6 * FEATURES[:2000], LABELS[:2000] % 2, 1.0, K=2, seed=0, std=0.0)
    np.testing.assert_array_equal(few.noisy, 1 - few.clean)


def test_the_wrong_class_follows_the_softmax_of_the_projection():
    """One class, one repeated sample: its targets are draws from one distribution, which the features set."""
    x = RNG.normal(size=(1, 4))
    labels = np.full(20_000, 2)
    drawn = noise.instance_dependent(np.repeat(x, 20_000, axis=0), labels, 1.0, K=5, seed=8, std=0.0)
    weights = np.random.default_rng(np.random.SeedSequence(8).spawn(6)[1 + 2]).standard_normal((4, 5))
    scores = np.exp(x @ weights)[0]
    scores[2] = 0
    counts = np.bincount(drawn.noisy, minlength=5)
    assert counts[2] == 0
    others = [0, 1, 3, 4]
    assert stats.chisquare(counts[others], 20_000 * scores[others] / scores.sum()).pvalue > 1e-3


def test_labels_depend_on_the_features():
    drawn = noise.instance_dependent(FEATURES, LABELS, 0.4, K=10, seed=0)
    again = noise.instance_dependent(FEATURES, LABELS, 0.4, K=10, seed=0)
    np.testing.assert_array_equal(drawn.noisy, again.noisy)
    permuted = noise.instance_dependent(FEATURES[RNG.permutation(50_000)], LABELS, 0.4, K=10, seed=0)
    np.testing.assert_array_equal(permuted.mask, drawn.mask)
    changed = (permuted.noisy != drawn.noisy)[drawn.mask].mean()
    assert changed > 0.4
    other = noise.instance_dependent(FEATURES, LABELS, 0.4, K=10, seed=1)
    assert np.any(other.mask != drawn.mask)


def test_each_sample_is_judged_by_its_own_features():
    """Features so large that the choice is certain: the wrong class is a function of label and features."""
    kinds = 100 * RNG.normal(size=(8, 5))
    which, labels = RNG.integers(0, 8, 4000), RNG.integers(0, 6, 4000)
    drawn = noise.instance_dependent(kinds[which], labels, 0.5, K=6, seed=0)
    targets = np.zeros((8, 6, 6), int)
    np.add.at(targets, (which[drawn.mask], labels[drawn.mask], drawn.noisy[drawn.mask]), 1)
    assert np.all(targets.max(axis=2) >= 0.95 * targets.sum(axis=2))
    assert len(np.unique(targets.argmax(axis=2))) > 3


def test_pieces_make_no_difference(monkeypatch):
    whole = noise.instance_dependent(FEATURES[:3000], LABELS[:3000], 0.5, K=10, seed=0)
    monkeypatch.setattr(instance, "_ROWS_AT_ONCE", 7)
    np.testing.assert_array_equal(
        noise.instance_dependent(FEATURES[:3000], LABELS[:3000], 0.5, K=10, seed=0).noisy, whole.noisy
    )


def test_images_lists_and_memory_maps(tmp_path):
    images = RNG.integers(0, 256, (60, 4, 4, 3)).astype("uint8")
    labels = np.arange(60) % 3
    expected = noise.instance_dependent(images, labels, 0.5, K=3, seed=0).noisy
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    for same in (images.reshape(60, -1), images.tolist(), mapped):
        np.testing.assert_array_equal(noise.instance_dependent(same, labels, 0.5, K=3, seed=0).noisy, expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": 1.1}, "`rate` of instance_dependent"),
        ({"rate": float("nan")}, "`rate` of instance_dependent"),
        ({"std": -0.1}, "`std` of instance_dependent"),
        ({"seed": -1}, "`seed` of instance_dependent"),
        ({"K": 1}, "`K` of instance_dependent"),
        ({"K": 5}, "`labels` of instance_dependent"),
        ({"features": FEATURES[:9]}, "`features` of instance_dependent must be an array .* for each of the 10 labels"),
        ({"features": FEATURES[:10, 0]}, "`features` of instance_dependent must be an array"),
        ({"features": np.full((10, 3), np.nan), "rate": 1.0}, "`features` of instance_dependent must be finite"),
    ],
)
def test_wrong_arguments(change, message):
    arguments = {"features": FEATURES[:10], "labels": LABELS[:10], "rate": 0.4, "K": 10, "seed": 0} | change
    with pytest.raises(ValueError, match=message):
        noise.instance_dependent(**arguments)
