"""A loss in the life of a Keras model: compile, fit, evaluate, save, load elsewhere."""

import json

import keras
import numpy as np
import pytest
from harness import BACKEND, printed_by

import keras_robust as kr

LOAD = """
import json, sys, keras, numpy as np, keras_robust
folder, *names = sys.argv[1:]
data, found = np.load(f"{folder}/data.npz"), {}
for name in names:
    model = keras.models.load_model(f"{folder}/{name}.keras")
    loss = model.evaluate(data["x"], data["y"], verbose=0)
    found[name] = {"loss": loss, "config": model.loss.get_config()}
print(json.dumps(found))
"""


def data():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 64)
    return (np.eye(4)[y] + 0.3 * rng.normal(size=(64, 4))).astype("float32"), y


LOSSES = {
    "softmax": kr.ANLCE(),
    "logits": kr.LogitBias(2.0 * kr.NFL(0.7) + kr.AGCE(0.6, 0.6), epsilon=0.5, from_logits=True),
}


@pytest.fixture(scope="module")
def lives(tmp_path_factory):
    """By activation: the history of a training, the loss afterwards, and what a fresh process found in the file."""
    folder = tmp_path_factory.mktemp("models")
    x, y = data()
    np.savez(folder / "data.npz", x=x, y=y)
    trained = {}
    for name, loss in LOSSES.items():
        layer = keras.layers.Dense(4, activation=name if name == "softmax" else None)
        model = keras.Sequential([keras.Input((4,)), layer])
        model.compile("adam", loss=loss)
        history = model.fit(x, y, validation_data=(x, y), epochs=3, verbose=0).history
        trained[name] = history, model.evaluate(x, y, verbose=0)
        model.save(folder / f"{name}.keras")
    found = json.loads(printed_by(LOAD, folder, *LOSSES).splitlines()[-1])
    return {name: (*trained[name], found[name]) for name in LOSSES}


@pytest.mark.parametrize("name", LOSSES)
def test_fit_evaluate_save_and_load_in_a_fresh_process(name, lives):
    history, value, loaded = lives[name]
    assert history["loss"][-1] < history["loss"][0]
    assert loaded["loss"] == pytest.approx(value, rel=1e-6)
    assert loaded["config"] == json.loads(json.dumps(LOSSES[name].get_config()))


def test_one_loss_for_each_output_and_class_weights():
    x, y = data()
    inputs = keras.Input((4,))
    outputs = {"a": keras.layers.Dense(4, name="a")(inputs), "b": keras.layers.Dense(4, name="b")(inputs)}
    model = keras.Model(inputs, outputs)
    model.compile("sgd", loss={"a": kr.ANLCE(from_logits=True), "b": kr.MAEStar(from_logits=True)})
    targets = {"a": y, "b": np.eye(4, dtype="float32")[y]}
    assert np.isfinite(model.fit(x, targets, epochs=1, verbose=0).history["loss"]).all()

    single = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    results = []
    for loss in (kr.CE(from_logits=True), keras.losses.SparseCategoricalCrossentropy(from_logits=True)):
        single.compile(keras.optimizers.SGD(0.0), loss=loss)
        history = single.fit(x, y, class_weight={0: 0.0, 1: 2.0, 2: 1.0, 3: 0.5}, epochs=1, verbose=0).history
        results.append(history["loss"][0])
    assert results[0] == pytest.approx(results[1], rel=1e-5)


def test_as_a_metric_and_with_steps():
    x, y = data()
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    model.compile("sgd", loss=kr.CE(from_logits=True), metrics=[kr.CE(from_logits=True)])
    loss, metric = model.evaluate(x, y, verbose=0)
    assert loss == pytest.approx(metric, rel=1e-5)


def test_labels_of_a_last_small_batch():
    x, y = data()
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    model.compile("sgd", loss=kr.PeerLoss(kr.CE(), 0.1, from_logits=True))
    if BACKEND == "tensorflow":  # the batch size is not known when the step is compiled
        assert np.isnan(model.fit(x[:34], y[:34], batch_size=16, verbose=0).history["loss"][0])
    else:
        with pytest.raises(ValueError, match="at least three samples"):
            model.fit(x[:34], y[:34], batch_size=16, verbose=0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    model.compile("sgd", loss=kr.PeerLoss(kr.CE(), 0.1, from_logits=True))
    assert np.isfinite(model.fit(x[:36], y[:36], batch_size=16, verbose=0).history["loss"][0])
