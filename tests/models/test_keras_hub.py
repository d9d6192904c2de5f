"""KerasHub's backbones and tasks, small and with random weights: what is asked for most is text."""

import keras
import numpy as np
import pytest
from harness import as_numpy

import keras_robust as kr
from keras_robust.models import from_backbone

pytestmark = pytest.mark.only("tensorflow")
SMALL = {"vocabulary_size": 30, "num_layers": 1, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16}


@pytest.fixture(scope="module")
def hub():
    return pytest.importorskip("keras_hub", reason="needs keras-hub, of tests/requirements-alone.txt")


@pytest.fixture
def tokens():
    ids = np.random.default_rng(0).integers(1, 30, size=(16, 6)).astype("int32")
    ids[:8, 0], ids[8:, 0] = 1, 2  # the first token is the class
    mask = np.ones_like(ids)
    return {"token_ids": ids, "segment_ids": np.zeros_like(ids), "padding_mask": mask}, np.repeat([0, 1], 8)


def test_a_classifier_on_a_bert_backbone(hub, tokens):
    x, y = tokens
    model = from_backbone(hub.models.BertBackbone(max_sequence_length=6, **SMALL), 2, classifier_activation=None)
    model.compile(keras.optimizers.Adam(0.01), loss=kr.GCE(from_logits=True), metrics=["accuracy"])
    losses = model.fit(x, y, epochs=15, verbose=0, shuffle=False).history["loss"]
    assert losses[-1] < 0.5 * losses[0]
    assert model.predict(x, verbose=0).shape == (16, 2)


def test_a_text_classifier_logs_its_samples(hub, tokens):
    x, y = tokens
    backbone = hub.models.BertBackbone(max_sequence_length=6, **SMALL)
    task = hub.models.BertTextClassifier(backbone, num_classes=2, preprocessor=None)
    model = kr.ProvenanceModel(task)
    model.compile(keras.optimizers.Adam(0.01), loss=kr.GCE(from_logits=True))
    targets = {"label": y, "index": np.arange(16), "clean": y}
    losses = model.fit(x, targets, epochs=15, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]


def test_a_language_model_learns_tokens_that_count(hub, tokens):
    x, _ = tokens
    backbone = hub.models.GPT2Backbone(max_sequence_length=6, **SMALL)
    model = hub.models.GPT2CausalLM(backbone, preprocessor=None)
    inputs = {name: x[name] for name in ("token_ids", "padding_mask")}
    following = np.roll(x["token_ids"], -1, axis=1)
    counted = np.ones(following.shape, "float32")
    counted[:, -1] = 0.0  # nothing follows the last token
    loss = kr.GCE(q=0.3, from_logits=True)
    model.compile(keras.optimizers.Adam(0.05), loss=loss, sampler="greedy")
    model.fit(inputs, following, sample_weight=counted, epochs=40, verbose=0, shuffle=False)
    logits = model.predict(inputs, verbose=0)
    assert logits.shape == (16, 6, 30)
    before_last = as_numpy(loss(following[:, :-1], logits[:, :-1]))
    uniform = (1.0 - 30.0**-0.3) / 0.3
    assert before_last < 0.5 * uniform
