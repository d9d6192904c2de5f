"""Penalties on all trainable variables: values, gradients, PyTorch's weight decay."""

import keras
import numpy as np
import pytest
from harness import as_numpy

import keras_robust as kr


def model_of(units=3):
    return keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8), keras.layers.BatchNormalization(), keras.layers.Dense(units)]
    )


def test_the_penalty_runs_over_all_trainable_variables():
    model = kr.regularize(model_of(), l1=0.25, l2=0.5)
    values = np.concatenate([as_numpy(v.value).ravel() for v in model.trainable_variables])
    expected = 0.25 * np.abs(values).sum() + 0.25 * np.square(values).sum()
    assert float(as_numpy(sum(model.losses))) == pytest.approx(expected, rel=1e-5)
    assert len(model.losses) == len(model.trainable_variables) == 6


def test_it_enters_training_and_can_be_taken_away():
    x, y = np.ones((8, 4), "float32"), np.arange(8) % 3
    model = model_of()
    losses = []
    for l1 in (0.0, 0.5, 0.0):
        kr.regularize(model, l1=l1)
        model.compile(keras.optimizers.SGD(0.0), loss=kr.ANLCE(from_logits=True))
        losses.append(model.evaluate(x, y, verbose=0))
    penalty = 0.5 * sum(np.abs(as_numpy(v.value)).sum() for v in model.trainable_variables)
    assert losses[1] - losses[0] == pytest.approx(penalty, rel=1e-4)
    assert losses[2] == losses[0]


def test_l2_is_pytorchs_coupled_weight_decay():
    """Ten steps of SGD with momentum: the decay goes through the velocity, as torch.optim.SGD has it."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 4)).astype("float32"), rng.integers(0, 3, 16)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    W, b = (as_numpy(v.value) for v in model.trainable_variables)
    kr.regularize(model, l2=0.1)
    model.compile(keras.optimizers.SGD(0.2, momentum=0.9), loss=kr.CE(from_logits=True))
    model.fit(x, y, batch_size=16, epochs=10, shuffle=False, verbose=0)

    velocity = [np.zeros_like(W), np.zeros_like(b)]
    for _ in range(10):
        z = x @ W + b
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        g = (p - np.eye(3)[y]) / 16
        for i, (theta, slope) in enumerate(((W, x.T @ g), (b, g.sum(axis=0)))):
            velocity[i] = 0.9 * velocity[i] + slope + 0.1 * theta
        W, b = W - 0.2 * velocity[0], b - 0.2 * velocity[1]
    for variable, expected in zip(model.trainable_variables, (W, b), strict=True):
        np.testing.assert_allclose(as_numpy(variable.value), expected, atol=1e-5)


def test_it_is_not_saved_and_is_offered_again(tmp_path):
    model = kr.regularize(model_of(), l1=0.5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert not loaded.losses
    assert float(as_numpy(sum(kr.regularize(loaded, l1=0.5).losses))) == pytest.approx(
        float(as_numpy(sum(model.losses)))
    )


def test_wrong_arguments():
    with pytest.raises(ValueError, match="`l1` of WeightPenalty must be at least 0. Received: l1=-1"):
        kr.regularize(model_of(), l1=-1)
    with pytest.raises(ValueError, match="`model` of regularize must be a built model"):
        kr.regularize(keras.Sequential([keras.layers.Dense(2)]), l1=1.0)


def test_configuration():
    penalty = kr.regularization.WeightPenalty(0.1, 0.2)
    again = keras.regularizers.deserialize(keras.regularizers.serialize(penalty))
    assert again.get_config() == {"l1": 0.1, "l2": 0.2}
