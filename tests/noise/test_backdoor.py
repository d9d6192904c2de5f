"""Backdoors: who is poisoned, and what the triggers look like."""

import numpy as np
import pytest
from harness import once

from keras_robust import noise

pytestmark = once

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (300, 8, 8, 3)).astype("uint8")
LABELS = RNG.integers(0, 10, 300)


@pytest.mark.parametrize("trigger", ["local", "global"])
@pytest.mark.parametrize("images", [IMAGES, (IMAGES / 255).astype("float32"), IMAGES[..., 0]], ids=["u8", "f", "flat"])
def test_only_samples_of_other_classes_are_poisoned(images, trigger):
    before, labels_before = images.copy(), LABELS.copy()
    poisoned, labels, indices = noise.backdoor(images, LABELS, target=4, trigger=trigger, n=50, seed=1)
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(LABELS, labels_before)
    assert len(np.unique(indices)) == 50
    assert np.all(LABELS[indices] != 4)
    np.testing.assert_array_equal(np.flatnonzero(labels.mask), indices)
    assert np.all(labels.noisy[indices] == 4)
    np.testing.assert_array_equal(labels.clean, LABELS)
    rest = np.setdiff1d(np.arange(300), indices)
    np.testing.assert_array_equal(poisoned[rest], images[rest])
    np.testing.assert_array_equal(poisoned[indices], noise.add_trigger(images[indices], trigger))
    assert poisoned.dtype == images.dtype
    assert poisoned.shape == images.shape
    assert f"{trigger} trigger labeled 4" in labels.report()
    assert labels.num_classes == 10


def test_the_seed_chooses_the_samples():
    one, again, other = (noise.backdoor(IMAGES, LABELS, 0, seed=seed).indices for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert len(one) == 100
    assert np.any(one != other)


def test_local_trigger_is_a_patch_in_the_corner():
    marked = noise.add_trigger(IMAGES, "local")
    patch = np.array([[255, 0, 255], [0, 255, 0], [255, 0, 255]])
    np.testing.assert_array_equal(marked[:, -3:, -3:], np.broadcast_to(patch[None, :, :, None], (300, 3, 3, 3)))
    untouched = np.ones((8, 8), bool)
    untouched[-3:, -3:] = False
    np.testing.assert_array_equal(marked[:, untouched], IMAGES[:, untouched])


def test_global_trigger_is_one_blended_pattern_for_training_and_test():
    images = (IMAGES / 255).astype("float64")
    pattern = (noise.add_trigger(images, "global") - 0.8 * images) / 0.2
    np.testing.assert_allclose(pattern, np.broadcast_to(pattern[:1], pattern.shape), atol=1e-12)
    assert pattern.std() > 0.2
    assert -1e-9 <= pattern.min() < 0.05
    assert 0.95 < pattern.max() <= 1
    integers = noise.add_trigger(IMAGES, "global").astype(float)
    np.testing.assert_allclose(integers, 0.8 * IMAGES + 0.2 * 255 * pattern[0], atol=0.5001)


def test_value_range_of_normalized_images():
    images = (IMAGES / 255 - 0.5) / 0.25
    with pytest.raises(ValueError, match=r"`images` of add_trigger must be in the value range \(0, 1\); else say"):
        noise.add_trigger(images)
    assert noise.add_trigger(images, value_range=(-2, 2))[0, -1, -1, 0] == 2.0
    poisoned = noise.backdoor(images, LABELS, 3, n=5, value_range=(-2, 2))
    assert np.all(poisoned.images[poisoned.indices][:, -1, -2] == -2.0)


def test_attack_success_rate_counts_other_classes_only():
    assert noise.attack_success_rate([1, 1, 0, 1], [0, 2, 0, 1], 1) == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="`labels` of attack_success_rate"):
        noise.attack_success_rate([1, 0], [1, 1], 1)
    with pytest.raises(ValueError, match="`predicted` of attack_success_rate"):
        noise.attack_success_rate([1, 0], [1], 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": -1}, "`target` of backdoor"),
        ({"target": 10, "num_classes": 10}, "`target` of backdoor"),
        ({"num_classes": 5}, "`labels` of backdoor"),
        ({"n": 0}, "`n` of backdoor must be a whole number, at least 1 and at most"),
        ({"n": 300}, "`n` of backdoor"),
        ({"trigger": "invisible"}, "`trigger` of add_trigger must be one of 'local', 'global'"),
        ({"seed": -1}, "`seed` of backdoor"),
        ({"images": IMAGES[:5]}, "`images` of backdoor must be one for each of the 300 labels"),
        ({"images": IMAGES.reshape(300, -1)}, "`images` of backdoor must be .* at least 3 pixels"),
        ({"images": IMAGES[:, :2]}, "`images` of backdoor must be .* at least 3 pixels"),
    ],
)
def test_wrong_arguments(change, message):
    arguments = {"images": IMAGES, "labels": LABELS, "target": 1} | change
    with pytest.raises(ValueError, match=message):
        noise.backdoor(**arguments)
