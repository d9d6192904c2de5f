"""Logs of samples with many labels: pixels, time steps, yes/no outputs; one record a sample, or one a position."""

import keras
import numpy as np
import pytest
from harness import once

import keras_robust as kr
from keras_robust import diagnostics
from keras_robust.callbacks import SampleWeightLogger
from keras_robust.callbacks.positions import columns_of

N, K, Q = 14, 3, 0.7
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 5)).astype("float32")
TOKENS = RNG.integers(1, 9, (N, 6))
TOKENS[:, 4:] *= RNG.integers(0, 2, (N, 2))
TOKENS[3] = 0  # nothing but padding


class ToShape(keras.layers.Layer):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape

    def call(self, x):
        return keras.ops.reshape(x, (-1, *self.shape))


def pixels():
    """Images of 2 x 4 pixels; 255 is ignored, all of sample 3 and pixels of others."""
    layers = [keras.Input((5,)), keras.layers.Dense(8 * K), ToShape((2, 4, K))]
    clean = RNG.integers(0, K, (N, 2, 4))
    label = np.where(RNG.random(clean.shape) < 0.25, (clean + 1) % K, clean)
    ignored = RNG.random(clean.shape) < 0.3
    ignored[3] = True
    return layers, X, np.where(ignored, 255, label), clean, ~ignored, kr.GCE(Q, from_logits=True, ignore_class=255)


def steps():
    """Six time steps, of which those of token 0 are masked."""
    layers = [keras.Input((6,), dtype="int32"), keras.layers.Embedding(9, 4, mask_zero=True), keras.layers.Dense(K)]
    clean = RNG.integers(0, K, (N, 6))
    label = np.where(RNG.random(clean.shape) < 0.25, (clean + 1) % K, clean)
    return layers, TOKENS, label, clean, TOKENS != 0, kr.GCE(Q, from_logits=True)


def outputs():
    """Five yes/no outputs; -1 is ignored."""
    layers = [keras.Input((5,)), keras.layers.Dense(5)]
    clean = RNG.integers(0, 2, (N, 5))
    ignored = RNG.random(clean.shape) < 0.3
    ignored[3] = True
    label = np.where(RNG.random(clean.shape) < 0.25, 1 - clean, clean)
    loss = kr.Binary(kr.GCE(Q), from_logits=True, ignore_class=-1)
    return layers, X, np.where(ignored, -1, label), clean, ~ignored, loss


def most_frequent(ids, counted):
    """In float64-free numpy, sample by sample."""
    found = []
    for row, counts in zip(ids.reshape(N, -1), counted.reshape(N, -1), strict=True):
        found.append(np.bincount(row[counts], minlength=K).argmax() if counts.any() else -1)
    return np.array(found)


def reference(z, label, clean, counted):
    """Columns of each position, and of each sample, from logits in float64."""
    z = z.astype("float64")
    if z.shape == label.shape:
        z = np.stack([np.zeros_like(z), z], axis=-1)
    p = np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)
    p_y = np.take_along_axis(p, np.where(counted, label, 0)[..., None], -1)[..., 0]
    values = {"margin": np.log(p_y / (1 - p_y)), "weight": p_y**Q * (1 - p_y), "loss": (1 - p_y**Q) / Q}
    ids = {"label": np.where(counted, label, -1), "clean": clean, "predicted": z.argmax(-1)}
    each = {name: np.where(counted, value, np.nan if name == "margin" else 0.0) for name, value in values.items()} | ids
    axes = tuple(range(1, label.ndim))
    number = counted.sum(axis=axes)
    of_sample = {name: np.where(counted, v, 0.0).sum(axis=axes) / np.maximum(number, 1) for name, v in values.items()}
    of_sample["margin"][number == 0] = np.nan
    return each, of_sample | {name: most_frequent(value, counted) for name, value in ids.items()}


