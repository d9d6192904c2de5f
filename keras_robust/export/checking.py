"""Whether an export answers as its model does, asked of TensorFlow alone."""

import json
import pathlib
import tempfile
from dataclasses import dataclass
from typing import NamedTuple

import keras
import numpy as np

from keras_robust.checks import at_least, refuse
from keras_robust.export import asking
from keras_robust.export.lineage import origin, weights_checksum
from keras_robust.export.signature import NAME, Input, Signature, read_batch, structure_of
from keras_robust.export.tensorflow_serving import alone, demand, network_of, own_model
from keras_robust.export.versions import version_folder

# Rows that are asked at a time.
ROWS = 128


class Checked(NamedTuple):
    """What `check` found.

    Attributes:
        version: number of the version, or the name of its folder where that is no number.
        differences: the largest absolute difference of each answer of the signature "serving_default", by its name;
            of "classes" that of the probabilities of the classes named and of the most probable ones.
        rows: how many rows were compared.
    """

    version: int | str
    differences: dict[str, float]
    rows: int


@dataclass(frozen=True)
class Question:
    """What an export is asked, and what its model answers.

    Attributes:
        version: folder of the version.
        signature: as it was exported.
        arrays: what the model takes, by the names that are served.
        expected: of each batch the answers of every output, float64.
    """

    version: pathlib.Path
    signature: Signature
    arrays: dict[str, np.ndarray]
    expected: list[list[np.ndarray]]


def check(directory, model: keras.Model, x, tolerance: float = 1e-5) -> Checked:
    """Compares a version with its model: the export is asked in a process that has TensorFlow alone.

    For a build that must not hand on a wrong export. Keras and this package cannot be imported in that process, and it
    takes no GPU. Every signature is compared, on any backend. Each answer a must be near e, what the model on this
    backend gives: |a - e| <= tolerance * max(1, |e|), which is absolute for probabilities and relative for values above
    1. Named classes must be the most probable ones, up to the same tolerance.

    x is what the model takes, numbers or texts; where the version takes encoded images, x is encoded as PNG on the way,
    so its pixels must be whole numbers of 255 steps. On JAX and PyTorch Keras calls no model of texts; the layers are
    then called one by one, which text layers inside a model within the model do not allow.

    Half precision and products in TF32 on a GPU differ by more than the default tolerance: 2e-3 is right for them.

    Args:
        directory: folder of the model's versions, of which the latest is compared, or that of one version.
        model: the model that was exported.
        x: a batch of at least one row: an array, or for several inputs a dict by name or a list.
        tolerance: at least 0.

    Returns:
        The version, the largest difference of each answer, and the number of rows.

    Raises:
        FileNotFoundError: if there is no such folder, or no version in it.
        ValueError: if an answer differs by more than the tolerance; for a version that `serving` did not write, a model
            whose inputs or outputs are not those of the export, or x that does not fit it, or that the model answers
            with NaN or infinity.
        RuntimeError: if TensorFlow cannot load the version or answer, with its reason.
        ImportError: if TensorFlow is missing.

    Example:

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> _ = keras_robust.export.serving(model, tmp_path, class_names=["cat", "dog"])
    >>> checked = check(tmp_path, model, np.eye(3))
    >>> checked.version, checked.rows, sorted(checked.differences), max(checked.differences.values()) < 1e-5
    (1, 3, ['classes', 'probabilities', 'scores'], True)
    """
    tolerance = at_least(0).check("check", "tolerance", tolerance)
    question = prepare(directory, model, x)
    demand("tensorflow", "Checking an export")
    (answers,) = ask([question])
    return judge(question, answers, tolerance, model)


def prepare(directory, model: keras.Model, x) -> Question:
    """What a version is to be asked, and what the model answers.

    Raises:
        FileNotFoundError, ValueError: as `check`.
    """
    folder = version_folder(directory)
    told = origin(folder)
    signature, raw_pixels = Signature.of(told["signature"]), told["settings"]["raw_pixels"]
    network = network_of(model, raw_pixels)
    _refuse_another(folder, signature, network)
    taken = [Input(one.name, one.given, one.shape, one.dtype) for one in signature.inputs]
    arrays = read_batch(taken, x, "check", "x")
    for one, array in zip(signature.inputs, arrays, strict=True):
        steps = array * (255.0 / one.unit) if one.unit is not None else np.zeros(1)
        if np.any(np.abs(steps - np.round(steps)) > 1e-3) or np.any((steps < -1e-3) | (steps > 255.001)):
            rule = f"images of whole steps of {one.unit:g} / 255 in [0, {one.unit:g}], as an encoded one has them"
            refuse("check", "x", rule, f"values from {array.min():g} to {array.max():g}")
    asked = network if raw_pixels is False else own_model(model)
    expected = []
    for first in range(0, len(arrays[0]), ROWS):
        scores = _scores(asked, [array[first : first + ROWS] for array in arrays])
        if wrong := sum(not all(np.isfinite(one[row]).all() for one in scores) for row in range(len(scores[0]))):
            rule = "rows that the model answers with finite numbers"
            refuse("check", "x", rule, f"NaN or infinite answers in {wrong} of {len(scores[0])} rows")
        expected.append([_probabilities(head, one) for head, one in zip(signature.heads, scores, strict=True)])
    return Question(folder, signature, dict(zip(signature.names, arrays, strict=True)), expected)


