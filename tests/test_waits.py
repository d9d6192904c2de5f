"""PyTorch runs ahead of a GPU until a step sends it a number or reads one back: this package's part of a step does not.

Seen without a GPU: what would wait is asked of PyTorch by name, and on its device "meta" tensors have no values at all.
"""

import traceback

import keras
import numpy as np
import pytest
from cases import BATCH_CASES, CASES, OTHER_CASES
from harness import BACKEND, once
from keras import ops
from keras.src.backend.common import global_state

import keras_robust as kr
from keras_robust import data
from keras_robust.callbacks.recorder import Recorder
from keras_robust.catalog import ImageRecipe
from keras_robust.class_weights import ClassWeights

pytestmark = once
if BACKEND == "torch":
    import torch
    from torch.overrides import TorchFunctionMode

    class Waits(TorchFunctionMode):
        """Notes each call that makes a tensor of numbers from the host, or numbers of a tensor."""

        SENT = (torch.tensor, torch.as_tensor, torch.from_numpy)
        READ = tuple(
            getattr(torch.Tensor, name) for name in ("item", "tolist", "cpu", "numpy", "__bool__", "__float__")
        )

        def __init__(self):
            super().__init__()
            self.places = []

        def __torch_function__(self, function, types, args=(), kwargs=None):
            sends = function in self.SENT and not isinstance(args[0], torch.Tensor)
            if sends or function in self.READ:
                frames = [frame for frame in traceback.extract_stack() if "/keras_robust/" in frame.filename]
                self.places.append(f"{function.__name__} in {frames[-1].name}: {frames[-1].line}" if frames else "?")
            return function(*args, **kwargs or {})


BATCH, K = 6, 3
RNG = np.random.default_rng(0)
IDS = np.arange(BATCH) % K
SOFT = RNG.dirichlet(np.ones(K), BATCH).astype("float32")
LOSSES = {case.id: case.make for case in CASES}
ONLY_LOGITS = {case.id for case in CASES if case.from_logits_only}
LOSSES |= {kind.__name__: make for kind, make, *_ in [*OTHER_CASES, *BATCH_CASES]}
LOSSES["CR(prior)"] = lambda **keywords: kr.CR(0.5, prior=(0.2, 0.3, 0.5), **keywords)
LOSSES["Binary(weights)"] = lambda **keywords: kr.Binary(
    kr.GCE(), weights=(1.0, 2.0, 3.0), positive_weight=(2.0, 1.0, 1.0), **keywords
)
LOSSES["ignore_class"] = lambda **keywords: kr.ANLCE(ignore_class=2, **keywords)


@pytest.fixture
def without_values():
    """New tensors have no values, and whoever asks for one gets an error."""
    before = global_state.get_global_attribute("torch_device")
    global_state.set_global_attribute("torch_device", torch.device("meta"))  # Keras takes no name: it would copy
    yield torch.device("meta")
    global_state.set_global_attribute("torch_device", before)


@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("soft", [False, True], ids=["ids", "soft"])
def test_losses_wait_for_nothing(from_logits, soft, without_values):
    found = {}
    for name, make in LOSSES.items():
        loss = make(from_logits=from_logits or name in ONLY_LOGITS)
        answers = SOFT if soft else (SOFT > 0.3).astype("int32")
        labels = answers if soft or loss.asks_questions else IDS
        labels, weights = (torch.tensor(one, device=without_values) for one in (labels, np.ones(BATCH, "float32")))
        predictions = torch.zeros((BATCH, K), device=without_values, requires_grad=True)
        for _ in range(2):  # what the first step sends may be kept
            with Waits() as waits:
                loss(labels, predictions, weights).backward()
        assert predictions.grad.shape == (BATCH, K)
        if waits.places:
            found[name] = waits.places
    assert found == {}


def noted(function, rounds=2):
    """What the last of a few rounds makes PyTorch wait for, on the CPU, where values are at hand."""
    for _ in range(rounds):
        with Waits() as waits:
            function()
    return waits.places


@pytest.mark.parametrize("with_clean", [True, False])
def test_a_record_waits_for_nothing(with_clean, monkeypatch):
    monkeypatch.setattr("keras_robust.backend.is_concrete", lambda x: False)  # as on an accelerator
    recorder = Recorder(kr.ANLCE(5.0, 5.0, from_logits=True), 10)
    label, index = ops.convert_to_tensor(IDS), ops.arange(BATCH)
    logits = ops.convert_to_tensor(RNG.normal(size=(BATCH, K)).astype("float32"))
    provenance = kr.provenance.Provenance(label, index, label if with_clean else None)
    assert noted(lambda: recorder.write(provenance, logits)) == []
    assert recorder.records()["step"].max() == 1


@pytest.mark.parametrize(
    "metric",
    [
        kr.metrics.MemorizedShare(),
        kr.metrics.CorrectedShare(),
        kr.metrics.MeanMargin(from_logits=True),
        kr.metrics.MeanImplicitWeight(kr.ANLCE(from_logits=True)),
    ],
    ids=lambda metric: metric.name,
)
def test_a_metric_waits_for_nothing(metric, monkeypatch):
    monkeypatch.setattr("keras_robust.backend.is_concrete", lambda x: False)
    label, clean = ops.convert_to_tensor(IDS), ops.convert_to_tensor(np.roll(IDS, 1))
    logits, weight = ops.convert_to_tensor(RNG.normal(size=(BATCH, K)).astype("float32")), ops.ones(BATCH)
    assert noted(lambda: metric.update_state({"label": label, "clean": clean}, logits, weight)) == []
    assert np.isfinite(float(metric.result()))


@pytest.mark.parametrize("nesterov", [False, True])
def test_a_step_of_the_optimizer_waits_for_nothing(nesterov):
    optimizer = kr.optimizers.CoupledSGD(0.1, 0.9, nesterov, weight_decay=1e-3, global_clipnorm=0.1)
    weights = [keras.Variable(np.ones(shape, "float32")) for shape in ((3, 2), (2,))]
    gradients = [ops.ones(weight.shape) for weight in weights]
    optimizer.build(weights)
    rate = ops.convert_to_tensor(0.1)
    assert noted(lambda: optimizer._backend_update_step(optimizer._clip_gradients(gradients), weights, rate)) == []
    assert float(weights[0].numpy()[0, 0]) < 1.0


def test_preparing_images_waits_for_nothing():
    settings = {"shift": 2, "flip": True, "rotation": 20.0, "jitter": (0.1, 0.1, 0.1, 0.1)}
    layer = data.Preprocessing(ImageRecipe("own", (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), "here", **settings))
    images = ops.convert_to_tensor(RNG.integers(0, 256, (4, 8, 8, 3)).astype("uint8"))
    assert noted(lambda: layer(images, training=True)) == []


def test_weights_of_classes_wait_for_nothing(monkeypatch):
    monkeypatch.setattr("keras_robust.backend.is_concrete", lambda x: False)
    weights, (logits, label) = ClassWeights({0: 2.0, 2: 0.5}), (ops.zeros((BATCH, K)), ops.convert_to_tensor(IDS))
    assert noted(lambda: weights.times(None, label, logits)) == []
    assert ops.convert_to_numpy(weights.times(ops.ones((BATCH, 1)), label, logits)).tolist() == [2, 1, 0.5] * 2
