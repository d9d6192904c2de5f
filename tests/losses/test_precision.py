"""Training in half precision: every family of losses falls as it does in float32, and no step is skipped for ever.

All families train at once, each with a network of its own: the networks lie side by side in two layers. PyTorch trains
every family; TensorFlow and JAX, which compile them, one of each kind.
"""

import keras
import numpy as np
import pytest
from cases import BATCH_CASES, CASES
from harness import BACKEND

from keras_robust import callbacks, data

WIDTH, EPOCHS = 16, 8
FAMILIES = {case.name: case.make for case in CASES[::-1]} | {kind.__name__: make for kind, make, _ in BATCH_CASES}
if BACKEND != "torch":
    kinds = "GCE ANLCE DAL BiTempered MarginScale PeerLoss".split()
    FAMILIES = {name: FAMILIES[name] for name in kinds}


@pytest.fixture(scope="module")
def runs(request):
    """policy -> losses of the epochs by name, accuracies by name, skipped steps of the epochs.

    Of the families that are asked for, and two more at least: Keras names the losses of several outputs.
    """
    asked = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}
    families = {name: make for place, (name, make) in enumerate(FAMILIES.items()) if place < 2 or name in asked}
    digits = data.load_arrays("digits")
    x, y = digits.x_train[:320].reshape(320, -1).astype("float32"), digits.y_train[:320]
    return {policy: train(policy, x, y, families) for policy in ("float32", "mixed_float16", "mixed_bfloat16")}


def train(policy, x, y, families):
    keras.utils.set_random_seed(0)
    count, uniform = len(families), keras.initializers.RandomUniform(-0.3, 0.3)
    inputs = keras.Input((x.shape[1],))
    hidden = keras.layers.Dense(count * WIDTH, activation="relu", dtype=policy)(inputs)
    hidden = keras.layers.Reshape((count, WIDTH), dtype=policy)(hidden)
    # The logits are of the half type too, which nobody should do and some will.
    logits = keras.layers.EinsumDense("bfh,fhk->bfk", (count, 10), kernel_initializer=uniform, dtype=policy)(hidden)
    assert logits.dtype == policy.removeprefix("mixed_")
    model = keras.Model(inputs, {name: logits[:, place] for place, name in enumerate(families)})
    optimizer = keras.optimizers.Adam(0.01)
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer, loss={name: make(from_logits=True) for name, make in families.items()})
    history = model.fit(
        x, dict.fromkeys(families, y), batch_size=64, epochs=EPOCHS, verbose=0, callbacks=[callbacks.SkippedSteps()]
    ).history
    predicted = model.predict_on_batch(x)
    accuracy = {name: np.mean(np.argmax(z, axis=-1) == y) for name, z in predicted.items()}
    return {name: history[f"{name}_loss"] for name in families}, accuracy, history["skipped_steps"]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("name", FAMILIES)
def test_half_precision_learns_as_float32_does(name, policy, runs):
    (losses, accuracy), (half_losses, half_accuracy) = (
        [part[name] for part in runs[p][:2]] for p in ("float32", policy)
    )
    fall = losses[0] - losses[-1]
    assert fall > 0.05 * abs(losses[0])
    assert half_losses[0] - half_losses[-1] == pytest.approx(fall, rel=0.2)
    assert half_accuracy > accuracy - 0.1


def test_no_step_is_skipped_for_ever(runs):
    assert sum(runs["mixed_float16"][2]) <= 10
    assert runs["mixed_float16"][2][-1] == 0
