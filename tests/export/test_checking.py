"""What `check` accepts and refuses, and what `origin` says; the process with TensorFlow is asked by test_matrix.py."""

import json

import keras
import numpy as np
import pytest
from harness import once
from keras import layers

import keras_robust as kr
from keras_robust.export import check, checking, origin
from keras_robust.export.lineage import FILE, describe, write_origin
from keras_robust.export.signature import read_signature
from keras_robust.export.tensorflow_serving import network_of, own_model
from keras_robust.export.versions import write_version

pytestmark = once

X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")


def network(width=3, ends=2, last=None, dtype="float32"):
    return keras.Sequential([keras.Input((width,), dtype=dtype), layers.Dense(ends, last)])


def written(model, directory, version=None, run=None, facts=None, **keywords):
    """A version without a graph: all but what TensorFlow does."""
    signature = read_signature(network_of(model, None), loss=getattr(model, "loss", None), **keywords)
    settings = {"raw_pixels": None, "images": keywords.get("images")}
    told = describe(network_of(model, None), getattr(model, "loss", None), signature, settings, run, facts)

    def write(folder):
        (folder / "saved_model.pb").touch()
        write_origin(folder, told)

    return write_version(directory, version, write)


@pytest.fixture
def answering(monkeypatch):
    """Has an export answer as its model does, changed by a function of (answer, array)."""

    def set_change(change=lambda name, array: array):
        def ask(questions):
            found = {}
            for question in questions:
                for batch, expected in enumerate(question.expected):
                    for head, truth in zip(question.signature.heads, expected, strict=True):
                        best = np.argsort(-truth, axis=-1)[..., : head.top_k]
                        parts = {"probabilities": truth, "values": truth, "classes": best}
                        parts["scores"] = np.take_along_axis(truth, best, axis=-1)
                        if head.class_names:
                            parts["classes"] = np.array(head.class_names)[best]
                        for name in head.answers:
                            found[f"{batch}|serving_default|{head.served(name)}"] = change(name, parts[name])
            return [found]

        monkeypatch.setattr(checking, "ask", ask)

    set_change()
    return set_change


def test_it_compares_the_latest_version(tmp_path, answering, monkeypatch):
    monkeypatch.setattr(checking, "ROWS", 3)
    nine, ten = network(), network()
    version = written(nine, tmp_path, version=9)
    written(ten, tmp_path, top_k=2)
    assert check(tmp_path, ten, X) == (10, {"probabilities": 0.0, "classes": 0.0, "scores": 0.0}, 4)
    assert check(str(version), nine, X) == (9, {"probabilities": 0.0}, 4)
    version.rename(tmp_path / "kept")
    assert check(tmp_path / "kept", nine, X, tolerance=0).version == "kept"


@pytest.mark.parametrize(
    ("answer", "change"),
    [
        ("probabilities", lambda array: array + 2e-5),
        ("probabilities", lambda array: array[:, :1]),
        ("probabilities", lambda array: array * np.nan),
        ("scores", lambda array: array - 2e-5),
        ("classes", lambda array: array[:, ::-1]),
        ("classes", lambda array: np.full(array.shape, "cow")),
    ],
)
def test_what_is_not_the_model_is_refused(tmp_path, answering, answer, change):
    model = network()
    written(model, tmp_path, class_names=["cat", "dog"], top_k=2)
    check(tmp_path, model, X)
    answering(lambda name, array: change(array) if name == answer else array)
    with pytest.raises(
        ValueError, match=f"is not its model: {answer} differs by .* in 4 rows.*tolerance is 1e-05"
    ) as e:
        check(tmp_path, model, X)
    assert "Its weights are others" not in str(e.value)
    model.layers[0].kernel.assign(model.layers[0].kernel + 1.0)
    with pytest.raises(ValueError, match=r"Its weights are others than at the export\."):
        check(tmp_path, model, X)


def test_large_values_may_differ_by_more(tmp_path, answering):
    model = network(ends=1)
    model.layers[0].bias.assign([1e4])
    written(model, tmp_path, answers="values")
    answering(lambda name, array: array * (1 + 9e-6))
    found = check(tmp_path, model, X)
    assert found.differences["values"] == pytest.approx(0.09, rel=0.01)
    with pytest.raises(ValueError, match="values differs by 0.09"):
        check(tmp_path, model, X, tolerance=5e-6)


def test_a_model_that_answers_with_nan(tmp_path, answering):
    model = network()
    written(model, tmp_path)
    x = X.copy()
    x[2] = np.nan
    with pytest.raises(ValueError, match=r"`x` of check must be .*finite.* Received: x='NaN .* in 1 of 4 rows"):
        check(tmp_path, model, x)


