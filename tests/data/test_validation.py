"""Which training samples are held out, and that `load` leaves them out."""

import numpy as np
import pytest
from harness import once

from keras_robust import data
from keras_robust.data.loading import chosen

pytestmark = once


def test_positions_follow_from_the_seed():
    one, again, other = (data.held_out(1000, 0.1, seed) for seed in (1, 1, 2))
    assert len(np.unique(one)) == 100
    np.testing.assert_array_equal(one, np.sort(one))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
    # Another draw than that of the noise, which has the same seed.
    assert np.abs(np.mean(np.random.default_rng(1).random(1000)[one]) - 0.5) < 0.12


def test_the_share_is_one_of_the_samples_that_are_used():
    positions = data.held_out(1000, 0.2, fraction=0.5)
    assert len(positions) == 100
    assert np.isin(positions, chosen(1000, 0.5)).all()


def test_load_leaves_them_out():
    arrays = data.generated("mnist", 40, 8)
    left_out = data.held_out(40, 0.25)
    splits = data.load("mnist", "pair:0.3", 7, provenance=True, left_out=left_out, arrays=arrays)
    whole = data.load("mnist", "pair:0.3", 7, provenance=True, arrays=arrays)
    for _ in range(2):
        seen = np.concatenate([targets["index"].numpy() for _, targets in splits.train])
        assert sorted([*seen, *left_out]) == list(range(40))
    np.testing.assert_array_equal(splits.noise.noisy, whole.noise.noisy)
    assert splits.info == whole.info
    assert len(splits.train) == 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"share": 1.0}, "`share` of held_out must be greater than 0 and less than 1"),
        ({"share": 0.01}, "`share` of held_out must be a share of 20 training samples that is one of them or more"),
        ({"share": 0.5, "seed": -1}, "`seed` of held_out must be a whole number, at least 0"),
        ({"share": 0.5, "fraction": 0.0}, "`fraction` of held_out must be greater than 0 and at most 1"),
    ],
)
def test_wrong_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        data.held_out(20, **arguments)


def test_positions_that_are_none():
    arrays = data.generated("mnist", 20, 8)
    for left_out in ([20], [-1], [0.5], [[1]]):
        with pytest.raises(ValueError, match="`left_out` of load must be positions of training samples from 0 and bel"):
            data.load("mnist", left_out=left_out, arrays=arrays)
