"""A loss that was NaN in a compiled step is explained at the end of its epoch."""

import keras
import numpy as np
import pytest
from harness import BACKEND

import keras_robust as kr
from keras_robust.callbacks import ExplainNaN, SampleWeightLogger

N, K = 40, 4
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 5)).astype("float32")
Y = RNG.integers(0, K, N)
WRONG = np.where(np.isin(np.arange(N), [7, 23]), K, Y)
COMPILED = pytest.mark.only("tensorflow", "jax")  # PyTorch runs steps as they are: there the loss itself refuses
FIT = {"batch_size": 8, "verbose": 0}


def network(units=K):
    return keras.Sequential([keras.Input((5,)), keras.layers.Dense(units)])


def compiled(model, loss=None, rate=0.1):
    model.compile(keras.optimizers.SGD(rate), loss or kr.GCE(from_logits=True))
    return model


def datasets():
    import tensorflow as tf

    numbers = np.arange(N)[::-1] + 100
    targets = {"label": WRONG[::-1].copy(), "index": numbers}
    yield "arrays", (X, targets), "107, 123|123, 107"
    yield "tf.data", (tf.data.Dataset.from_tensor_slices((X, WRONG)).batch(8),), "7, 23"
    yield "feed", (kr.data.with_provenance((X, WRONG), batch_size=8, pipeline="device"),), "7, 23|23, 7"


@COMPILED
def test_labels_out_of_range_are_named_by_number():
    for name, data, numbers in datasets():
        words = rf"epoch 1 was NaN: 2 samples have labels that make no sense, numbers ({numbers})\. Class ids .*\[4\]"
        with pytest.raises(ValueError, match=words):
            compiled(kr.ProvenanceModel(network())).fit(*data, **(FIT if name == "arrays" else {"verbose": 0}))


@COMPILED
def test_other_labels_and_a_plain_fit():
    hot = np.eye(K)[Y]
    hot[3, 1] = -1.0
    y = {"a": Y, "b": np.where(np.arange(N) == 5, 2, Y % 2)}
    inputs = keras.Input((5,))
    heads = {"a": keras.layers.Dense(K)(inputs), "b": keras.layers.Dense(1)(inputs)}
    losses = {"a": kr.CE(from_logits=True), "b": kr.Binary(kr.CE(), from_logits=True)}
    for model, labels, words in (
        (compiled(network()), hot, "1 samples have labels that make no sense, numbers 3. One-hot and soft labels"),
        (compiled(keras.Model(inputs, heads), losses), y, "numbers 5. Answers to yes/no outputs must lie in"),
    ):
        with pytest.raises(ValueError, match=words):
            model.fit(X, labels, callbacks=[ExplainNaN(X, labels)], **FIT)


def test_inputs_and_weights_that_are_no_numbers():
    x = X.copy()
    x[[2, 31], 3] = np.nan, np.inf
    with pytest.raises(ValueError, match="2 samples have inputs with NaN or infinity, numbers 2, 31"):
        # Weight 0 takes a label out, and so out of the causes.
        compiled(kr.ProvenanceModel(network())).fit(x, WRONG, sample_weight=(WRONG != K).astype("float32"), **FIT)
    weight = np.where(np.arange(N) == 9, np.nan, 1.0)
    model = compiled(kr.ProvenanceModel(network()))
    callbacks = keras.callbacks.CallbackList([], model=model, epochs=1)
    with pytest.raises(ValueError, match="1 samples have sample weights of NaN or infinity, numbers 9"):
        model.fit(X, Y, sample_weight=weight, callbacks=callbacks, **FIT)


class Diverges(keras.layers.Layer):
    """NaN at one sample, the last of the first batch."""

    def call(self, x):
        return keras.ops.where(x > 50.0, x * float("nan"), x)


def test_data_in_order_are_a_warning_that_knows_what_the_recorder_saw(tmp_path):
    x = X.copy()
    x[7, 0] = 100.0
    model = compiled(kr.ProvenanceModel(keras.Sequential([keras.Input((5,)), Diverges(), keras.layers.Dense(K)])))
    logger = SampleWeightLogger(tmp_path, num_samples=N)
    targets = {"label": Y, "index": np.arange(N)}
    with pytest.warns(UserWarning, match=r"came first at step 0, of samples 7\. .*are in order, so training diverged"):
        model.fit(x, targets, shuffle=False, epochs=2, callbacks=[logger], **FIT)

    batches = ((x[start : start + 8], Y[start : start + 8]) for start in range(0, N, 8))
    with pytest.warns(UserWarning, match="The data cannot be gone through again; call the loss on a batch"):
        compiled(model).fit(batches, steps_per_epoch=5, shuffle=False, verbose=0)


def test_a_finite_loss_says_nothing_and_a_last_layer_that_nobody_sees_is_named():
    compiled(kr.ProvenanceModel(network())).fit(X, Y, **FIT)

    class Hidden(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(K)

        def call(self, x):
            return self.dense(x)

    if BACKEND != "torch":
        with pytest.warns(UserWarning, match=r"GCE\(from_logits=False\) reads probabilities: if the model ends in log"):
            compiled(kr.ProvenanceModel(Hidden()), kr.GCE()).fit(X, Y, **FIT)
