"""Where a version came from: a small file beside the graph, which no server reads."""

import functools
import importlib.metadata
import json
import pathlib
import platform
import sys
from dataclasses import asdict

import keras
import numpy as np

from keras_robust.checks import refuse
from keras_robust.diagnostics.runs import as_run
from keras_robust.digests import digest
from keras_robust.export.saved_model import EXTRA
from keras_robust.export.signature import Signature
from keras_robust.export.versions import version_folder
from keras_robust.last_layer import losses_by_output
from keras_robust.training.folder import FREE
from keras_robust.version import __version__

FILE = pathlib.PurePath(EXTRA, "keras_robust.json")
# What tells this form of the file from a later one.
FORM = 1


def origin(directory, version: int | None = None) -> dict:
    """What `serving` wrote down of a version: what it was made of, and how.

    The file is `assets.extra/keras_robust.json` in the version's folder. TensorFlow keeps that folder for what is no
    part of the graph: no server loads it. The same model, arguments and versions give the same file, byte for byte; it
    holds no time, path or machine.

    Args:
        directory: folder of the model's versions, or that of one version.
        version: which one; None: the latest.

    Returns:
        A dict with the entries
            form: 1, the form of this file.
            versions: of keras_robust, keras, tensorflow, numpy, python, and of the backend.
            backend: on which the model was trained.
            model: class, parameters (their number) and weights (a checksum of their values).
            loss: by name of the output, "" for the only one: class, config (as Keras writes it) and numbers (the
                hyper-parameters at that moment) of the loss; of a loss that is no object its name alone. Empty for a
                model that is not compiled.
            signature: inputs and heads, as they are served.
            mapped: names of the model that TensorFlow does not take, and what is served in their place.
            settings: arguments of `serving` that the signature does not hold: raw_pixels, images.
            run: None, or of the run that was named: settings (without the paths and machine of it), labels and log
                (checksums of the given labels and of the weight log), samples and epochs (how many the log has).
            facts: what was given as `facts`.

    Raises:
        FileNotFoundError: if there is no such folder or version.
        ValueError: if the version is none of `serving`, or its file is damaged.

    Example:

    >>> import json
    >>> (tmp_path / "1" / "assets.extra").mkdir(parents=True)
    >>> (tmp_path / "1" / "saved_model.pb").touch()
    >>> _ = (tmp_path / "1" / FILE).write_text(json.dumps({"form": 1, "facts": {"data": "2031-05"}}))
    >>> origin(tmp_path)["facts"]
    {'data': '2031-05'}
    """
    file = version_folder(directory, version) / FILE
    if not file.is_file():
        raise ValueError(f"{file.parents[1]} is no version that export.serving of this package wrote: it lacks {FILE}.")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is damaged: {error}.") from None
    if not isinstance(found, dict) or found.get("form") != FORM:
        raise ValueError(f"{file} is damaged, or of another version of keras_robust: it lacks form {FORM}.")
    return found


def describe(network: keras.Model, loss, signature: Signature, settings: dict, run, facts: dict | None) -> dict:
    """What `origin` reads back.

    Raises:
        ValueError: for facts that do not fit into JSON.
        FileNotFoundError: for a run without a weight log.
    """
    backend = keras.backend.backend()
    named = {place: head.name for place, head in enumerate(signature.heads)}
    losses = {named[place]: _loss(one) for place, one in losses_by_output(network, loss) if one is not None}
    told = {
        "form": FORM,
        "versions": {"keras_robust": __version__, "python": platform.python_version(), **_packages(backend)},
        "backend": backend,
        "model": {
            "class": type(network).__name__,
            "parameters": network.count_params(),
            "weights": weights_checksum(network),
        },
        "loss": losses,
        "signature": asdict(signature),
        "mapped": signature.mapped,
        "settings": settings,
        "run": None if run is None else _run(run),
        "facts": facts if facts is not None else {},
    }
    try:
        if not isinstance(told["facts"], dict):
            raise TypeError("it is no dict")
        json.dumps(told["facts"], allow_nan=False, sort_keys=True)
    except (TypeError, ValueError) as error:
        refuse("serving", "facts", f"a dict that fits into JSON ({error})", facts)
    return told


def write_origin(folder: pathlib.Path, told: dict) -> None:
    """Puts it into the folder of a version."""
    (folder / FILE).parent.mkdir(exist_ok=True)
    text = json.dumps(told, indent=2, sort_keys=True, ensure_ascii=False, default=repr)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def weights_checksum(model: keras.Model) -> str:
    """What tells the weights of a model from any others: a digest of shapes and values, 16 hexadecimal digits."""
    return digest(keras.ops.convert_to_numpy(weight) for weight in model.weights)


def _packages(backend):
    found = {"keras": keras.__version__, "numpy": np.__version__, backend: sys.modules[backend].__version__}
    return found if "tensorflow" in found else found | {"tensorflow": _tensorflow()}


@functools.cache
def _tensorflow():
    """The version of TensorFlow where it is not imported: it is installed as tensorflow, tensorflow-cpu, ..."""
    distribution, *_ = importlib.metadata.packages_distributions()["tensorflow"]
    return importlib.metadata.version(distribution)


def _loss(loss):
    if not isinstance(loss, keras.losses.Loss):
        return {"class": loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)}
    config = keras.saving.serialize_keras_object(loss)["config"]
    return {"class": type(loss).__name__, "config": config, "numbers": getattr(loss, "hyperparameters", {})}


def _run(run):
    run = as_run(run)
    return {
        "settings": {name: value for name, value in run.settings.items() if name not in FREE},
        "labels": digest([run.labels()]),
        "log": run.log.checksum(),
        "samples": run.log.num_samples,
        "epochs": len(run.log.epochs),
    }
