"""Votes of several annotators become soft labels."""

import keras
import numpy as np
import pytest
from harness import once

import keras_robust as kr
from keras_robust.noise import Votes, votes

VOTES = [[0, 0, 1, 2], [2, -1, 2, -1], [1, 0, 1, 0], [-1, -1, -1, 1]]
SOFT = [[0.5, 0.25, 0.25], [0, 0, 1], [0.5, 0.5, 0], [0, 1, 0]]


@once
class TestVotes:
    @pytest.mark.parametrize("dtype", ["int8", "int32", "int64"])
    def test_shares_and_agreement(self, dtype):
        found = votes(np.array(VOTES, dtype))
        assert isinstance(found, Votes)
        assert found.soft.tolist() == SOFT
        assert found.agreement.tolist() == [0.5, 1.0, 0.5, 1.0]
        assert (found.soft.dtype, found.agreement.dtype) == ("float64", "float64")

    @pytest.mark.parametrize(("dtype", "missing"), [("uint8", 255), ("uint16", 9), ("uint64", 2**64 - 1)])
    def test_unsigned_ids(self, dtype, missing):
        given = np.array([[missing if v == -1 else v for v in row] for row in VOTES], dtype)
        assert votes(given, missing=missing).soft.tolist() == SOFT
        whole = np.array([[0, 1], [1, 1]], dtype)  # -1 cannot stand in them, and need not
        assert votes(whole).soft.tolist() == [[0.5, 0.5], [0, 1]]

    def test_against_counting(self):
        rng = np.random.default_rng(0)
        labels = rng.integers(-1, 7, (200, 5))
        labels = labels[(labels >= 0).any(axis=1)]
        soft, agreement = votes(labels, num_classes=9)
        for row, shares, agreed in zip(labels, soft, agreement, strict=True):
            present = [k for k in row if k >= 0]
            assert shares == pytest.approx([present.count(k) / len(present) for k in range(9)])
            assert agreed == pytest.approx(max(map(present.count, present)) / len(present))

    def test_number_of_classes(self):
        assert votes([[0, 1]]).soft.shape == (1, 2)
        assert votes([[0, 0]]).soft.tolist() == [[1.0, 0.0]]  # one class is no problem to learn
        assert votes([[0, 1]], num_classes=5).soft.shape == (1, 5)
        assert votes(np.zeros((0, 3), int), num_classes=4).soft.shape == (0, 4)

    def test_the_input_is_left_alone(self):
        labels = np.array(VOTES)
        votes(labels)
        assert labels.tolist() == VOTES

    @pytest.mark.parametrize(
        ("labels", "keywords", "words"),
        [
            ([0, 1], {}, "integer class ids of shape .N, A.. Received: labels='int64 of shape .2,.'"),
            (np.zeros((2, 2, 2), int), {}, "integer class ids of shape"),
            ([[0.0, 1.0]], {}, "Received: labels='float64 of shape .1, 2.'"),
            ([["cat", "dog"]], {}, "integer class ids"),
            ([[True, False]], {}, "integer class ids"),
            ([[0, 1], [-1, -1], [-1, -1]], {}, r"nobody labeled 2 of them.*Received: labels='samples \[1, 2\]'"),
            (np.zeros((2, 0), int), {}, "nobody labeled 2 of them"),
            ([[0, 3]], {"num_classes": 3}, r"class ids in \[0, 3\), or -1 .*Received: labels='ids from 0 to 3'"),
            ([[0, -2]], {}, "class ids in .*Received: labels='ids from -2 to 0'"),
            ([[0, -1]], {"missing": -2}, "or -2 for a missing one. Received: labels='ids from -1 to 0'"),
            (np.array([[0, 2**63]], "uint64"), {}, "class ids in"),
            ([[0, 1]], {"num_classes": 1}, "`num_classes` of votes must be a whole number, at least 2"),
            ([[0, 1]], {"num_classes": 2**40}, "`num_classes` of votes must be a whole number"),
            ([[0, 1]], {"missing": 0.5}, "`missing` of votes must be a whole number"),
            (np.zeros((0, 3), int), {}, "`num_classes` of votes must be the number of classes"),
        ],
    )
    def test_refusals(self, labels, keywords, words):
        with pytest.raises(ValueError, match=words):
            votes(labels, **keywords)


def test_they_train():
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    model.compile("sgd", kr.ANLCE(from_logits=True))
    assert np.isfinite(model.fit(np.ones((4, 5)), votes(VOTES).soft, verbose=0).history["loss"][0])