@pytest.mark.parametrize("make", [pixels, steps, outputs])
def test_step_and_look_agree_with_numpy(make, tmp_path):
    layers, x, label, clean, counted, loss = make()
    keras.utils.set_random_seed(1)
    model = kr.ProvenanceModel(keras.Sequential(layers))
    model.compile(keras.optimizers.SGD(0.0), loss)
    targets = {"label": label, "index": np.arange(N), "clean": clean}
    loggers = {}
    for positions in (False, True):
        loggers["step", positions] = SampleWeightLogger(tmp_path / f"step{positions}", N, positions=positions)
        look = SampleWeightLogger(tmp_path / f"look{positions}", probe=(x, targets), batch_size=7, positions=positions)
        loggers["look", positions] = look
    model.fit(x, targets, batch_size=7, epochs=1, verbose=0, callbacks=list(loggers.values()))
    expected = reference(model.predict(x, verbose=0), label, clean, counted)
    for (way, positions), logger in loggers.items():
        log, columns = logger.log(), expected[not positions]
        shape = label.shape[1:] if positions else ()
        assert (log.num_samples, log.positions, log.num_records) == (N, shape, N * int(np.prod(shape)))
        for name, values in columns.items():
            got = log.epoch(0)[name].reshape(values.shape)
            np.testing.assert_allclose(got, values, rtol=1e-4, atol=1e-6, err_msg=f"{way} {positions} {name}")
        order = log.suspects(3)
        assert order.tolist() == np.argsort(columns["margin"].reshape(-1), kind="stable")[:3].tolist()
        first = diagnostics.suspect_table(log, 1)[0]
        place = np.unravel_index(order[0], (N, *shape))
        assert (first.sample, *first.position) == place
        assert first.given == columns["label"][place]
        assert first.clean == clean[place] if positions else first.wrong in (True, False)


@once
def test_the_shape_of_positions_is_given_where_the_model_does_not_tell(tmp_path):
    def model():
        made = kr.ProvenanceModel(keras.Sequential([keras.Input((None, None, 1)), keras.layers.Conv2D(K, 1)]))
        made.compile("sgd", kr.CE(from_logits=True))
        return made

    x, targets = np.zeros((4, 2, 3, 1), "float32"), {"label": np.zeros((4, 2, 3), int), "index": np.arange(4)}
    folder = tmp_path / "shape"
    model().fit(x, targets, verbose=0, callbacks=[SampleWeightLogger(folder, 4, positions=(2, 3))])
    log = diagnostics.WeightLog(folder, clean=np.zeros((4, 2, 3), int))
    assert log.clean.shape == (24,)
    for numbers in ([0, 7, 23], 7):
        sample, position = log.place(numbers)
        expected = np.array([[0, 0, 0], [1, 0, 1], [3, 1, 2]])[1 if numbers == 7 else slice(None)]
        assert np.array_equal(np.concatenate([np.asarray(sample)[..., None], position], -1), expected)
    for positions, words in (
        (True, "where the model does not tell it"),
        ((3, 2), r"True, or the shape of the positions, \(2, 3\)"),
    ):
        with pytest.raises(ValueError, match=f"`positions` of SampleWeightLogger must be .*{words}"):
            model().fit(x, targets, verbose=0, callbacks=[SampleWeightLogger(tmp_path / "x", 4, positions=positions)])
    with pytest.raises(ValueError, match=r"must be \(2, 3\), as .* was begun"):
        model().fit(
            x, targets, verbose=0, initial_epoch=1, epochs=2, callbacks=[SampleWeightLogger(folder, probe=(x, targets))]
        )
    with pytest.raises(ValueError, match="4 samples with so many positions make more than"):
        model().fit(x, targets, verbose=0, callbacks=[SampleWeightLogger(tmp_path / "x", 4, positions=(2**16, 2**15))])
    with pytest.raises(ValueError, match=r"A sample number was outside \[0, 3\)"):
        model().fit(x, targets, verbose=0, callbacks=[SampleWeightLogger(tmp_path / "y", 3, positions=(2, 3))])
    x, targets = x[:, :1], targets | {"label": np.zeros((4, 1, 3), int)}
    for logger in (
        SampleWeightLogger(folder, 4, positions=(1, 3)),
        SampleWeightLogger(folder, 4, (x, targets), positions=True),
    ):
        with pytest.raises(ValueError, match=r"must be \(2, 3\), as .* was begun.*\(1, 3\)"):
            model().fit(x, targets, verbose=0, initial_epoch=1, epochs=2, callbacks=[logger])
    merged = diagnostics.merged_log([folder], tmp_path / "merged")
    assert merged.positions == (2, 3)


@once
def test_what_has_no_positions_is_refused(tmp_path):
    model = kr.ProvenanceModel(keras.Sequential([keras.Input((5,)), keras.layers.Dense(K)]))
    model.compile("sgd", kr.CE(from_logits=True))
    y = {"label": np.zeros(N, int), "index": np.arange(N)}
    for logger in ({"num_samples": N}, {"probe": (X, y)}):
        with pytest.raises(ValueError, match="must be False: the model makes one prediction a sample"):
            model.fit(X, y, verbose=0, callbacks=[SampleWeightLogger(tmp_path / "x", positions=True, **logger)])
    for positions in ("pixels", (), (0, 2), (2, True), 3.0, None):
        with pytest.raises(ValueError, match="`positions` of SampleWeightLogger must be True, False, or the shape"):
            SampleWeightLogger(tmp_path / "x", N, positions=positions)


