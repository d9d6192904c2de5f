"""Every kind of model answers in a process that has TensorFlow alone as it does here, on any backend."""

import io
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from harness import BACKEND
from kinds import KINDS, NAMES, OTHER_NAMES, N, text_inside, trained_images, words

from keras_robust import export
from keras_robust.export import checking, tensorflow_serving
from keras_robust.export.signature import Signature

# What `serving` starts anew for each model of another backend, kept.
CONVERT = """
import json, sys
from keras_robust.export.saved_model import convert
for line in sys.stdin:
    convert(*json.loads(line))
    print("done", flush=True)
"""


@pytest.fixture
def kept_process(monkeypatch):
    """One process that writes all models of another backend; `serving` has one for each."""
    if BACKEND == "tensorflow":
        yield
        return
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", CONVERT]
    with subprocess.Popen(command, env=environment, stdin=-1, stdout=-1, text=True) as process:

        def convert(*paths):
            print(json.dumps(list(map(str, paths))), file=process.stdin, flush=True)
            assert process.stdout.readline() == "done\n"

        monkeypatch.setattr(tensorflow_serving, "_convert", convert)
        yield
        process.stdin.close()


@pytest.mark.filterwarnings("ignore:TensorFlow names inputs", "ignore:Explicitly requested dtype int64")
def test_every_kind(tmp_path, kept_process, monkeypatch):
    # A whole batch, and one that is not; JAX compiles every operation for every shape.
    monkeypatch.setattr(checking, "ROWS", rows := N if BACKEND == "jax" else 3)
    made = {}
    for make in KINDS:
        keras.utils.set_random_seed(0)
        model, x, keywords, expected = make(tmp_path)
        folder = tmp_path / make.__name__
        assert export.serving(model, folder, **keywords) == folder / "1"
        assert sorted(os.listdir(folder)) == ["1"]
        if make is text_inside and BACKEND != "tensorflow":  # it is served, but nothing here can call it
            with pytest.raises(ValueError, match=f"Keras on {BACKEND} cannot call .* on texts.*or check on TensorFlow"):
                checking.prepare(folder, model, x)
            signature = Signature.of(export.origin(folder)["signature"])
            question = checking.Question(folder / "1", signature, {"text": x}, [])
        else:
            question = checking.prepare(folder, model, x)
        made[make.__name__] = model, keywords, expected, question
    found = checking.ask([question for *_, question in made.values()])
    for (name, (model, keywords, expected, question)), answers in zip(made.items(), found, strict=True):
        checked = checking.judge(question, answers, 1e-5, model)
        assert (checked.version, checked.rows) == (1, N), name
        for answer, truth in expected.items():
            got = np.concatenate([answers[f"{batch}|serving_default|{answer}"] for batch in range(-(-N // rows))])
            assert got.dtype == "float32"
            np.testing.assert_allclose(got, truth, atol=1e-5, err_msg=f"{name}, {answer}")
            assert np.ptp(truth, axis=0).max() > 1e-4, name  # what was asked decides the answer
        _assert_plain(name, question.version, tensorflow_serving.network_of(model, keywords.get("raw_pixels")))
    answers = dict(zip(made, found, strict=True))
    _assert_classes(answers, made)
    assert export.origin(tmp_path / "refused_names")["mapped"] == OTHER_NAMES
    assert made["encoded_images"][3].signature.inputs[0].served == ((None,), "string")
    _assert_trained_origin(export.origin(tmp_path / "trained_images"))
    _assert_warm_up(made)


def _assert_plain(name, version, network):
    """The graph holds the weights, and nothing else: no optimizer, seed of dropout, metric or hyper-parameter."""
    import tensorflow as tf

    assert b"keras_robust" not in (version / "saved_model.pb").read_bytes(), name
    saved = tf.train.list_variables(str(version / "variables" / "variables"))
    others = ("_CHECKPOINTABLE", ".ATTRIBUTES/table")  # the list of objects, and vocabularies
    shapes = sorted(shape for variable, shape in saved if not any(other in variable for other in others))
    assert shapes == sorted(list(weight.shape) for weight in network.weights), name


def _assert_classes(answers, made):
    """Classes and scores by the probabilities that came with them."""
    for name, key, k, names in (
        ("trained_images", "", 3, NAMES),
        ("several_outputs", "output_class_", 1, NAMES),
        ("pixelwise", "", 1, NAMES),
        ("many_labels", "", 2, ["red", "big", "old"]),
        ("raw_images", "", 1, None),
        ("several_outputs", "tags_", 2, None),
    ):
        got = {part: answers[name][f"0|serving_default|{key}{part}"] for part in ("probabilities", "classes", "scores")}
        best = np.argsort(-got["probabilities"], axis=-1, kind="stable")[..., :k]
        np.testing.assert_array_equal(got["scores"], np.take_along_axis(got["probabilities"], best, axis=-1))
        assert got["classes"].dtype == "int64" if names is None else got["classes"].dtype.kind == "U"
        assert got["classes"].tolist() == (best if names is None else np.array(names)[best]).tolist(), name
    yes = answers["one_logit"]["0|serving_default|probabilities"]
    assert answers["one_logit"]["0|serving_default|classes"].tolist() == [
        ["yes", "no"] if one > 0.5 else ["no", "yes"] for one in yes[:, 0]
    ]
    # A signature for each output, and nothing else there.
    several = {tuple(key.split("|")[1:]) for key in answers["several_outputs"]}
    assert {name for key, name in several if key == "age"} == {"values"}
    assert {name for key, name in several if key == "sick"} == {"probabilities"}
    assert {name for key, name in several if key == "tags"} == {"probabilities", "classes", "scores"}
    assert {key for key, _ in several} == {"serving_default", "age", "output_class", "sick", "tags"}
    assert made["several_outputs"][3].signature.mapped == {"class": "output_class"}


def _assert_trained_origin(told):
    assert told["loss"][""]["class"] == "WeightedSum"
    numbers = told["loss"][""]["numbers"]
    assert numbers["epsilon"] == pytest.approx(5.0)  # where the schedule ended
    assert numbers["q"] == pytest.approx(0.9)
    assert (told["run"]["samples"], told["run"]["epochs"], told["run"]["settings"]) == (N, 2, {})
    assert len(told["run"]["log"]) == len(told["run"]["labels"]) == len(told["model"]["weights"]) == 16
    assert (told["facts"], told["backend"], told["mapped"]) == ({"data": "7a"}, BACKEND, {})
    assert told["signature"]["heads"][0]["class_names"] == NAMES
    assert told["versions"].keys() == {"keras_robust", "keras", "numpy", "python", "tensorflow", BACKEND}


def _assert_warm_up(made):
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    for make in (trained_images, words):
        question = made[make.__name__][3]
        file = question.version / "assets.extra" / "tf_serving_warmup_requests"
        (record,) = tf.data.TFRecordDataset(str(file))
        request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        assert request.model_spec.signature_name == "serving_default"
        ((name, value),) = request.inputs.items()
        array = tf.make_ndarray(value)
        np.testing.assert_array_equal(array.astype("str") if array.dtype == object else array, question.arrays[name])
    assert not (made["raw_images"][3].version / "assets.extra" / "tf_serving_warmup_requests").exists()


@pytest.mark.only("tensorflow")
def test_encoded_images_of_any_kind_and_size():
    """Against Pillow: JPEG and PNG, gray, with alpha, and of another size."""
    import tensorflow as tf
    from PIL import Image

    from keras_robust.export.saved_model import pixels

    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 256, (5, 4, 3)).astype("uint8")).resize((32, 40), Image.Resampling.BICUBIC)

    def encoded(image, **keywords):
        image.save(file := io.BytesIO(), **keywords)
        return file.getvalue()

    for image, keywords in (
        (smooth, {"format": "PNG"}),
        (smooth, {"format": "JPEG", "quality": 90}),
        (smooth.convert("L"), {"format": "PNG"}),
        (smooth.convert("RGBA"), {"format": "PNG"}),
    ):
        data = encoded(image, **keywords)
        want = Image.open(io.BytesIO(data)).convert("RGB")
        for size, allowed in (((40, 32), 0), ((20, 16), 1), ((50, 60), 1)):
            got = pixels(tf.constant([data, data]), (None, *size, 3), "uint8", 255.0).numpy()
            resized = np.asarray(want.resize(size[::-1], Image.Resampling.BILINEAR), "int32")
            assert got.shape == (2, *size, 3)
            assert np.abs(got[1] - resized).max() <= allowed, (keywords, size)
    free = pixels(tf.constant([data]), (None, None, None, 1), "float32", 1.0).numpy()
    np.testing.assert_allclose(free[0, ..., 0], np.asarray(smooth.convert("L")) / 255.0, atol=1.01 / 255)
    with pytest.raises(tf.errors.InvalidArgumentError):
        pixels(tf.constant([b"no image"]), (None, 4, 4, 3), "uint8", 255.0)
