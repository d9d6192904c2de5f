"""Training in half precision: every family of losses falls as it does in float32, and no step is skipped for ever.

All families train at once, each with a network of its own, side by side in one model: one compilation a policy.
"""

import keras
import numpy as np
import pytest
from cases import BATCH_CASES, CASES

from keras_robust import callbacks, data

EPOCHS = 10
FAMILIES = {case.name: case.make for case in CASES[::-1]} | {kind.__name__: make for kind, make, _ in BATCH_CASES}
# Alone they need no label, or punish certainty: nothing follows for the accuracy.
WITHOUT_LABELS = {"Bootstrap"}


@pytest.fixture(scope="module")
def digits():
    arrays = data.load_arrays("digits")
    return arrays.x_train[:512].reshape(512, -1).astype("float32"), arrays.y_train[:512]


@pytest.fixture(scope="module")
def history(digits):
    """policy -> what was logged; the logits leave the network in the dtype of the policy."""
    return {policy: train(policy, *digits) for policy in ("float32", "mixed_float16", "mixed_bfloat16")}


def train(policy, x, y):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((64,))
    outputs = {}
    for name in FAMILIES:
        hidden = keras.layers.Dense(16, activation="relu", dtype=policy)(inputs)
        outputs[name] = keras.layers.Dense(10, dtype=policy, name=name)(hidden)
    model = keras.Model(inputs, outputs)
    optimizer = keras.optimizers.Adam(0.01)
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    losses = {name: make(from_logits=True) for name, make in FAMILIES.items()}
    metrics = {name: [keras.metrics.SparseCategoricalAccuracy(name="accuracy")] for name in FAMILIES}
    model.compile(optimizer, loss=losses, metrics=metrics)
    targets = dict.fromkeys(FAMILIES, y)
    skipped = callbacks.SkippedSteps()
    return model.fit(x, targets, batch_size=64, epochs=EPOCHS, verbose=0, callbacks=[skipped]).history


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("name", FAMILIES)
def test_half_precision_learns_as_float32_does(name, policy, history):
    half, single = (history[which][f"{name}_loss"] for which in (policy, "float32"))
    fall = single[0] - single[-1]
    assert fall > 0.05 * abs(single[0])
    assert half[0] - half[-1] == pytest.approx(fall, rel=0.15)
    if name not in WITHOUT_LABELS:
        half, single = (history[which][f"{name}_accuracy"][-1] for which in (policy, "float32"))
        assert single > 0.5
        assert half == pytest.approx(single, abs=0.04)


def test_steps_are_skipped_only_while_the_scale_is_found(history):
    skipped = history["mixed_float16"]["skipped_steps"]
    assert sum(skipped[:1]) <= 10
    assert sum(skipped[1:]) <= 2
