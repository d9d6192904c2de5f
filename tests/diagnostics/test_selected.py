"""What an algorithm selected, class by class."""

import numpy as np
import pytest
from harness import once

import keras_robust as kr
from keras_robust.diagnostics import selection

pytestmark = once

GIVEN = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 4])
CLEAN = np.array([0, 0, 1, 1, 2, 2, 2, 0, -1, 4])
KEPT = np.array([1, 1, 1, 0, 1, 1, 0, 0, 1, 1], bool)


def test_counts_precision_and_recall():
    found = selection(KEPT, GIVEN, CLEAN)
    assert found.given.tolist() == [3, 2, 4, 0, 1]
    assert found.kept.tolist() == [3, 1, 2, 0, 1]
    assert found.kept_right.tolist() == [2, 0, 1, 0, 1]
    right = CLEAN == GIVEN
    assert found.precision == right[KEPT].mean()
    assert found.recall == KEPT[right].mean()
    assert found.share == KEPT.mean()
    assert found.lost == []
    assert str(found).splitlines()[2].split() == ["1", "2", "1", "50.0%", "0.0%", "0.0%"]
    assert str(found).splitlines()[-1].split() == ["all", "10", "7", "70.0%", "57.1%", "66.7%"]


def test_without_clean_labels_nothing_is_said_of_them():
    found = selection(KEPT, GIVEN)
    assert found.precision is None
    assert found.recall is None
    assert "precision" not in str(found)


def test_a_lost_class_is_named():
    with pytest.warns(UserWarning, match=r"No sample of the classes \[1, 4\] was selected"):
        found = selection(KEPT & (GIVEN != 1) & (GIVEN != 4), GIVEN, CLEAN)
    assert found.lost == [1, 4]
    assert "nan" in str(found)


def test_refusals():
    for arguments, words in (
        ((KEPT.astype(float), GIVEN), "`selected` of selection must be boolean"),
        ((KEPT[:3], GIVEN), "`selected` of selection must be boolean of shape"),
        ((KEPT, GIVEN, CLEAN[:3]), "`clean` of selection"),
        ((KEPT, GIVEN * 0.5), "`given` of selection must be class ids"),
        ((KEPT, GIVEN - 1), "class ids of at least 0"),
    ):
        with pytest.raises(ValueError, match=words):
            kr.diagnostics.selection(*arguments)