def ask(questions: list[Question]) -> list[dict[str, np.ndarray]]:
    """The answers of the versions, "BATCH|SIGNATURE|ANSWER" -> array, all of one process."""
    with tempfile.TemporaryDirectory() as room:
        cases = []
        for number, question in enumerate(questions):
            request, answer = (pathlib.Path(room, f"{kind}{number}.npz") for kind in ("request", "answer"))
            np.savez(request, **question.arrays)
            encode = {one.name: one.unit for one in question.signature.inputs if one.unit is not None}
            case = {"version": question.version, "request": request, "answer": answer}
            cases.append({name: str(path) for name, path in case.items()} | {"rows": ROWS, "encode": encode})
        file = pathlib.Path(room, "cases.json")
        file.write_text(json.dumps(cases))
        # Not from its folder, whose modules would hide others of the same names.
        process = alone(["-P", asking.__file__, str(file)])
        if process.returncode:
            said = process.stderr.strip()[-3000:]
            raise RuntimeError(f"TensorFlow could not ask the export (exit status {process.returncode}):\n{said}")
        found = []
        for case in cases:
            with np.load(case["answer"], allow_pickle=False) as answer:
                found.append({name: answer[name] for name in answer.files})
        return found


def judge(question: Question, answers: dict[str, np.ndarray], tolerance: float, model: keras.Model) -> Checked:
    """The largest differences; refuses one above the tolerance."""
    largest, excess = {}, {}
    for batch, expected in enumerate(question.expected):
        for head, truth in zip(question.signature.heads, expected, strict=True):
            for key in (NAME, head.name) if head.name else (NAME,):
                for name in head.answers:
                    called = head.served(name) if key == NAME else name
                    answer = answers[f"{batch}|{key}|{called}"]
                    difference, bound = _difference(head, name, answer, truth)
                    served = head.served(name)
                    largest[served] = max(largest.get(served, 0.0), difference)
                    excess[served] = max(excess.get(served, 0.0), bound)
    rows = len(next(iter(question.arrays.values())))
    if wrong := {name: bound for name, bound in excess.items() if not bound <= tolerance}:
        name = max(wrong, key=wrong.get)
        told = origin(question.version)["model"]["weights"]
        trained = " Its weights are others than at the export." if weights_checksum(own_model(model)) != told else ""
        raise ValueError(
            f"The export in {question.version} is not its model: {name} differs by {largest[name]:.3g} in {rows} rows, "
            f"{excess[name]:.3g} by the rule |a - e| <= tolerance * max(1, |e|), of which the tolerance is "
            f"{tolerance:g}.{trained}"
        )
    version = question.version.name
    return Checked(int(version) if version.isdecimal() else version, largest, rows)


def _refuse_another(folder, signature, network):
    """Refuses a model of other inputs or outputs than the export has."""
    try:
        taken, given = network.inputs, network.outputs
    except AttributeError:
        refuse("check", "model", "the built Keras model that was exported", network)
    inputs = [(one.shape, one.dtype) for one in signature.inputs], [(tuple(one.shape), str(one.dtype)) for one in taken]
    widths = [one.shape[-1] if len(one.shape) > 1 else None for one in given]
    outputs = [head.width for head in signature.heads], widths
    for rule, (theirs, ours) in (("inputs are", inputs), ("outputs have the widths", outputs)):
        if theirs != ours:
            rule = f"the one that was exported to {folder}, whose {rule} {theirs}"
            refuse("check", "model", rule, f"{network.name} with {ours}")


def _scores(model, arrays):
    """Outputs of a model, float64, in the order of `model.outputs`."""
    if any(array.dtype.kind in "US" for array in arrays):
        try:
            # Not the model: on JAX and PyTorch that makes tensors of its inputs first, which texts cannot be.
            outputs = keras.Function(model.inputs, model.outputs)(arrays)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"Keras on {keras.backend.backend()} cannot call {model.name} on texts: it holds another model with a "
                "text layer in it, or a layer that takes no texts there. Put the text layer into the outer model, or "
                "check on TensorFlow."
            ) from error
    else:
        tensors = [keras.ops.convert_to_tensor(array) for array in arrays]
        outputs = model(keras.tree.pack_sequence_as(structure_of(model), tensors), training=False)
    flat = keras.tree.flatten(outputs)
    return [np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(one, "float32")), "float64") for one in flat]


def _probabilities(head, scores):
    """What is served of scores, in numpy."""
    if not head.from_logits:
        return scores
    if head.kind == "questions":
        return np.exp(-np.logaddexp(0.0, -scores))
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return scores / scores.sum(axis=-1, keepdims=True)


def _difference(head, name, answer, truth):
    """The largest difference of an answer, and the same by the rule; infinite where the answer is of no such kind."""
    if name in ("classes", "scores"):
        ranked = np.concatenate([1.0 - truth, truth], axis=-1) if head.no_and_yes else truth
        truth = -np.sort(-ranked, axis=-1)[..., : head.top_k]
        if name == "classes" and answer.shape == truth.shape:
            answer = _named(head, answer, ranked, truth)
    if answer.shape != truth.shape:
        return np.inf, np.inf
    difference = np.abs(answer.astype("float64") - truth)
    difference[~np.isfinite(difference)] = np.inf
    return float(difference.max(initial=0.0)), float((difference / np.maximum(1.0, np.abs(truth))).max(initial=0.0))


def _named(head, answer, ranked, truth):
    """Probabilities of the classes that an answer names; of those with one name that which comes nearest."""
    found = np.full(truth.shape, np.inf)
    for id, name in enumerate(head.class_names or range(ranked.shape[-1])):
        probability = np.broadcast_to(ranked[..., id : id + 1], truth.shape)
        nearer = np.abs(probability - truth) < np.abs(found - truth)
        found = np.where((answer == name) & nearer, probability, found)
    return found
