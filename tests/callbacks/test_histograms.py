"""Histograms of margins and weights for TensorBoard, read back."""

import sys
import types

import keras
import numpy as np
import pytest
from harness import BACKEND, once

import keras_robust as kr
from keras_robust.callbacks import SampleWeightLogger
from keras_robust.callbacks.histograms import FIELDS, Histograms
from keras_robust.weight_log import RECORD

if BACKEND != "tensorflow":
    # TensorBoard reads by its own means then, so that no other backend waits for TensorFlow.
    sys.modules.setdefault("tensorboard.compat.notf", types.ModuleType("notf"))
# What TensorBoard itself reads with.
accumulator = pytest.importorskip("tensorboard.backend.event_processing.plugin_event_accumulator")
N, K = 24, 3
X = np.random.default_rng(0).normal(size=(N, 4)).astype("float32")
LABEL = np.arange(N) % K
TARGETS = {"label": LABEL, "index": np.arange(N), "clean": np.where(np.arange(N) % 4, LABEL, (LABEL + 1) % K)}


def read(folder):
    """Tag -> epoch -> buckets (30, 3) of a run of histograms, or the number of a scalar."""
    found = accumulator.EventAccumulator(str(folder), {accumulator.TENSORS: 0})
    found.Reload()
    tags = found.Tags()["tensors"]
    return {tag: {one.step: _array(one.tensor_proto) for one in found.Tensors(tag)} for tag in tags}


def _array(proto):
    shape = [size.size for size in proto.tensor_shape.dim]
    return np.frombuffer(proto.tensor_content, "<f8").reshape(shape) if shape else proto.float_val


def model_of():
    keras.utils.set_random_seed(0)
    model = kr.ProvenanceModel(keras.Sequential([keras.Input((4,)), keras.layers.Dense(K)]))
    model.compile(keras.optimizers.SGD(0.1), loss=kr.GCE(from_logits=True))
    return model


def assert_as_logged(read, log, epochs):
    assert read.keys() == {f"{field}/{name}" for field in FIELDS for name in ("clean", "wrong")}
    for epoch in epochs:
        for name, members in (("clean", ~log.wrong), ("wrong", log.wrong)):
            for field in FIELDS:
                values, buckets = log.epoch(epoch)[field][members], read[f"{field}/{name}"][epoch]
                assert buckets[:, 2].sum() == members.sum()
                assert (buckets[0, 0], buckets[-1, 1]) == pytest.approx((values.min(), values.max()))
                width = buckets[0, 1] - buckets[0, 0]
                total = (buckets[:, 2] * buckets[:, :2].mean(axis=1)).sum()
                assert total == pytest.approx(values.sum(dtype="float64"), abs=len(values) * width / 2 + 1e-6)


@pytest.mark.only("jax", "torch")
def test_a_folder_is_given_and_a_run_goes_on(tmp_path):
    model = model_of()
    logger = SampleWeightLogger(tmp_path / "log", num_samples=N, tensorboard=tmp_path / "board")
    model.fit(X, TARGETS, epochs=3, callbacks=[logger], verbose=0)
    assert_as_logged(read(tmp_path / "board" / "samples"), logger.log(), [0, 1, 2])
    again = SampleWeightLogger(tmp_path / "log", num_samples=N, tensorboard=str(tmp_path / "board"))
    model.fit(X, TARGETS, initial_epoch=1, epochs=2, callbacks=[again], verbose=0)
    found = read(tmp_path / "board" / "samples")
    assert sorted(found["margin/clean"]) == [0, 1]  # what was written of the epochs after it is forgotten
    assert_as_logged(found, again.log(), [0, 1])


@pytest.mark.only("tensorflow")
def test_beside_keras_own_callback(tmp_path):
    board = keras.callbacks.TensorBoard(str(tmp_path / "board"), write_graph=False)
    logger = SampleWeightLogger(tmp_path / "log", num_samples=N)
    model_of().fit(X, TARGETS, epochs=2, callbacks=[logger, board], verbose=0)
    assert_as_logged(read(tmp_path / "board" / "samples"), logger.log(), [0, 1])
    assert sorted(read(tmp_path / "board" / "train")["epoch_loss"]) == [0, 1]


@once
def test_which_histograms_there_are(tmp_path):
    records = np.zeros(6, RECORD)
    records["label"], records["margin"] = [0, 1, 2, 0, 1, -1], [1, np.nan, np.inf, 3, 3, 7]
    records["weight"] = np.nan
    records["clean"] = -1
    Histograms(tmp_path / "unknown", output="a").write(0, records)
    found = read(tmp_path / "unknown" / "samples-a")
    assert found.keys() == {"margin/all"}  # a batch-coupled loss gives no weights
    assert found["margin/all"][0][:, 2].sum() == 3
    records["clean"][:3] = [0, 1, 1]
    Histograms(tmp_path / "some").write(4, records)
    found = read(tmp_path / "some" / "samples")
    assert {tag: buckets[4][:, 2].sum() for tag, buckets in found.items()} == {"margin/clean": 1, "margin/unknown": 2}


@once
def test_what_cannot_be_written_is_said(tmp_path, monkeypatch):
    for wrong in (5, "gs://bucket/logs"):
        with pytest.raises(ValueError, match="`tensorboard` of SampleWeightLogger must be a folder of this machine"):
            SampleWeightLogger(tmp_path, num_samples=N, tensorboard=wrong)
    logger = SampleWeightLogger(tmp_path / "log", num_samples=N, tensorboard=tmp_path)
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.record_writer", None)
    with pytest.raises(ImportError, match="pip install tensorboard"):
        model_of().fit(X, TARGETS, callbacks=[logger], verbose=0)
    assert not list((tmp_path / "log").glob("*"))
