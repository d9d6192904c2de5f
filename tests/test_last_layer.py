"""A loss that contradicts the model's last layer is told so when training starts, whoever starts it."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_robust as kr
from keras_robust.callbacks import DALSchedule, HyperparameterSchedule, LogitBiasCycle, SampleWeightLogger
from keras_robust.last_layer import check_last_layer, contradictions, ends_in
from keras_robust.schedules import Linear

N, K = 8, 3
X, Y = np.random.default_rng(0).normal(size=(N, 4)).astype("float32"), np.arange(N) % K
TARGETS = {"label": Y, "index": np.arange(N)}


class OfItsOwn(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(K)

    def call(self, x):
        return keras.ops.softmax(self.dense(x))


class SoftmaxInside(layers.Dense):
    def call(self, x):
        return keras.ops.softmax(super().call(x))


class CallOfItsOwn(keras.Model):
    """Functional by its tensors, and more when it is called."""

    def call(self, x, training=None):
        return keras.ops.softmax(super().call(x, training=training))


def sequential(*last, built=True):
    return keras.Sequential([*([keras.Input((4,))] if built else []), *last])


def functional(end, kind=keras.Model):
    inputs = keras.Input((4,))
    return kind(inputs, end(inputs))


LOGITS, SOFTMAX, SIGMOID = "logits", "probabilities", "sigmoid probabilities"
ENDS = {
    "dense": (lambda: sequential(layers.Dense(K)), LOGITS),
    "not built": (lambda: sequential(layers.Dense(K), layers.Identity(), built=False), LOGITS),
    "not built, softmax": (lambda: sequential(layers.Dense(K), layers.Softmax(), built=False), SOFTMAX),
    "softmax": (lambda: sequential(layers.Dense(K, "softmax")), SOFTMAX),
    "softmax as a layer": (lambda: sequential(layers.Dense(K), layers.Softmax()), SOFTMAX),
    "softmax as an activation": (lambda: sequential(layers.Dense(K), layers.Activation("softmax")), SOFTMAX),
    "a layer as the activation": (lambda: sequential(layers.Dense(K, activation=layers.Softmax())), SOFTMAX),
    "softmax as an operation": (lambda: functional(lambda x: keras.ops.softmax(layers.Dense(K)(x))), SOFTMAX),
    "sigmoid": (lambda: sequential(layers.Dense(K, "sigmoid")), SIGMOID),
    "sigmoid as an operation": (lambda: functional(lambda x: keras.ops.sigmoid(layers.Dense(K)(x))), SIGMOID),
    "log softmax": (lambda: sequential(layers.Dense(K, "log_softmax")), LOGITS),
    "a cast": (lambda: sequential(layers.Dense(K, "softmax"), layers.Activation("linear", dtype="float32")), SOFTMAX),
    "convolution": (lambda: sequential(layers.Reshape((2, 2, 1)), layers.Conv2D(K, 1)), LOGITS),
    "time steps": (lambda: sequential(layers.Reshape((2, 2)), layers.TimeDistributed(layers.Dense(K))), LOGITS),
    "nested": (lambda: functional(sequential(layers.Dense(K, "softmax"))), SOFTMAX),
    "twice nested": (
        lambda: sequential(layers.Dense(4), sequential(layers.Dense(4), sequential(layers.Dense(K)))),
        LOGITS,
    ),
    "nested, not built": (lambda: sequential(sequential(layers.Dense(K), built=False), built=False), LOGITS),
    "relu": (lambda: sequential(layers.Dense(K, "relu")), None),
    "scaled": (lambda: sequential(layers.Dense(K), layers.Rescaling(2.0)), None),
    "mean of two": (lambda: functional(lambda x: layers.Average()([layers.Dense(K)(x), layers.Dense(K)(x)])), None),
    "a class of its own": (OfItsOwn, None),
    "a class of its own inside": (lambda: functional(OfItsOwn()), None),
    "a layer of its own": (lambda: sequential(SoftmaxInside(K)), None),
    "a call of its own": (lambda: functional(layers.Dense(K), CallOfItsOwn), None),
    "nothing": (lambda: keras.Sequential(), None),
}


@pytest.mark.parametrize("name", ENDS)
def test_what_a_model_ends_in(name):
    make, expected = ENDS[name]
    assert ends_in(make()) == expected


WRAPPED = "ProvenanceModel"
STARTS = {
    WRAPPED: lambda folder: None,
    "HyperparameterSchedule": lambda folder: HyperparameterSchedule({"q": Linear(0.5, 0.9)}),
    "DALSchedule": lambda folder: DALSchedule(epochs=5),
    "LogitBiasCycle": lambda folder: LogitBiasCycle(),
    "SampleWeightLogger": lambda folder: SampleWeightLogger(folder / "log", probe=(X, Y)),
}


def start(name, end, from_logits, folder):
    """Trains for a step, started by one of those that look."""
    loss = {"DALSchedule": kr.DAL, "LogitBiasCycle": kr.MAEStar}.get(name, kr.GCE)(from_logits=from_logits)
    model, callback = sequential(layers.Dense(K, end)), STARTS[name](folder)
    model = kr.ProvenanceModel(model) if name == WRAPPED else model
    model.compile("sgd", loss)
    model.fit(X, TARGETS if name == WRAPPED else Y, verbose=0, callbacks=[callback] if callback else [])


@pytest.mark.filterwarnings("ignore:.* was told from_logits=True")  # the loss itself, of what the probe shows it
@pytest.mark.parametrize("name", STARTS)
def test_it_is_said_when_training_starts(name, tmp_path):
    with pytest.raises(ValueError, match=r"ends in logits, a linear .*reads probabilities.*from_logits=True"):
        start(name, None, False, tmp_path / "logits")
    with pytest.warns(UserWarning, match=r"ends in probabilities.*its loss reads logits.*from_logits=False"):
        start(name, "softmax", True, tmp_path / "softmax")
    with pytest.warns(UserWarning, match="ends in sigmoid probabilities"):
        start(name, "sigmoid", True, tmp_path / "sigmoid")
    start(name, "softmax", False, tmp_path / "right")
    start(name, None, True, tmp_path / "right too")


def test_the_runner_says_so():
    from keras_robust.training import Method, Task, train

    data = {"x": X, "y": {**TARGETS, "clean": Y}, "batch_size": 4}

    def network(shape, classes, classifier_activation):
        return sequential(layers.Dense(classes, "softmax"))

    task = Task(data, {"validation_data": (X, Y)}, None, N, (4,), K, network)
    method = Method(lambda: kr.CE(from_logits=True), lambda: keras.optimizers.SGD(0.1), lambda epoch: 0.1, epochs=1)
    with pytest.warns(UserWarning, match="ends in probabilities"), pytest.raises(RuntimeError, match="stop"):
        train(task, method, 0, "unused", callbacks=[Stop()])


class Stop(keras.callbacks.Callback):
    def set_model(self, model):
        raise RuntimeError("stop")


def test_losses_inside_dicts_and_lists():
    inputs = keras.Input((4,))
    outputs = {"b": layers.Dense(K, name="last")(inputs), "a": layers.Dense(K, "softmax", name="first")(inputs)}
    model = keras.Model(inputs, outputs)
    right, wrong = {"a": kr.CE(), "b": kr.CE(from_logits=True)}, {"a": kr.CE(), "b": kr.CE()}
    for losses, expected in (
        (right, []),
        (wrong, [("b", "logits")]),
        ({"first": right["a"], "last": wrong["b"]}, [("last", "logits")]),
        ({"b": wrong["b"]}, [("b", "logits")]),
        ({"a": kr.GCE(from_logits=True)}, [("a", "probabilities")]),
    ):
        model.compile("sgd", losses)
        assert contradictions(model) == [(losses[name], end) for name, end in expected]
    pair = keras.Model(inputs, [layers.Dense(K)(inputs), layers.Dense(K, "softmax")(inputs)])
    losses = [kr.CE(), keras.losses.SparseCategoricalCrossentropy(from_logits=True)]
    pair.compile("sgd", losses)
    assert contradictions(pair) == [(losses[0], "logits"), (losses[1], "probabilities")]
    for loss in ("mse", None, [kr.CE(from_logits=True), "mse"]):
        pair.compile("sgd", loss)
        check_last_layer(pair)
