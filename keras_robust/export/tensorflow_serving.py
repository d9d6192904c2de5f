"""From a trained model on any backend to a folder that TensorFlow Serving serves."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import keras

from keras_robust.checks import missing, refuse
from keras_robust.data.preprocessing import for_serving, preprocessing_of
from keras_robust.export.saved_model import write_saved_model
from keras_robust.export.signature import ends_in_logits, read_signature, read_warmup
from keras_robust.export.versions import write_version
from keras_robust.provenance import ProvenanceModel

CONVERT = "import sys; from keras_robust.export.saved_model import convert; convert(*sys.argv[1:])"


def serving(
    model: keras.Model,
    directory,
    class_names=None,
    top_k: int | None = None,
    version: int | None = None,
    warmup=None,
    from_logits: bool | None = None,
    raw_pixels: bool | None = None,
) -> pathlib.Path:
    """Writes a new version of a model for TensorFlow Serving: the plain network that answers with probabilities.

    `directory` is the model's folder, with a folder for each version in it, as `tensorflow_model_server
    --model_name=NAME --model_base_path=DIRECTORY` takes it. A version appears whole or not at all, and an existing one
    is never touched, so a server may watch the folder meanwhile. A killed export leaves a hidden folder, .draft-...,
    which servers do not read and which may be deleted.

    What is written is the network alone: no loss, and so no logit bias or temperature of a loss, no schedule, no
    optimizer, no penalty, no class of this package. Of a `ProvenanceModel` it is the model inside; of
    `data.Preprocessing` it is the normalization, as a layer of Keras. On TensorFlow it is written right away. From JAX
    and PyTorch the model goes through a `.keras` file to a process of its own that has TensorFlow, so layers that are
    not Keras' own must be found by importing their module, not in a notebook's cells.

    The signature is "serving_default". Its inputs bear the names that `keras.Input(name=...)` gave them; without a name
    the only input is "inputs", several are "inputs_1", "inputs_2", ... A name that TensorFlow does not take, "a b" or
    "class", is served as the nearest that it does, "a_b" or "input_class", and a warning says so. They have the model's
    dtypes and a free batch size. Its outputs, in float32 under any policy:

        probabilities  (batch, ..., K)      of the classes
        classes        (batch, ..., top_k)  the most probable classes, most probable first: names (strings), or ids
                                            (int64) without `class_names`; only with `class_names` or `top_k`
        scores         (batch, ..., top_k)  their probabilities

    One asks it by HTTP, or by gRPC with the package tensorflow-serving-api:

        curl -d '{"instances": [[0.1, 0.2, 0.3]]}' http://localhost:8501/v1/models/NAME:predict
        curl -d '{"inputs": {"inputs": [[0.1, 0.2, 0.3]]}}' http://localhost:8501/v1/models/NAME:predict

        request = predict_pb2.PredictRequest()
        request.model_spec.name = "NAME"
        request.inputs["inputs"].CopyFrom(tf.make_tensor_proto(batch))
        channel = grpc.insecure_channel("localhost:8500")
        answer = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request)
        tf.make_ndarray(answer.outputs["probabilities"])

    Args:
        model: a built model with known inputs (functional or Sequential) and one output (batch, ..., K).
        directory: folder of the model's versions, on a local disk; made if it is not there.
        class_names: K names, in the order of the class ids, or a dict {id: name}; numbers are turned into strings.
        top_k: how many classes an answer names, 1 to K; None: one if `class_names` are given, else none.
        version: number of the version, at least 1; None: the next one.
        warmup: a batch of examples that a server answers before it takes the version up, so that the first customer
            does not wait: an array, or for several inputs a dict by name or a list. Needs tensorflow-serving-api.
        from_logits: whether the model ends in logits, of which the softmax is then served. None: as its loss says, if
            it is compiled with one that knows, and its last layer (linear: logits; softmax: probabilities).
        raw_pixels: for a model that begins with `data.Preprocessing`: True, the default there, serves one that takes
            raw images and normalizes them; False, one that takes images that are normalized already. None elsewhere.

    Returns:
        The folder of the version.

    Raises:
        ValueError: for an argument that does not fit the model, `raw_pixels` for one without preprocessing included;
            if neither loss nor last layer tells logits from probabilities, or they contradict each other.
        FileExistsError: if `version` is there.
        ImportError: if TensorFlow, or for `warmup` tensorflow-serving-api, is missing.
        RuntimeError: if TensorFlow cannot load a model of another backend, with its reason.

    Warns:
        UserWarning: for inputs that are served under other names than theirs.

    Example:

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> serving(model, tmp_path / "pets", class_names=["cat", "dog"]).name
    '1'
    """
    if isinstance(model, ProvenanceModel):
        model = model.model
    if raw_pixels not in (None, True, False):
        refuse("serving", "raw_pixels", "True, False or None", raw_pixels)
    if isinstance(model, keras.Model) and preprocessing_of(model):
        from_logits = ends_in_logits(model) if from_logits is None else from_logits  # a plain network has no loss
        model = for_serving(model, raw_pixels is not False)
    elif raw_pixels is not None:
        refuse("serving", "raw_pixels", "None for a model that does not begin with data.Preprocessing", raw_pixels)
    signature = read_signature(model, class_names, top_k, from_logits)
    warmup = read_warmup(model, signature, warmup)
    _demand("tensorflow", "Serving a model")
    if warmup is not None:
        _demand("tensorflow_serving", "A warm-up request")

    def write(folder):
        if keras.backend.backend() == "tensorflow":
            write_saved_model(model, folder, signature, warmup)
            return
        model_file, signature_file = folder.with_name("model.keras"), folder.with_name("signature.npz")
        model.save(model_file)
        signature.save(signature_file, warmup)
        _convert(model_file, signature_file, folder)

    return write_version(directory, version, write)


def _demand(package, what):
    if importlib.util.find_spec(package) is None:
        raise missing(f"{what} needs {package}", "serving")


def _convert(*paths):
    """Has another process load the model on TensorFlow and write it, without taking a GPU."""
    process = subprocess.run(
        [sys.executable, "-c", CONVERT, *map(str, paths)],
        env=os.environ
        | {
            "KERAS_BACKEND": "tensorflow",
            "CUDA_VISIBLE_DEVICES": "-1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        },
        capture_output=True,
        text=True,
    )
    if process.returncode:
        said = process.stderr.strip()
        raise RuntimeError(f"TensorFlow could not write the model (exit status {process.returncode}):\n{said[-3000:]}")
