"""Samples that count for nothing: of weight 0, of the class to ignore, or masked, whatever their label says."""

import keras
import numpy as np
import pytest
from harness import BACKEND, in_turn, once
from steps import ALGORITHMS, INDEX, RATE, WEIGHTS, D, K, N, X, Y, algorithm, networks, numpy

import keras_robust as kr
from keras_robust.algorithms import GJS, NLNL, DivideMix

NOTHING = np.isin(np.arange(N), [1, 4])
LABEL = np.where(NOTHING, -1, Y).astype("int32")  # no class
WAYS = ["weight", "ignored", "masked"]
#: PyTorch, which looks at labels in every step, has all of them.
ALL = [(kind, way) for kind in ALGORITHMS for way in WAYS]


def masking(weights):
    """The linear network; samples that are 0 are masked."""
    model = keras.Sequential([keras.Input((D,)), keras.layers.Masking(), keras.layers.Dense(K)])
    model.layers[-1].set_weights(weights)
    return model


def remembered(model):
    """What a model remembers of the samples of the batch, in their order."""
    for name in ("targets", "predicted", "choices"):
        if getattr(model, name, None) is not None:
            return numpy(getattr(model, name))[INDEX]


@pytest.mark.parametrize(("kind", "way"), ALL if BACKEND == "torch" else in_turn(ALL)[::2])
def test_they_are_never_selected_counted_or_written(kind, way):
    trained = []
    for rows in (np.arange(N), np.flatnonzero(~NOTHING)):
        of = [masking(weights) for weights in WEIGHTS[: kind.networks]]
        model = algorithm(kind, of, **({"num_samples": N, "gradual": 0} if kind.ranks else {}))
        loss = kr.ANLCE(from_logits=True, ignore_class=-1 if way == "ignored" else None)
        model.compile(keras.optimizers.SGD(RATE), loss)
        model.begin(2, 3)
        x = np.where(NOTHING[:, None] & (way == "masked"), 0.0, X).astype("float32")[rows]
        weight = (~NOTHING[rows]).astype("float32") if way == "weight" else None
        told = model.train_on_batch(x, {"label": LABEL[rows], "index": INDEX[rows]}, sample_weight=weight)
        trained.append([told, *model.get_weights()[: 2 * kind.networks]])
        assert np.array_equal(remembered(model).any(axis=-1), ~NOTHING)
        assert np.isfinite(trained[-1][0])
    # A weight of 0 stays in the denominator of a mean, but not in that of the samples that are kept.
    if kind is not NLNL and (kind.ranks or way != "weight"):
        assert all(np.allclose(*both, rtol=1e-5, atol=1e-6) for both in zip(*trained, strict=True))


@once
def test_masked_samples_are_in_no_mean_of_two_views():
    losses = []
    for rows in (np.arange(N), np.flatnonzero(~NOTHING)):
        model = GJS(masking(WEIGHTS[0]))
        model.compile(keras.optimizers.SGD(RATE), kr.JS(pi=0.3, from_logits=True))
        views = [np.where(NOTHING[:, None], 0.0, one).astype("float32")[rows] for one in (X, X[:, ::-1])]
        losses.append(model.train_on_batch(dict(zip(("view_0", "view_1"), views, strict=True)), LABEL[rows]))
    assert np.isclose(*losses, rtol=1e-5)


@once
def test_soft_labels_of_weight_0_may_be_anything():
    soft = np.where(NOTHING[:, None], -5.0, np.eye(K)[Y]).astype("float32")
    model = algorithm(next(kind for kind in ALGORITHMS if kind.ranks))
    model.compile("sgd", kr.CE(from_logits=True))
    assert np.isfinite(model.train_on_batch(X, soft, sample_weight=(~NOTHING).astype("float32")))


@once
@pytest.mark.parametrize("form", ["arrays", "batches"])
def test_samples_of_weight_0_are_no_part_of_the_mixture(form):
    by_number, weight = np.argsort(INDEX), (~NOTHING).astype("float32")
    probe = (X[by_number], LABEL[by_number], weight[by_number])
    if form == "batches":
        probe = [
            (X[rows], {"label": LABEL[rows], "index": INDEX[rows]}, weight[rows]) for rows in ([0, 1, 2], [3, 4, 5, 6])
        ]
    views = {"view_0": X, "view_1": X[::-1].copy()}
    found = []
    for label, ignored, data in ((LABEL, None, probe), (LABEL, -1, (X[by_number], LABEL[by_number]))):
        first, second = networks(2)
        model = DivideMix(first, N, K, data, warmup=0, second=second)
        model.compile(keras.optimizers.SGD(RATE), kr.CE(from_logits=True, ignore_class=ignored))
        history = model.fit(views, {"label": label, "index": INDEX}, sample_weight=weight, verbose=0).history
        assert np.isfinite(history["loss"]).all()
        assert not numpy(model.posteriors)[INDEX[NOTHING]].any()
        assert np.array_equal(model.kept(label)[1][INDEX], ~NOTHING)
        found.append(numpy(model.posteriors))
    assert np.allclose(*found, atol=1e-6)
