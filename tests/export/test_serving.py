"""What a server gets from a model trained on any backend, asked in a process that has TensorFlow alone."""

import json
import os
import resource
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
from harness import BACKEND, once
from keras import layers

import keras_robust as kr
from keras_robust.callbacks import HyperparameterSchedule, SampleWeightLogger
from keras_robust.export import serving
from keras_robust.schedules import Linear

ON_TENSORFLOW = pytest.mark.only("tensorflow")  # the process that writes has it
NAMES = ["cat", "dög", "owl", "fox"]
N, K = 7, len(NAMES)
RNG = np.random.default_rng(0)
IMAGES, VECTORS = RNG.integers(0, 256, (N, 6, 6, 3)).astype("uint8"), RNG.normal(size=(N, 5)).astype("float32")
LABELS = np.arange(N) % K

ASK = """
import json, pathlib, sys
sys.modules["keras"] = sys.modules["keras_robust"] = None  # importing them raises
import numpy as np, tensorflow as tf
found = {}
for case in map(pathlib.Path, sys.argv[1:]):
    asked = {name: value for name, value in np.load(case / "asked.npz").items()}
    version = case / "1"
    loaded = tf.saved_model.load(str(version))
    model = loaded.signatures["serving_default"]
    batch = len(next(iter(asked.values())))
    together = model(**{name: tf.constant(value) for name, value in asked.items()})
    alone = [model(**{name: tf.constant(value[i : i + 1]) for name, value in asked.items()}) for i in range(batch)]
    warmup = []
    if (version / "assets.extra").exists():
        from tensorflow_serving.apis import prediction_log_pb2
        for record in tf.data.TFRecordDataset(str(version / "assets.extra" / "tf_serving_warmup_requests")):
            request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
            values = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
            same = all(np.array_equal(values[name], asked[name]) for name in asked)
            warmup.append([request.model_spec.signature_name, sorted(values), same])
    found[case.name] = {
        "outputs": {name: value.numpy().astype(str if value.dtype == tf.string else None).tolist()
                    for name, value in together.items() if value.dtype != tf.string},
        "names": [[name.decode() for name in row] for row in together["classes"].numpy()]
                 if together.get("classes") is not None and together["classes"].dtype == tf.string else None,
        "dtypes": {name: value.dtype.name for name, value in together.items()},
        "alone": [answer["probabilities"].numpy()[0].tolist() for answer in alone],
        "inputs": {name: [spec.dtype.name, spec.shape.as_list()]
                   for name, spec in model.structured_input_signature[1].items()},
        "variables": sorted(variable.name.split(":")[0] for variable in model.variables),
        "saved": len(tf.train.list_variables(str(version / "variables" / "variables"))) - 1,
        "ours": b"keras_robust" in (version / "saved_model.pb").read_bytes(),
        "warmup": warmup,
    }
print(json.dumps(found))
"""


