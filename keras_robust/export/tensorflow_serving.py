"""From a trained model on any backend to a folder that TensorFlow Serving serves."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import keras

from keras_robust.algorithms.base import Algorithm
from keras_robust.checks import missing, refuse
from keras_robust.data.preprocessing import for_serving, preprocessing_of
from keras_robust.export.lineage import describe, write_origin
from keras_robust.export.saved_model import write_saved_model
from keras_robust.export.signature import read_batch, read_signature
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
    answers=None,
    images: str | None = None,
    unit: float | None = None,
    run=None,
    facts: dict | None = None,
) -> pathlib.Path:
    """Writes a new version of a model for TensorFlow Serving: the plain network that answers with probabilities.

    `directory` is the model's folder, with a folder for each version in it, as `tensorflow_model_server
    --model_name=NAME --model_base_path=DIRECTORY` takes it. A version appears whole or not at all, and an existing one
    is never touched, not even an empty folder, so a server may watch the folder meanwhile. A killed export leaves a
    hidden folder, .draft-..., which servers do not read and which may be deleted.

    What is written is the network alone: no loss, and so no logit bias or temperature of a loss, no schedule, no
    optimizer, no penalty, no class of this package. Of a `ProvenanceModel` it is the model inside, of an algorithm what
    it predicts with; of `data.Preprocessing` it is the normalization, as a layer of Keras. On TensorFlow it is written
    right away. From JAX and PyTorch the model goes through a `.keras` file to a process of its own that has TensorFlow,
    so layers that are not Keras' own must be found by importing their module, not in a notebook's cells. That holds for
    layers of text too: JAX and PyTorch cannot call a model that begins with `TextVectorization`, but they build it
    around the network that was trained, `keras.Model(text, network(vectorize(text)))`, and this serves it.

    The signature is "serving_default". Its inputs bear the names that `keras.Input(name=...)` gave them, in a dict of
    inputs its keys; without a name the only input is "inputs", several are "inputs_1", "inputs_2", ... A name that
    TensorFlow does not take, "a b" or "class", is served as the nearest that it does, "a_b" or "input_class"; a warning
    says so, and `origin` later. They have the model's dtypes and a free batch size. Its outputs, in float32 under any
    policy:

        probabilities  (batch, ..., K)      of the classes; of yes, (batch, ..., C), for C yes/no outputs
        classes        (batch, ..., top_k)  the most probable classes, most probable first: names (strings), or ids
                                            (int64) without `class_names`; only with `class_names` or `top_k`
        scores         (batch, ..., top_k)  their probabilities
        values         (batch, ...)         in place of these: what the output holds, where it holds no probabilities

    Of a model with several outputs "serving_default" answers with all, "a_probabilities", "b_values", and each output
    has a signature of its own name, "a" and "b", that answers with its own, "probabilities" or "values". The names are
    those of the outputs, as keys of a dict or as layers; where Keras counted them up they are "output_1", ...

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
        model: a built model with known inputs (functional or Sequential), of one output or several.
        directory: folder of the model's versions, on a local disk; made if it is not there.
        class_names: K names, in the order of the class ids, or a dict {id: name}; numbers are turned into strings. Of
            yes/no outputs C names of the questions; of one, perhaps two, those of no and yes. For several outputs a
            dict {output: names}.
        top_k: how many classes an answer names, 1 to K; None: one if `class_names` are given, else none. For several
            outputs one for all, or a dict by output.
        version: number of the version, at least 1; None: the next one.
        warmup: a batch of examples that a server answers before it takes the version up, so that the first customer
            does not wait: an array, or for several inputs a dict by name or a list. Needs tensorflow-serving-api.
        from_logits: whether an output holds logits, of which softmax or sigmoid is then served; perhaps a dict by
            output. None: as its loss says, if it is compiled with one that knows, and its last layer (linear: logits;
            softmax, sigmoid: probabilities).
        raw_pixels: for a model that begins with `data.Preprocessing`: True, the default there, serves one that takes
            raw images and normalizes them; False, one that takes images that are normalized already. None elsewhere.
        answers: what an output holds: "classes", of which one is true; "questions", each with an answer yes or no;
            "values", numbers that are served as they are; perhaps a dict by output. None: by its last layer (softmax:
            classes; sigmoid: questions), else by its loss (`Binary` and binary cross entropy: questions; one that knows
            of Keras' that knows no logits, as a squared error: values; a loss of this package on one logit: questions),
            else classes. A loss of your own tells nothing.
        images: "bytes": inputs (batch, height, width, channels) of 1, 3 or 4 channels are served as strings (batch,),
            each a JPEG or PNG file, which the graph decodes as TensorFlow does: into the channels of the model, alpha
            dropped, EXIF orientation not applied, 4 channels from PNG alone. Where the model has a size, the whole
            image is resized to it, bilinear with antialiasing, the ratio of its sides not kept; without a size, images
            of one request must be of one size. In JSON such a string is {"b64": "..."}. None: as arrays.
        unit: with `images`, what a white pixel is to the model: 255, or 1 for floats in [0, 1]. None: 255 for an input
            of uint8; floats must say.
        run: the run that trained the model, for `origin`: a folder, `WeightLog` or what `diagnostics.open_run` opened.
        facts: what else `origin` is to tell, a dict that fits into JSON: a checksum of the data, a ticket.

    Returns:
        The folder of the version.

    Raises:
        ValueError: for an argument that does not fit the model, `raw_pixels` for one without preprocessing included;
            if neither loss nor last layer tells logits from probabilities, or they contradict each other; for one
            linear output without a loss, or outputs with a loss of your own, if `answers` does not say what they are;
            if `directory` is the folder of one version.
        FileExistsError: if `version` is there.
        NotADirectoryError: if `directory` is a file.
        FileNotFoundError: if `run` holds no weight log.
        ImportError: if TensorFlow, or for `warmup` tensorflow-serving-api, is missing.
        RuntimeError: if TensorFlow cannot load a model of another backend, with its reason.

    Warns:
        UserWarning: for inputs and outputs that are served under other names than theirs.

    Example:

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> serving(model, tmp_path / "pets", class_names=["cat", "dog"]).name
    '1'
    """
    network, loss = network_of(model, raw_pixels), getattr(model, "loss", None)
    signature = read_signature(network, class_names, top_k, from_logits, answers, images, unit, loss)
    if warmup is not None:
        warmup = read_batch(signature.inputs, warmup, "serving", "warmup")
    demand("tensorflow", "Serving a model")
    if warmup is not None:
        demand("tensorflow_serving", "A warm-up request")
    told = describe(network, loss, signature, {"raw_pixels": raw_pixels, "images": images}, run, facts)

    def write(folder):
        if keras.backend.backend() == "tensorflow":
            write_saved_model(network, folder, signature, warmup)
        else:
            model_file, signature_file = folder.with_name("model.keras"), folder.with_name("signature.npz")
            network.save(model_file)
            signature.save(signature_file, warmup)
            _convert(model_file, signature_file, folder)
        write_origin(folder, told)

    return write_version(directory, version, write)


def own_model(model: keras.Model) -> keras.Model:
    """The model that a wrapper trains; of an algorithm with two networks what it predicts with."""
    if isinstance(model, Algorithm) and model.serve != "first":
        return model.served()
    return model.model if isinstance(model, ProvenanceModel) else model


def network_of(model: keras.Model, raw_pixels: bool | None) -> keras.Model:
    """The plain network that is served of a model.

    Raises:
        ValueError: for `raw_pixels` that does not fit it.
    """
    model = own_model(model)
    if not isinstance(raw_pixels, bool | None):
        refuse("serving", "raw_pixels", "True, False or None", raw_pixels)
    if isinstance(model, keras.Model) and preprocessing_of(model):
        return for_serving(model, raw_pixels is not False)
    if raw_pixels is not None:
        refuse("serving", "raw_pixels", "None for a model that does not begin with data.Preprocessing", raw_pixels)
    return model


def demand(package: str, what: str) -> None:
    """Raises where a package is not installed.

    Raises:
        ImportError: with the extra that brings it.
    """
    if importlib.util.find_spec(package) is None:
        raise missing(f"{what} needs {package}", "serving")


def alone(program: list[str], **environment) -> subprocess.CompletedProcess:
    """Runs a program of Python's in a process that has TensorFlow and no GPU, and finds what this one can import."""
    return subprocess.run(
        [sys.executable, *program],
        env=os.environ
        | {
            "CUDA_VISIBLE_DEVICES": "-1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        }
        | environment,
        capture_output=True,
        text=True,
    )


def _convert(*paths):
    """Has another process load the model on TensorFlow and write it."""
    process = alone(["-c", CONVERT, *map(str, paths)], KERAS_BACKEND="tensorflow")
    if process.returncode:
        said = process.stderr.strip()
        raise RuntimeError(f"TensorFlow could not write the model (exit status {process.returncode}):\n{said[-3000:]}")
