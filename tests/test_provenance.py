"""A ProvenanceModel trains, saves and exports as the model inside."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from harness import BACKEND

import keras_robust as kr

N, K = 24, 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 5)).astype("float32")
LABEL, CLEAN = RNG.integers(0, K, N), RNG.integers(0, K, N)
TARGETS = {"label": LABEL, "index": np.arange(N), "clean": CLEAN}


def plain():
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((5,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(K)])


def compiled(model, **keywords):
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    model.compile(optimizer, kr.ANLCE(from_logits=True), metrics=["accuracy"], **keywords)
    return model


FIT = {"batch_size": 8, "epochs": 3, "shuffle": False, "verbose": 0}


def test_trains_as_the_model_inside():
    expected = compiled(plain()).fit(X, LABEL, validation_data=(X, CLEAN), **FIT).history
    model = kr.ProvenanceModel(plain())
    metrics = ["accuracy", kr.metrics.MemorizedShare(), kr.metrics.MeanMargin("clean", from_logits=True)]
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), kr.ANLCE(from_logits=True), metrics=metrics)
    history = model.fit(X, TARGETS, validation_data=(X, CLEAN), **FIT).history
    for name, values in expected.items():
        assert history[name] == pytest.approx(values, rel=1e-5), name
    ours = {"memorized_share", "margin_clean"}
    assert history.keys() - expected.keys() == ours | {f"val_{name}" for name in ours}
    assert np.isnan(history["val_memorized_share"]).all()  # plain labels tell nothing of wrong ones
    measured = model.evaluate(X, TARGETS, batch_size=8, verbose=0, return_dict=True)
    predicted, wrong = model.predict(X, verbose=0).argmax(-1), LABEL != CLEAN
    assert measured["memorized_share"] == pytest.approx((predicted == LABEL)[wrong].mean())
    np.testing.assert_allclose(model.predict(X, verbose=0), model.model.predict(X, verbose=0), rtol=1e-6)


def test_weighted_metrics_and_sample_weights():
    model = kr.ProvenanceModel(plain())
    model.compile("sgd", kr.CE(from_logits=True), weighted_metrics=[kr.metrics.MemorizedShare(), "accuracy"])
    wrong = np.flatnonzero(LABEL != CLEAN)
    weight = np.zeros(N, "float32")
    weight[wrong[:3]] = 1.0
    share = model.evaluate(X, TARGETS, sample_weight=weight, batch_size=N, verbose=0, return_dict=True)
    predicted = model.predict(X, verbose=0).argmax(-1)[wrong[:3]]
    assert share["memorized_share"] == pytest.approx((predicted == LABEL[wrong[:3]]).mean())


def test_targets_may_lack_what_nobody_asks_for():
    model = compiled(kr.ProvenanceModel(plain()))
    model.fit(X, {"label": LABEL}, **FIT)
    model.fit(X, LABEL, **FIT)
    model.compile("sgd", kr.CE(from_logits=True), metrics=kr.metrics.MemorizedShare())
    with pytest.raises(ValueError, match="needs targets that tell clean labels"):
        model.fit(X, {"label": LABEL, "index": np.arange(N)}, **FIT)


LOAD = """
import sys, numpy as np, keras
assert "keras_robust" not in sys.modules
model = keras.models.load_model(sys.argv[1], compile=False)
assert type(model).__name__ == "Sequential", type(model)
np.save(sys.argv[3], model.predict(np.load(sys.argv[2]), verbose=0))
assert "keras_robust" not in sys.modules
"""


def test_saves_as_the_model_inside(tmp_path):
    model = compiled(kr.ProvenanceModel(plain()))
    model.fit(X, TARGETS, **FIT)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", X)
    subprocess.run(
        [sys.executable, "-c", LOAD, *(str(tmp_path / name) for name in ("model.keras", "x.npy", "out.npy"))],
        env=os.environ | {"KERAS_BACKEND": BACKEND},
        check=True,
    )
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)
    again = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(again.loss, kr.ANLCE)
    # The optimizer's state is in the file: both go on alike.
    going_on = model.fit(X, TARGETS, **FIT).history["loss"]
    assert again.fit(X, LABEL, **FIT).history["loss"] == pytest.approx(going_on, rel=1e-5)


def test_weights_files_hold_the_optimizer_and_fit_either(tmp_path):
    model = compiled(kr.ProvenanceModel(plain()))
    model.fit(X, TARGETS, **FIT)
    model.save_weights(tmp_path / "w.weights.h5")
    going_on = model.fit(X, TARGETS, **FIT).history["loss"]
    wrapped = compiled(kr.ProvenanceModel(plain()))
    for other, y in ((wrapped, TARGETS), (compiled(plain()), LABEL)):
        other.optimizer.build(other.trainable_variables)
        other.load_weights(tmp_path / "w.weights.h5")
        assert other.fit(X, y, **FIT).history["loss"] == pytest.approx(going_on, rel=1e-5)


def test_the_wrapper_itself_can_be_serialized(tmp_path):
    model = kr.ProvenanceModel(plain(), name="outside")
    model.compile(
        keras.optimizers.SGD(0.1, 0.9), kr.NCE(from_logits=True), metrics=["accuracy", kr.metrics.MemorizedShare()]
    )
    model.fit(X, TARGETS, **FIT)
    keras.saving.save_model(model, tmp_path / "wrapped.keras")
    again = keras.saving.load_model(tmp_path / "wrapped.keras")
    assert isinstance(again, kr.ProvenanceModel)
    assert again.fit(X, TARGETS, **FIT).history == model.fit(X, TARGETS, **FIT).history
    np.testing.assert_allclose(again.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(BACKEND == "torch", reason="Keras exports SavedModels from TensorFlow and JAX")
def test_exports_as_the_model_inside(tmp_path):
    import tensorflow as tf

    model = compiled(kr.ProvenanceModel(plain()))
    model.fit(X, TARGETS, **FIT)
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "served"))
    np.testing.assert_allclose(served.serve(X).numpy(), model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)
    assert len(served.variables) == len(model.model.weights)


def test_wrong_use():
    for model in ("model", kr.ProvenanceModel(plain()), keras.layers.Dense(3)):
        with pytest.raises(ValueError, match="`model` of ProvenanceModel must be a keras.Model that is not wrapped"):
            kr.ProvenanceModel(model)
