"""Metrics of clean and wrong labels."""

import json

import keras
import numpy as np
import pytest
from harness import as_numpy
from keras import ops

import keras_robust as kr

LABEL, CLEAN = np.array([0, 1, 2, 1, 0, 2]), np.array([0, 1, 0, 2, 1, -1])
LOGITS = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
LOGITS[2, 2], LOGITS[3, 2] = 4.0, 4.0  # sample 2 is memorized, sample 3 corrected
WRONG, RIGHT = np.array([2, 3, 4]), np.array([0, 1])
STATISTICS = kr.GCE(from_logits=True).sample_statistics(LABEL, ops.convert_to_tensor(LOGITS))
PREDICTED = LOGITS.argmax(axis=-1)

# Every public metric, and what it must say.
CASES = {
    "memorized_share": (kr.metrics.MemorizedShare(), (PREDICTED == LABEL)[WRONG].mean()),
    "corrected_share": (kr.metrics.CorrectedShare(), (PREDICTED == CLEAN)[WRONG].mean()),
    "margin_clean": (kr.metrics.MeanMargin("clean", from_logits=True), as_numpy(STATISTICS.margin)[RIGHT].mean()),
    "margin_wrong": (kr.metrics.MeanMargin("wrong", from_logits=True), as_numpy(STATISTICS.margin)[WRONG].mean()),
    "weight_clean": (
        kr.metrics.MeanImplicitWeight(kr.GCE(from_logits=True), "clean"),
        as_numpy(STATISTICS.weight)[RIGHT].mean(),
    ),
    "weight_wrong": (
        kr.metrics.MeanImplicitWeight(kr.GCE(from_logits=True)),
        as_numpy(STATISTICS.weight)[WRONG].mean(),
    ),
}


def test_every_public_metric_has_a_case():
    kinds = {
        name
        for name, kind in vars(kr.metrics).items()
        if isinstance(kind, type) and kind.__module__ == kr.metrics.__name__
    }
    assert {type(metric).__name__ for metric, _ in CASES.values()} == kinds - {"ProvenanceMetric", "_MeanStatistic"}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("form", ["ids", "columns", "one_hot"])
def test_values(name, form):
    metric, expected = CASES[name]
    targets = {"label": LABEL, "clean": CLEAN}
    if form == "columns":
        targets = {key: ids[:, None] for key, ids in targets.items()}
    elif form == "one_hot":
        targets["label"] = np.eye(3, dtype="float32")[LABEL]
    assert metric.name == name
    metric.reset_state()
    assert np.isnan(as_numpy(metric.result()))
    for part in (slice(0, 4), slice(4, 6)):
        metric.update_state({key: ids[part] for key, ids in targets.items()}, ops.convert_to_tensor(LOGITS[part]))
    assert as_numpy(metric.result()) == pytest.approx(expected, rel=1e-5)
    metric.reset_state()
    keep = np.array([1, 1, 1, 0, 0, 1])
    metric.update_state(targets, ops.convert_to_tensor(LOGITS), sample_weight=keep)
    if "clean" not in name:
        assert as_numpy(metric.result()) == pytest.approx(
            as_numpy(metric.values(LABEL, CLEAN, ops.convert_to_tensor(LOGITS)))[2], rel=1e-5
        )


@pytest.mark.parametrize("name", CASES)
def test_configuration(name):
    metric, _ = CASES[name]
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(metric)))
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(metric)
    assert again.get_config() == metric.get_config()


def test_wrong_use():
    metric = kr.metrics.MemorizedShare()
    for targets in (LABEL, {"label": LABEL}, {"label": LABEL, "clean": None}):
        with pytest.raises(ValueError, match="MemorizedShare needs targets that tell clean labels.*ProvenanceModel"):
            metric.update_state(targets, LOGITS)
    with pytest.raises(ValueError, match="`of` of MeanMargin must be one of 'clean', 'wrong'. Received: of='noisy'"):
        kr.metrics.MeanMargin("noisy")
    for loss in ("GCE", kr.ANLCEER(1, 1, 1)):
        with pytest.raises(ValueError, match="`loss` of MeanImplicitWeight must be a loss of keras_robust that has"):
            kr.metrics.MeanImplicitWeight(loss)
