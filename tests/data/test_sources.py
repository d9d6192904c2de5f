"""The embedded data set."""

import numpy as np
import pytest

from keras_robust import data


def test_digits():
    digits = data.load_arrays("digits")
    assert digits.x_train.shape == (1438, 8, 8, 1)
    assert digits.x_test.shape == (359, 8, 8, 1)
    assert digits.num_classes == 10
    assert digits.input_shape == (8, 8, 1)
    assert digits.x_train.dtype == np.float32
    assert digits.x_train.min() == 0.0
    assert digits.x_train.max() == 1.0
    for labels in (digits.y_train, digits.y_test):
        share = np.bincount(labels, minlength=10) / len(labels)
        assert share.min() > 0.05


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ValueError, match="`name` of load_arrays must be one of 'digits'. Received: name='digitz'"):
        data.load_arrays("digitz")
