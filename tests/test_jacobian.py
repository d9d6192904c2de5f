"""The penalty on the Jacobian: against finite differences, in the training step, and after a resume."""

import keras
import numpy as np
import pytest
from harness import as_numpy, once
from keras import ops

import keras_robust as kr
from keras_robust.data.preprocessing import parted
from keras_robust.jacobian import JacobianPenalty, jacobian_penalty

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(8, 6, 6, 1)).astype("float32"), RNG.integers(0, 3, 8)


def network():
    """Convolution, batch norm, pooling and dense layers; smooth, so that differences are derivatives."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(4, 3, activation="tanh"),
            layers.BatchNormalization(momentum=0.5),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )


def by_differences(model, x, training):
    """Half the mean of the squared norms, every entry of the Jacobian a central difference, batch and all."""
    step, total = 2e-2, 0.0
    for place in np.ndindex(x.shape):
        moved = []
        for sign in (1, -1):
            near = x.copy()
            near[place] += sign * step
            moved.append(as_numpy(model(ops.convert_to_tensor(near), training=training)).sum(axis=0) if training
                         else as_numpy(model(ops.convert_to_tensor(near), training=False)))  # fmt: skip
        total += np.sum(np.square((moved[0] - moved[1]) / (2 * step)))
    return total / (2 * len(x))


def test_it_is_the_norm_of_finite_differences():
    model, x = network(), X[:2]
    exact = float(as_numpy(jacobian_penalty(model, x)))
    assert exact == pytest.approx(by_differences(model, x, training=False), rel=1e-3)
    one_by_one = [float(as_numpy(jacobian_penalty(model, x[i : i + 1]))) for i in range(2)]
    assert exact == pytest.approx(np.mean(one_by_one), rel=1e-4)
    # Batch norm takes the batch's statistics, and through them an image moves the outputs of the other.
    together = float(as_numpy(jacobian_penalty(model, x, training=True)))
    assert together == pytest.approx(by_differences(model, x, training=True), rel=1e-3)
    assert together != pytest.approx(exact, rel=1e-2)


def test_random_directions_estimate_it():
    model = network()
    exact = float(as_numpy(jacobian_penalty(model, X)))
    drawn = [float(as_numpy(jacobian_penalty(model, X, projections=4, seed=seed))) for seed in range(60)]
    assert np.std(drawn) > 0.01 * exact
    assert np.mean(drawn) == pytest.approx(exact, abs=4 * np.std(drawn) / 60**0.5)
    assert float(as_numpy(jacobian_penalty(model, X, projections=4, seed=0))) == drawn[0]


def linear():
    """A network whose penalty is half the squared norm of its kernel, in the loss and in the gradient."""
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])


def trained(model, penalty, x, y, steps=1, batch_size=8, start=0, **keywords):
    wrapped = kr.ProvenanceModel(model, penalty=penalty)
    wrapped.compile(keras.optimizers.SGD(0.1), loss=kr.CE(from_logits=True), **keywords)
    wrapped.optimizer.build(wrapped.trainable_variables)
    wrapped.optimizer.iterations.assign(start)
    history = wrapped.fit(x, y, batch_size=batch_size, epochs=steps, shuffle=False, verbose=0)
    return wrapped, history.history


def test_a_step_of_training_takes_the_gradient_of_the_penalty():
    x, y = X.reshape(8, 36)[:, :4], Y
    model = linear()
    W, b = (as_numpy(v.value) for v in model.trainable_variables)
    z = x @ W + b
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    g = (p - np.eye(3)[y]) / 8
    _, history = trained(model, JacobianPenalty(0.7, projections=None), x, y)
    expected = -np.mean(np.log(p[np.arange(8), y])) + 0.35 * np.square(W).sum()
    assert history["loss"][0] == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(as_numpy(model.weights[0].value), W - 0.1 * (x.T @ g + 0.7 * W), atol=1e-5)
    np.testing.assert_allclose(as_numpy(model.weights[1].value), b - 0.1 * g.sum(axis=0), atol=1e-5)


def test_the_layers_are_called_once_and_in_training():
    """Batch norm's averages move once a step, to the same values, with the penalty and without; evaluation has none."""
    averages, losses = [], []
    for penalty in (None, JacobianPenalty(1e-12)):
        keras.utils.set_random_seed(1)
        model = network()
        wrapped, _ = trained(model, penalty, X, Y)
        averages.append([as_numpy(v.value) for v in model.non_trainable_variables])
        losses.append(wrapped.evaluate(X, Y, verbose=0))
    assert any(np.any(np.abs(value) > 1e-3) for value in averages[0])
    for one, two in zip(*averages, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_the_norm_falls_where_it_is_penalized():
    norms = []
    for factor in (0.0, 1.0):
        keras.utils.set_random_seed(1)
        model = network()
        trained(model, JacobianPenalty(factor), X, Y, steps=15)
        norms.append(float(as_numpy(jacobian_penalty(model, X))))
    assert norms[1] < 0.5 * norms[0]


def test_a_resumed_run_draws_the_same_directions():
    def weights(parts, seed=3):
        keras.utils.set_random_seed(1)
        model, start = network(), 0
        for steps in parts:
            trained(model, JacobianPenalty(0.5, projections=2, seed=seed), X, Y, steps, batch_size=4, start=start)
            start += 2 * steps
        return [as_numpy(v.value) for v in model.trainable_variables]

    whole, resumed, other = weights([4]), weights([2, 2]), weights([4], seed=4)
    for one, two, three in zip(whole, resumed, other, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
        assert one.size < 4 or np.abs(one - three).max() > 1e-5


def test_files_and_configuration_know_the_penalty_or_nothing_of_it(tmp_path):
    wrapped, _ = trained(network(), JacobianPenalty(0.5, 2, 7), X, Y)
    again = kr.ProvenanceModel.from_config(wrapped.get_config())
    assert again.get_config()["penalty"] == {"factor": 0.5, "projections": 2, "seed": 7}
    assert "penalty" not in kr.ProvenanceModel(network()).get_config()
    wrapped.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    assert type(loaded) is keras.Sequential
    np.testing.assert_allclose(loaded.predict(X, verbose=0), wrapped.predict(X, verbose=0), atol=1e-6)


@once
def test_wrong_arguments():
    with pytest.raises(ValueError, match="`factor` of JacobianPenalty must be at least 0. Received: factor=-1"):
        JacobianPenalty(-1)
    with pytest.raises(
        ValueError, match="`projections` of JacobianPenalty must be a whole number, at least 1, or None"
    ):
        JacobianPenalty(1.0, projections=0)
    with pytest.raises(
        ValueError, match="`penalty` of ProvenanceModel must be a JacobianPenalty or None. Received: pen"
    ):
        kr.ProvenanceModel(network(), penalty=0.5)
    with pytest.raises(ValueError, match="`x` of JacobianPenalty must be one tensor of floating-point images"):
        jacobian_penalty(network(), np.zeros((2, 6, 6, 1), "int32"))
    with pytest.raises(ValueError, match=r"`model` of JacobianPenalty must be one with outputs \(batch, classes\)"):
        jacobian_penalty(keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 3)]), X[:, :4, :4])


