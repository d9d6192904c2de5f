"""Training on images that are prepared in the step: compiled once, in half precision, whole with PyTorch."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_robust as kr
from keras_robust import callbacks, data
from keras_robust.callbacks.recorder import Recorder
from keras_robust.catalog import ImageRecipe

K, SIDE, N = 3, 6, 12
LABELS = np.arange(N) % K
# A class is a brightness, so that there is something to learn.
IMAGES = (np.random.default_rng(0).integers(0, 60, (N, SIDE, SIDE, 3)) + 90 * LABELS[:, None, None, None]).astype(
    "uint8"
)
RECIPE = ImageRecipe("own", (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), "here", shift=1, flip=True)


def trained(further, epochs, policy=None):
    """The model and the history of a run on augmented images."""
    keras.utils.set_random_seed(0)
    prepared = data.Preprocessing(RECIPE)
    network = keras.Sequential(
        [
            keras.layers.Conv2D(4, 3, activation="relu", dtype=policy),
            keras.layers.Flatten(),
            keras.layers.Dense(K, dtype="float32"),
        ]
    )
    model = kr.ProvenanceModel(keras.Sequential([keras.Input((SIDE, SIDE, 3), dtype="uint8"), prepared, network]))
    model.compile(keras.optimizers.SGD(0.02), kr.ANLCE(alpha=2.0, from_logits=True))
    feed = data.Feed(IMAGES, {"label": LABELS, "index": np.arange(N)}, 4, seed=0, preprocessing=prepared)
    return model, model.fit(feed, epochs=epochs, verbose=0, callbacks=further).history


def logged(folder):
    return callbacks.SampleWeightLogger(folder, num_samples=N)


@pytest.mark.only("jax")  # it tells what it compiles
def test_the_step_is_compiled_once(tmp_path):
    """Whatever moves by epoch: the order, the augmentation, the loss, the record."""
    import jax

    traced, after, tracing = [], [], "/jax/core/compile/jaxpr_trace_duration"
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, seconds, **_: traced.append(name) if name == tracing else None
    )
    noted = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: after.append(len(traced)))
    moving = callbacks.HyperparameterSchedule({"alpha": kr.schedules.Linear(2.0, 1.0)})
    _, history = trained([moving, logged(tmp_path), noted], 4)
    assert len(set(history["alpha"])) == 4
    assert after[0] > 0
    assert after[1:] == after[1:2] * 3


def test_half_precision_learns_and_what_is_not_of_the_network_stays_float32(tmp_path):
    logger = logged(tmp_path)
    model, history = trained([logger], 10, "mixed_bfloat16")
    prepared, network = model.model.layers
    assert network.layers[0].compute_dtype == "bfloat16"
    assert history["loss"][-1] < 0.9 * history["loss"][0]
    made = prepared(IMAGES, training=True)
    assert keras.backend.standardize_dtype(made.dtype) == "float32"
    [recorder] = model.recorders
    assert recorder.floats.dtype == "float32"
    margins = logger.log().array("margin")
    assert margins[-1].mean() > margins[0].mean()
    rounded = ops.convert_to_numpy(ops.cast(ops.cast(margins, "bfloat16"), "float32"))
    assert not np.array_equal(margins, np.asarray(rounded))  # the record has the digits of float32


@pytest.mark.only("torch")  # torch.compile
@pytest.mark.parametrize(("loss", "whole"), [(kr.GCE, True), (kr.ANLCE, False)])
def test_a_loss_and_its_record_are_compiled(loss, whole):
    """What "aot_eager" compiles "eager" does; with the default, a `fit` takes minutes to compile.

    The weight of a loss that is no function of the margin is a gradient, which PyTorch does not compile by itself: the
    step comes in parts then.
    """
    import torch
    import torch._dynamo

    torch._dynamo.reset()
    loss = loss(from_logits=True)
    plain, compiled = Recorder(loss, N), Recorder(loss, N)
    z = torch.randn(N, K, generator=torch.Generator().manual_seed(0), requires_grad=True)
    targets = kr.provenance.Provenance(torch.tensor(LABELS), torch.arange(N), torch.tensor(LABELS))

    def step(z):
        compiled.write(targets, z)
        return loss(targets.label, z)

    step = torch.compile(step, fullgraph=whole, backend="aot_eager")
    for count in range(2):
        value = step(z)
        plain.write(targets, z)
        torch.testing.assert_close(value, loss(targets.label, z))
        assert compiled.records()["step"].tolist() == [count] * N
        for field in ("margin", "weight", "loss", "label", "predicted"):
            np.testing.assert_allclose(compiled.records()[field], plain.records()[field], rtol=1e-5, atol=1e-6)