def test_names_that_occur_twice(tmp_path, answering):
    model = network(ends=3)
    written(model, tmp_path, class_names=["cat", "cat", "dog"], top_k=3)
    assert check(tmp_path, model, X).differences["classes"] == 0.0


def test_wrong_use(tmp_path, answering):
    model, models = network(), tmp_path / "models"
    with pytest.raises(FileNotFoundError, match="There is no folder .*models"):
        check(models, model, X)
    models.mkdir()
    with pytest.raises(FileNotFoundError, match="holds no version of a model"):
        check(models, model, X)
    version = written(model, models)
    for wrong, rule in (
        (network(width=4), r"one that was exported to .*, whose inputs are \[\(\(None, 3\), 'float32'\)\]. Received"),
        (network(ends=3), r"whose outputs have the widths \[2\]"),
        (keras.Sequential([layers.Dense(2)]), "`model` of check must be"),
        ("model", "`model` of check must be the built Keras model"),
    ):
        with pytest.raises(ValueError, match=rule):
            check(models, wrong, X)
    for wrong in (X[:, :2], X[:0], X[0], X.astype(str), {"pixels": X}, [X, X], None):
        with pytest.raises(ValueError, match=r"`x` of check must be a (batch for|dict)"):
            check(models, model, wrong)
    for wrong in (-1, "1e-5", np.nan):
        with pytest.raises(ValueError, match="`tolerance` of check must be at least 0"):
            check(models, model, X, tolerance=wrong)
    (version / FILE).unlink()
    with pytest.raises(ValueError, match=r"is no version that export.serving of this package wrote: it lacks assets"):
        check(models, model, X)


def test_images_that_no_file_can_hold(tmp_path, answering):
    inputs = keras.Input((2, 2, 1), name="image")
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(inputs)))
    written(model, tmp_path, images="bytes", unit=1)
    whole = np.arange(12).reshape(3, 2, 2, 1) / 255.0
    assert check(tmp_path, model, whole).rows == 3
    for wrong in (whole + 0.001, whole - 1.0, whole + 1.0):
        with pytest.raises(ValueError, match=r"images of whole steps of 1 / 255 in \[0, 1\]"):
            check(tmp_path, model, wrong)


def test_an_algorithm_is_served_as_it_predicts():
    first, second = network(), network()
    probe = (X, np.array([0, 1, 0, 1]))
    mixed = kr.algorithms.DivideMix(first, 4, 2, probe, second=second, serve="ensemble")
    both = keras.ops.convert_to_numpy(own_model(mixed)(X))
    np.testing.assert_allclose(both, np.asarray(mixed.predict(X, verbose=0)), atol=1e-6)
    assert not np.allclose(both, keras.ops.convert_to_numpy(first(X)))
    assert own_model(kr.algorithms.SmallLoss(first, 0.2)) is first


def test_origin(tmp_path):
    from keras_robust.weight_log import RECORD, write_epoch

    run = tmp_path / "run"
    write_epoch(run / "weights", 0, np.zeros(4, RECORD))
    settings = {"loss": "GCE(q=0.3)", "data_dir": "/home/somebody", "machine": "Linux x86_64"}
    (run / "settings.json").write_text(json.dumps(settings))
    model = network()
    model.compile("sgd", kr.ANLCE(alpha=3.0, from_logits=True))
    keywords = {"class_names": ["cat", "dög"], "run": run, "facts": {"data": "sha256:7a"}}
    versions = [written(model, tmp_path / "models", **keywords) for _ in range(2)]
    texts = [(version / FILE).read_text() for version in versions]
    assert texts[0] == texts[1]
    assert str(tmp_path) not in texts[0]
    told = origin(tmp_path / "models")
    assert told == origin(versions[1]) == origin(tmp_path / "models", 2)
    assert told["loss"][""]["numbers"]["alpha"] == 3.0
    assert told["run"]["settings"] == {"loss": "GCE(q=0.3)"}
    assert (told["run"]["samples"], told["run"]["epochs"]) == (4, 1)
    assert told["facts"] == {"data": "sha256:7a"}
    assert told["model"]["parameters"] == 8
    for wrong in ({"a": np.nan}, {"a": X}, ["a"], {"a": 1, 2: 3}):
        with pytest.raises(ValueError, match="`facts` of serving must be a dict that fits into JSON"):
            written(model, tmp_path / "models", facts=wrong)
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        written(model, tmp_path / "models", run=tmp_path / "nothing")
    for damaged, words in (("{", "is damaged: "), ('{"form": 2}', "damaged, or of another version of keras_robust")):
        (versions[1] / FILE).write_text(damaged)
        with pytest.raises(ValueError, match=words):
            origin(tmp_path / "models")
