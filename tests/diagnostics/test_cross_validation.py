"""Probabilities of every sample by a model that was not trained on it."""

import keras
import numpy as np
import pytest
from harness import once

import keras_robust as kr
from keras_robust.diagnostics import out_of_sample

N, K = 24, 3
Y = np.arange(N) % K
# Each sample is an input of its own, and its weights start at 0: what was not trained on is predicted evenly.
X = np.eye(N, dtype="float32")
FIT = {"epochs": 2, "batch_size": 8, "verbose": 0}


def maker(units=K, activation=None, loss=None, inputs=N):
    def make_model():
        layer = keras.layers.Dense(units, activation, kernel_initializer="zeros", use_bias=False)
        model = keras.Sequential([keras.Input((inputs,)), layer])
        model.compile(keras.optimizers.SGD(20.0), loss or kr.CE(from_logits=activation is None))
        return model

    return make_model


def test_no_model_has_seen_what_it_predicts():
    probabilities = out_of_sample(maker(), X, Y, folds=4, **FIT)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, np.full((N, K), 1 / K), atol=1e-7)


@once
def test_groups_stay_together():
    """Samples of a group share an input: one that was trained on gives the others away."""
    groups = np.arange(N) // 2
    together = X[groups][:, : N // 2]
    labels = groups % K
    make = maker(inputs=N // 2)
    known = out_of_sample(make, together, labels, folds=4, **FIT)
    assert np.mean(known.max(axis=1) > 0.5) > 0.5
    names = np.array([f"patient {group}" for group in groups])
    unknown = out_of_sample(make, together, labels, folds=4, groups=names, **FIT)
    np.testing.assert_allclose(unknown, np.full((N, K), 1 / K), atol=1e-7)


class Scores(keras.Model):
    """Nobody sees what it ends in."""

    def __init__(self, scores):
        super().__init__()
        self.scores = self.add_weight(scores.shape, initializer=lambda shape, dtype: scores)

    def call(self, x):
        return x @ self.scores


RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(N, K)).astype("float32")
SOFT = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
YES = 1 / (1 + np.exp(-LOGITS[:, :1]))
KERAS = keras.losses.SparseCategoricalCrossentropy
ENDS = {
    "logits": (LOGITS, kr.CE(from_logits=True), SOFT),
    "probabilities": (SOFT, kr.CE(), SOFT),
    "logits of Keras' loss": (LOGITS, KERAS(from_logits=True), SOFT),
    "a logit": (LOGITS[:, :1], kr.Binary(kr.CE(), from_logits=True), np.hstack([1 - YES, YES])),
    "a probability": (YES, kr.Binary(kr.CE()), np.hstack([1 - YES, YES])),
}


@once
@pytest.mark.parametrize("end", ENDS)
def test_what_a_model_ends_in_is_recognized(end):
    scores, loss, expected = ENDS[end]

    def make_model():
        model = Scores(scores)
        model.compile(keras.optimizers.SGD(0.0), loss)
        return model

    labels = Y % 2 if scores.shape[1] == 1 else Y
    np.testing.assert_allclose(out_of_sample(make_model, X, labels, folds=2, **FIT), expected, rtol=1e-5)


@once
def test_the_last_layer_counts_more_than_the_loss_and_inputs_may_be_several():
    # A function says nothing of what it reads.
    function = maker(loss=lambda y, z: keras.losses.sparse_categorical_crossentropy(y, z, from_logits=True))
    inputs = {"a": keras.Input((N,), name="a"), "b": keras.Input((2,), name="b")}

    def make_two():
        hidden = keras.layers.Concatenate()([inputs["a"], inputs["b"]])
        model = keras.Model(inputs, keras.layers.Dense(K, kernel_initializer="zeros", use_bias=False)(hidden))
        model.compile(keras.optimizers.SGD(20.0), kr.CE(from_logits=True))
        return kr_model(model)

    def kr_model(model):
        wrapped = kr.ProvenanceModel(model)
        wrapped.compile(keras.optimizers.SGD(20.0), kr.CE(from_logits=True))
        return wrapped

    both = {"a": X, "b": np.zeros((N, 2), "float32")}
    for make, x, y in ((function, X, Y[:, None]), (make_two, both, Y), (maker(), X, np.eye(K)[Y])):
        loss = keras.losses.CategoricalCrossentropy(from_logits=True) if y.shape == (N, K) else None
        make = maker(loss=loss) if loss else make
        np.testing.assert_allclose(out_of_sample(make, x, y, folds=2, **FIT), np.full((N, K), 1 / K), atol=1e-6)


@once
def test_equal_seeds_give_equal_probabilities_and_sample_weights_follow_their_samples():
    x = RNG.normal(size=(N, 4)).astype("float32")

    def make_model():
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(K)])
        model.compile("adam", kr.CE(from_logits=True))
        return model

    first, again, other = (out_of_sample(make_model, x, Y, folds=3, seed=seed, **FIT) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    weights = (Y != 0).astype("float32")  # class 0 is never trained on
    weighted = out_of_sample(
        maker(inputs=4), np.abs(x), Y, folds=3, sample_weight=weights, batch_size=N, epochs=5, verbose=0
    )
    assert weighted[:, 0].max() < 1 / K


@once
def test_wrong_use():
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)
    plain = keras.Sequential([keras.Input((N,)), keras.layers.Dense(K)])
    trained, units = maker()(), iter([3, 4])
    for arguments, words in (
        ((maker(), dataset, Y), "`x` of out_of_sample must be arrays of all samples.*not a data set of batches"),
        ((maker(), X[:5], Y), "`x` of out_of_sample must be of the 24 samples that y has labels for"),
        ((maker(), {"a": X, "b": X[:3]}, Y), "`x` of out_of_sample must be of the 24 samples"),
        ((maker(), X, Y + 0.5), "`y` of out_of_sample must be class ids"),
        ((maker(), X, Y - 1), "`y` of out_of_sample must be class ids"),
        ((maker(), X, np.array(["a"] * N)), "`y` of out_of_sample must be class ids"),
        ((maker(), X, Y, 9), "`folds` of out_of_sample must be at most 8, the samples of class 0"),
        ((maker(), X, Y, 1), "`folds` of out_of_sample must be a whole number, at least 2"),
        ((maker(), X, Y, 2, Y[:3]), "`groups` of out_of_sample must be one value for each of 24 samples"),
        ((maker(), X, Y, 2, [None] * 24), "`groups` of out_of_sample must be texts or numbers, none of them missing"),
        ((maker(), X, Y, 4, Y), "`folds` of out_of_sample must be at most the number of groups, 3"),
        ((maker(), X, Y, 3, Y), "such that every class is in groups of several folds; class . is in one"),
        ((plain, X, Y), "`make_model` of out_of_sample must be a function that returns a new, compiled model"),
        ((lambda: plain, X, Y, 2), "a function that returns a compiled model"),
        ((lambda: trained, X, Y, 2), "a new model each time: one that saw other folds knows their labels"),
        ((lambda: maker(next(units))(), X, Y, 2), "a model of the same classes each time, at least 3"),
        ((maker(K, "sigmoid", kr.Binary(kr.CE())), X, np.eye(K)[Y], 2), "rows that sum to 1, or logits"),
    ):
        with pytest.raises(ValueError, match=words):
            out_of_sample(*arguments, **FIT)
    with pytest.raises(ValueError, match="`sample_weight` of out_of_sample must be of the 24 samples"):
        out_of_sample(maker(), X, Y, sample_weight=np.ones(3), **FIT)