def images(activation=None):
    inputs = keras.Input((6, 6, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(4, 3, strides=2, padding="same")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(0.5)(layers.Flatten()(layers.ReLU()(x)))
    return keras.Model(inputs, layers.Dense(K, activation=activation)(x))


def trained_with_everything(folder):
    """A penalty, a wrapper, a log of every sample, a loss with a bias that moves, an optimizer with slots."""
    model = kr.ProvenanceModel(kr.regularize(images(), l1=1e-3, l2=1e-3))
    loss = 2.0 * kr.LogitBias(kr.GCE(0.7), 3.0, from_logits=True) + kr.NCE()
    model.compile(kr.optimizers.CoupledSGD(0.05, momentum=0.9), loss, metrics=["accuracy", kr.metrics.MemorizedShare()])
    targets = {"label": LABELS, "index": np.arange(N), "clean": LABELS}
    move = HyperparameterSchedule({"epsilon": Linear(3.0, 5.0), "q": Linear(0.3, 0.9)})
    logger = SampleWeightLogger(folder / "weights", num_samples=N)
    model.fit(IMAGES, targets, epochs=2, batch_size=4, verbose=0, callbacks=[move, logger])
    return model, {"image": IMAGES}, {"class_names": NAMES, "top_k": 3, "warmup": IMAGES}


def in_half_precision(folder):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = images("softmax")
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.outputs[0].dtype == "float16"
    model.compile("adam", kr.ANLCE())
    with pytest.warns(UserWarning, match="probabilities in float16"):
        model.fit(IMAGES, LABELS, verbose=0)
    return model, {"image": IMAGES}, {"top_k": 2}


def prepared():
    """A network that learns from augmented images, and the layer that augments and normalizes them."""
    recipe = {"name": "own", "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4), "source": "here", "shift": 2}
    first, network = kr.data.Preprocessing(recipe), [layers.Flatten(), layers.Dense(K)]
    raw = keras.Input((6, 6, 3), dtype="uint8", name="image")
    model = kr.ProvenanceModel(keras.Sequential([raw, first, keras.Sequential(network)]))
    model.compile("sgd", kr.ANLCE(from_logits=True))
    feed = kr.data.Feed(IMAGES, {"label": LABELS, "index": np.arange(N)}, 4, preprocessing=first)
    model.fit(feed, epochs=2, verbose=0)
    return model, first


def raw_images(folder):
    return prepared()[0], {"image": IMAGES}, {"top_k": 1}


def two_inputs(folder):
    inputs = {"image": keras.Input((6, 6, 3), dtype="uint8", name="image"), "vector": keras.Input((5,), name="vector")}
    x = layers.Concatenate()([layers.Flatten()(layers.Rescaling(1 / 255)(inputs["image"])), inputs["vector"]])
    model = keras.Model(inputs, layers.Dense(K)(x))
    model.compile("sgd", kr.MAEStar(from_logits=True))
    asked = {"image": IMAGES, "vector": VECTORS}
    model.fit(asked, LABELS, verbose=0)
    return model, asked, {"class_names": NAMES, "warmup": asked}


def never_trained(folder):
    return keras.Sequential([keras.Input((5,)), layers.Dense(K)]), {"inputs": VECTORS}, {}


CASES = [trained_with_everything, raw_images]
if BACKEND == "tensorflow":
    CASES += [in_half_precision, two_inputs, never_trained]


def test_served_is_the_plain_network(tmp_path):
    expected = {}
    for make in CASES:
        case = tmp_path / make.__name__
        model, asked, keywords = make(tmp_path)
        assert serving(model, case, **keywords) == case / "1"
        assert sorted(os.listdir(case)) == ["1"]
        inputs = asked if len(asked) > 1 else next(iter(asked.values()))
        scores = model.predict(inputs, verbose=0).astype("float64")
        if make is not in_half_precision:
            scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
            scores /= scores.sum(axis=-1, keepdims=True)
        inside = getattr(model, "model", model)
        expected[make.__name__] = scores, [weight.path for weight in inside.weights], keywords
        np.savez(case / "asked.npz", **asked)
    process = subprocess.run(
        [sys.executable, "-c", ASK, *(str(tmp_path / name) for name in expected)], capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr[-3000:]
    found = json.loads(process.stdout)
    for name, (probabilities, variables, keywords) in expected.items():
        case = found[name]
        atol = 2e-3 if name == "in_half_precision" else 1e-5
        outputs = case["outputs"]
        np.testing.assert_allclose(outputs["probabilities"], probabilities, atol=atol, err_msg=name)
        np.testing.assert_allclose(case["alone"], probabilities, atol=atol)
        assert not case["ours"], name
        # The weights, and nothing else: no optimizer, seed of dropout, metric or hyper-parameter.
        # A file may leave out the names of the models that they stood in.
        kept, known = (sorted("/".join(path.split("/")[-2:]) for path in one) for one in (case["variables"], variables))
        assert (kept, case["saved"]) == (known, len(variables)), name
        k = keywords.get("top_k", 1 if "class_names" in keywords else 0)
        assert case["dtypes"]["probabilities"] == "float32"
        assert case["dtypes"].keys() == {"probabilities"} | ({"classes", "scores"} if k else set())
        if k:
            got = np.array(outputs["probabilities"])
            best = np.argsort(-got, axis=-1, kind="stable")[:, :k]
            np.testing.assert_array_equal(outputs["scores"], np.take_along_axis(got, best, axis=-1))
            if "class_names" in keywords:
                assert case["names"] == np.array(NAMES)[best].tolist()
            else:
                assert (outputs["classes"], case["dtypes"]["classes"]) == (best.tolist(), "int64")
        asked = sorted(case["inputs"])
        assert case["warmup"] == ([["serving_default", asked, True]] if "warmup" in keywords else [])
    for name in ("trained_with_everything", "raw_images"):
        assert found[name]["inputs"] == {"image": ["uint8", [None, 6, 6, 3]]}
    if BACKEND == "tensorflow":
        assert found["two_inputs"]["inputs"].keys() == {"image", "vector"}
        assert found["never_trained"]["inputs"] == {"inputs": ["float32", [None, 5]]}


@ON_TENSORFLOW
def test_normalized_images_are_served_without_the_normalization(tmp_path):
    import tensorflow as tf

    model, first = prepared()
    path = serving(model, tmp_path, raw_pixels=False)
    asked = tf.saved_model.load(str(path)).signatures["serving_default"]
    (name, spec) = next(iter(asked.structured_input_signature[1].items()))
    assert (name, spec.dtype.name, spec.shape.as_list()) == ("inputs", "float32", [None, 6, 6, 3])
    served = asked(inputs=first(IMAGES))["probabilities"]
    np.testing.assert_allclose(served, tf.nn.softmax(model.predict(IMAGES, verbose=0)), atol=1e-5)


@ON_TENSORFLOW
def test_tables_of_words_are_served(tmp_path):
    import tensorflow as tf

    inputs = keras.Input((), dtype="string", name="word")
    ids = layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot")(inputs)
    model = keras.Model(inputs, layers.Dense(2)(ids))
    words = tf.constant(["b", "nothing", "a"])
    path = serving(model, tmp_path, warmup=["a", "b"])
    served = tf.saved_model.load(str(path)).signatures["serving_default"](word=words)
    np.testing.assert_allclose(served["probabilities"], tf.nn.softmax(model(words)), atol=1e-6)


@ON_TENSORFLOW
def test_a_full_disk(tmp_path):
    """A limit on the size of files, of which TensorFlow's own writing hears as well."""
    model = keras.Sequential([keras.Input((5,)), layers.Dense(9000), layers.Dense(K)])
    serving(model, tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(Exception, match="File too large"):
            serving(model, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == ["1"]
    assert serving(model, tmp_path).name == "2"


KILLED = """
import os, signal, sys, keras
import keras_robust.export.versions as versions
from keras_robust.export import serving
versions._sync = lambda folder: os.kill(os.getpid(), signal.SIGKILL)  # all is written, nothing renamed
serving(keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)]), sys.argv[1])
"""


@ON_TENSORFLOW
def test_a_killed_export(tmp_path):
    process = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], env=os.environ | {"KERAS_BACKEND": BACKEND})
    assert process.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".draft-")
    assert (left / "version" / "saved_model.pb").exists()
    assert serving(keras.Sequential([keras.Input((5,)), layers.Dense(2)]), tmp_path).name == "1"


@once
class TestWrongUse:
    def test_missing_packages(self, tmp_path, monkeypatch):
        model = keras.Sequential([keras.Input((5,)), layers.Dense(2)])
        monkeypatch.setitem(sys.modules, "tensorflow_serving", None)
        with pytest.raises(ImportError, match=r"needs tensorflow_serving: pip install -e '.\[serving\]'"):
            serving(model, tmp_path, warmup=VECTORS)
        monkeypatch.setitem(sys.modules, "tensorflow", None)
        with pytest.raises(ImportError, match=r"needs tensorflow: pip install -e '.\[serving\]'"):
            serving(model, tmp_path)
        assert not list(tmp_path.iterdir())

    def test_raw_pixels_of_a_model_without_preprocessing(self, tmp_path):
        model = keras.Sequential([keras.Input((5,)), layers.Dense(2)])
        for given in (True, False):
            with pytest.raises(ValueError, match="`raw_pixels` of serving must be None for a model that does not beg"):
                serving(model, tmp_path, raw_pixels=given)
        with pytest.raises(ValueError, match="`raw_pixels` of serving must be True, False or None"):
            serving(model, tmp_path, raw_pixels="yes")
        assert not list(tmp_path.iterdir())

    def test_a_layer_that_the_other_process_does_not_know(self, tmp_path):
        class Mine(layers.Dense):
            pass

        model = keras.Sequential([keras.Input((5,)), Mine(2)])
        with pytest.raises(RuntimeError, match=r"TensorFlow could not write the model(?s:.*)Mine"):
            serving(model, tmp_path / "models")
        assert not list((tmp_path / "models").iterdir())