@once
def test_suspects_are_written_with_their_positions_and_the_page_wants_samples(tmp_path):
    from keras_robust.weight_log import RECORD, write_epoch

    records = np.zeros((2, 3, 4), RECORD)
    records["margin"], records["predicted"] = np.arange(24).reshape(2, 3, 4), 1
    records["margin"][1, 2, 0] = -5.0
    write_epoch(tmp_path, 0, records)
    log = diagnostics.WeightLog(tmp_path)
    texts, images = ["one", "two"], np.zeros((2, 8, 8, 1), "uint8")
    found = diagnostics.write_suspects(log, tmp_path, images=images, texts=texts, n=2)
    assert [(one.sample, one.position, one.text) for one in found.suspects] == [(1, (2, 0), "two"), (0, (0, 0), "one")]
    assert found.table.read_text().splitlines()[1].endswith(",two,2 0")
    assert "1 at 2,0" in str(found)
    with pytest.raises(ValueError, match="`log_or_run` of review_page must be a log with one record a sample"):
        diagnostics.review_page(log, tmp_path)
    with pytest.raises(ValueError, match="`suspects` of of_suspects must be of a log with one record a sample"):
        diagnostics.Corrections.of_suspects(found.suspects)
    with pytest.raises(ValueError, match="`run` of clean must be of a log with one record a sample"):
        diagnostics.clean_labels(diagnostics.open_run(tmp_path), diagnostics.Corrections([0], [0], [1], ["fix"]))
    with pytest.raises(ValueError, match="one for each of the 2 samples of the log"):
        diagnostics.write_suspects(log, tmp_path, texts=["a"] * 24)


@once
def test_a_batch_coupled_loss_and_a_column_of_labels():
    z = RNG.normal(size=(4, 6, K)).astype("float32")
    y = RNG.integers(0, K, (4, 6, 1))
    columns = columns_of(kr.ANLCEER(1, 1, 0.1, from_logits=True), y, None, keras.ops.convert_to_tensor(z))
    assert np.isnan(keras.ops.convert_to_numpy(columns.weight)).all()
    assert np.isfinite(keras.ops.convert_to_numpy(columns.margin)).all()
    assert keras.ops.convert_to_numpy(columns.clean).tolist() == [-1] * 4


@once
@pytest.mark.parametrize("pipeline", ["device", "tf.data"])
def test_maps_of_labels_are_numbered(pipeline):
    _, x, label, clean, _, _ = pixels()
    data = kr.data.with_provenance((x, label), clean=clean, batch_size=N, pipeline=pipeline)
    inputs, targets = next(iter(data)) if pipeline == "tf.data" else data[0]
    order = np.asarray(targets["index"])
    assert order.tolist() != list(range(N))
    for got, expected in ((inputs, x), (targets["label"], label), (targets["clean"], clean)):
        np.testing.assert_array_equal(np.asarray(got), expected[order])
    for wrong in (label[:, :1, 0:2, None, None], label * 1.0, label[:, 0]):
        with pytest.raises(ValueError, match="`y` of with_provenance must be .*maps of class ids"):
            kr.data.with_provenance((x, wrong))
    with pytest.raises(ValueError, match="`y` of with_provenance must be .*maps of class ids"):
        kr.data.with_provenance((x, label.astype(str)))
    with pytest.raises(ValueError, match=r"`clean` of with_provenance must be maps of \(2, 4\), as y holds"):
        kr.data.with_provenance((x, label), clean=clean[:, 0, 0])


@once
def test_maps_of_a_data_set_are_numbered_in_batches():
    tf = pytest.importorskip("tensorflow")
    _, _, label, clean, _, _ = pixels()
    x = np.zeros((*label.shape, 3), "float32")
    single = tf.data.Dataset.from_tensor_slices((x, label.astype("uint8")))
    for _ in range(2):
        batches = list(kr.data.with_provenance(single.batch(4), clean=clean))
        targets = {name: np.concatenate([y[name] for _, y in batches]) for name in ("index", "label", "clean")}
        assert targets["index"].tolist() == list(range(N))
        np.testing.assert_array_equal(targets["label"], label)
        np.testing.assert_array_equal(targets["clean"], clean)
    with pytest.raises(ValueError, match="or batches of label maps"):  # inputs without positions
        kr.data.with_provenance(tf.data.Dataset.from_tensor_slices((x[:, 0, 0], label)).batch(4))
    with pytest.raises(ValueError, match=r"`clean` of with_provenance must be maps of \(2, 4\), as y holds"):
        kr.data.with_provenance(single.batch(4), clean=clean[:, 0, 0])
