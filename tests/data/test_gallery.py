"""Training images by number, from every kind of source."""

import numpy as np
import pytest
from harness import once

from keras_robust import data

pytestmark = once


def test_images_in_memory_come_as_they_were_stored():
    digits, shown = data.load_arrays("digits"), data.gallery("digits")
    np.testing.assert_array_equal(shown.images([1437, 5, 5]), digits.x_train[[1437, 5, 5]])
    assert (shown.class_names, shown.size) == (digits.class_names, 1438)
    assert shown.images([]).shape == (0, 8, 8, 1)
    for wrong in ([1438], [-1], [0.5], 3):
        with pytest.raises(ValueError, match=r"`numbers` of images must be positions \(n,\) in \[0, 1438\)"):
            shown.images(wrong)
    with pytest.raises(ValueError, match="`name` of gallery must be one of"):
        data.gallery("digit")


def test_images_in_files(webvision_tree):
    shown = data.gallery("webvision", webvision_tree)
    images = shown.images([3, 0])
    assert images.shape == (2, 96, 96, 3)
    assert images[0, 48, 48].tolist() == pytest.approx([70] * 3, abs=2)
    assert images[1, 48, 48].tolist() == pytest.approx([10] * 3, abs=2)
    assert images[0, 0, 48].tolist() == [0, 0, 0]  # wider than high
    assert shown.images([]).shape == (0, 96, 96, 3)
    assert (shown.size, shown.class_names[49]) == (12, "class 49")
    path = webvision_tree / "google" / "q0001" / "image 0.jpg"
    path.write_bytes(b"no picture")
    with pytest.raises(ValueError, match="image 0.jpg is not a readable image"):
        shown.images([0])


def test_images_in_records(binary_animal_tree):
    shown = data.gallery("animal10n", binary_animal_tree)
    assert shown.images([6, 2])[:, 0, 0].tolist() == [[6, 7, 8], [2, 3, 4]]
    assert shown.size == 7
