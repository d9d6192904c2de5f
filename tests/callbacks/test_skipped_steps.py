"""A run in float16 that stands still is reported, one that is looking for its scale is not."""

import keras
import numpy as np
import pytest
from harness import BACKEND, as_numpy

import keras_robust as kr
from keras_robust.callbacks import SkippedSteps

MODES = [{}] if BACKEND == "torch" else [{}, {"steps_per_execution": 3}]
X = np.random.default_rng(0).normal(size=(40, 5)).astype("float32")
Y = np.arange(40) % 4


def model_of(overflow=1.0, scale=2.0**15, policy="mixed_float16", **compiling):
    """A network with a factor in float16; above 65,504 it is infinite."""
    layers = [keras.layers.Dense(4), keras.layers.Rescaling(overflow)]
    model = keras.Sequential([keras.Input((5,)), *layers])
    optimizer = keras.optimizers.SGD(0.1)
    if policy == "mixed_float16":
        for layer in layers:
            layer.dtype_policy = policy
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=scale)
    model.compile(optimizer, loss=kr.GCE(from_logits=True), **compiling)
    return model


def fit(model, callback, x=X, **keywords):
    return model.fit(x, Y, **{"batch_size": 8, "verbose": 0, "callbacks": [callback], "shuffle": False} | keywords)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_a_run_that_stands_still_is_reported_once(mode):
    model = model_of(np.inf, **mode)
    before = [as_numpy(v.value) for v in model.trainable_variables]
    with pytest.warns(
        UserWarning, match=r"5 of the 5 steps of epoch 4 were skipped.* loss scale has fallen to 0.03125"
    ):
        history = fit(model, SkippedSteps(), epochs=5).history
    assert history["skipped_steps"] == [5] * 5
    assert history["loss_scale"] == [2.0 ** (15 - 5 * epoch) for epoch in range(1, 6)]
    for variable, value in zip(model.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(as_numpy(variable.value), value)


def test_it_stops_where_asked():
    with pytest.warns(UserWarning, match="epoch 4"):
        history = fit(model_of(np.inf), SkippedSteps(stop=True), epochs=9).history
    assert len(history["skipped_steps"]) == 4


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_one_sample_that_is_no_number_is_reported_in_the_end(mode):
    x = X.copy()
    x[17, 2] = np.nan
    with pytest.warns(UserWarning, match="1 of the 5 steps of epoch 3 were skipped"):
        history = fit(model_of(scale=4.0, **mode), SkippedSteps(), x=x, epochs=3).history
    assert history["skipped_steps"] == [1, 1, 1]


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_a_scale_that_is_being_found_is_not_reported(mode):
    """Gradients of 2^-7 or more times 2^40 overflow; from 2^15 or so on all steps are done."""
    history = fit(model_of(scale=2.0**40, **mode), SkippedSteps(stop=True), epochs=8).history
    assert 15 < sum(history["skipped_steps"]) < 35
    assert history["skipped_steps"][-1] == 0
    assert history["loss_scale"][-1] == 2.0 ** (40 - sum(history["skipped_steps"]))
    assert history["loss"][-1] < history["loss"][0]


@pytest.mark.parametrize("policy", ["mixed_float16", "float32"])
def test_a_healthy_run_is_not_reported(policy):
    model = model_of(policy=policy, scale=2.0)
    history = fit(model, SkippedSteps(stop=True), epochs=2).history
    assert history["skipped_steps"] == [0, 0]
    assert history["loss_scale"] == [2.0 if policy == "mixed_float16" else 1.0] * 2
    assert fit(model, SkippedSteps(), initial_epoch=2, epochs=3).history["skipped_steps"] == [0]


@pytest.mark.only("tensorflow", "jax")  # Keras refuses steps_per_execution on PyTorch
@pytest.mark.parametrize(("factor", "skipped"), [(1.0, 0), (np.inf, 4)])
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_data_of_unknown_length(factor, skipped):
    """Five steps, three at a time: of the last two, one is known to have been seen."""
    batches = ((X[start : start + 8], Y[start : start + 8]) for start in range(0, 40, 8))
    model = model_of(factor, steps_per_execution=3)
    history = model.fit(batches, shuffle=False, verbose=0, callbacks=[SkippedSteps()]).history
    assert history["skipped_steps"] == [skipped]