def test_behind_preprocessing_the_images_are_those_that_the_network_sees():
    """Raw bytes cannot be differentiated; what is prepared in the step gives the gradient of what came prepared."""
    splits = kr.data.load("mnist", arrays=kr.data.generated("mnist", 8, 8), batch_size=8, pipeline="device")
    raw, labels = splits.train[0]
    weights = []
    for prepared in (True, False):
        keras.utils.set_random_seed(1)
        network = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
        before = keras.Sequential([keras.Input((28, 28, 1), dtype="uint8"), splits.info.preprocessing, network])
        x = as_numpy(splits.info.preprocessing(raw)) if prepared else raw
        trained(network if prepared else before, JacobianPenalty(0.5, projections=None), x.astype(x.dtype), labels)
        weights.append(as_numpy(network.layers[-1].kernel.value))
    np.testing.assert_allclose(*weights, atol=1e-5)


@once
def test_layers_behind_preprocessing_make_one_network_for_all_steps():
    prepared = kr.data.load("mnist", arrays=kr.data.generated("mnist", 8, 8), pipeline="device").info.preprocessing
    model = keras.Sequential([keras.Input((28, 28, 1), dtype="uint8"), prepared, keras.layers.Flatten()])
    front, flat = parted(model)
    assert front is prepared
    assert parted(model)[1] is flat
    model.add(keras.layers.Dense(2))
    assert len(parted(model)[1].layers) == 2
    plain = network()
    assert parted(plain) == parted(plain) == (None, plain)
