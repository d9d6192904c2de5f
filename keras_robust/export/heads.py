"""What is served of each output of a model: probabilities of classes, of answers yes, or numbers as they are."""

import contextlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

import keras

from keras_robust.checks import OneOf, at_least, refuse
from keras_robust.class_names import names_by_id
from keras_robust.last_layer import ends_in, losses_by_output
from keras_robust.losses import RobustLoss

# What an output answers with.
ANSWERS = OneOf(("classes", "questions", "values"))


@dataclass(frozen=True)
class Head:
    """What is served of one output.

    Attributes:
        name: of the output as it is served; "" for the only one.
        given: its name in the model.
        kind: "classes", of which one is true; "questions", each with an answer yes or no; "values", numbers.
        width: how many classes, questions or values, the last axis; None where it is not known.
        from_logits: whether the output holds logits.
        class_names: a name for each class or question; for one question perhaps two, of no and of yes; or None.
        top_k: how many classes an answer names; 0: none.
    """

    name: str
    given: str
    kind: str
    width: int | None
    from_logits: bool = False
    class_names: list[str] | None = None
    top_k: int = 0

    @property
    def answers(self) -> list[str]:
        """Names of what it answers with."""
        if self.kind == "values":
            return ["values"]
        return ["probabilities", *(["classes", "scores"] if self.top_k else [])]

    def served(self, answer: str) -> str:
        """What an answer is called where all outputs answer together."""
        return f"{self.name}_{answer}" if self.name else answer

    @property
    def no_and_yes(self) -> bool:
        """Whether one question is named by its two answers."""
        return self.kind == "questions" and self.width == 1 and len(self.class_names or ()) == 2


def read_heads(model: keras.Model, names: list[str], loss, class_names, top_k, from_logits, answers) -> list[Head]:
    """The heads of a model, in the order of `model.outputs`.

    Args:
        model: the network.
        names: what its outputs are served as; [""] for one.
        loss: what it was compiled with, if it was.
        class_names, top_k, from_logits, answers: as `serving` takes them.

    Raises:
        ValueError: for what does not fit an output, or where nothing tells what one holds.
    """
    given, tensors = output_names(model), model.outputs
    losses = {place: _resolved(one) for place, one in losses_by_output(model, loss)}
    by_output = {
        key: _by_output(key, value, given, names)
        for key, value in (
            ("class_names", class_names),
            ("top_k", top_k),
            ("from_logits", from_logits),
            ("answers", answers),
        )
    }
    heads = []
    for place, (name, tensor) in enumerate(zip(names, tensors, strict=True)):
        asked = {key: values[place] for key, values in by_output.items()}
        heads.append(_head(model, place, (name, given[place], tensor.shape), losses.get(place), **asked))
    return heads


def output_names(model: keras.Model) -> list[str]:
    """Names of the outputs, in the order of `model.outputs`: keys of a dict, else names of layers.

    A name that Keras counted up, which differs from one process to the next, is "output_1", ... instead.
    """
    structure = getattr(model, "_outputs_struct", None)
    if isinstance(structure, list | tuple) and all(isinstance(one, keras.KerasTensor) for one in structure):
        structure = None
    if structure is not None and not isinstance(structure, keras.KerasTensor):
        return ["_".join(map(str, path)) for path, _ in keras.tree.flatten_with_path(structure)]
    named = list(getattr(model, "output_names", None) or ())
    if len(named) != len(model.outputs):
        named = [""] * len(model.outputs)
    return [
        f"output_{place}" if _automatic(name, tensor) else name
        for place, (name, tensor) in enumerate(zip(named, model.outputs, strict=True), 1)
    ]


def _automatic(name, tensor):
    history = getattr(tensor, "_keras_history", None)
    kind = type(history.operation).__name__ if history is not None else ""
    snake = re.sub("([a-z0-9])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z0-9]+)", r"\1_\2", kind)).lower()
    return not name or re.fullmatch(rf"{snake}(_\d+)?", name) is not None


def _by_output(key, value, given, names):
    """An argument for each output."""
    if len(names) == 1 or value is None:
        return [value] * len(names)
    if isinstance(value, dict):
        known = {name: place for group in (given, names) for place, name in enumerate(group)}
        if not value.keys() <= known.keys():
            refuse("serving", key, f"a dict by output, {', '.join(given)}", value)
        found = {known[name]: one for name, one in value.items()}
        return [found.get(place) for place in range(len(names))]
    if key == "class_names":
        refuse("serving", key, f"a dict by output, {', '.join(given)}: {{output: names}}", value)
    return [value] * len(names)


def _head(model, place, served, loss, class_names, top_k, from_logits, answers):
    name, given, shape = served
    width = shape[-1] if len(shape) > 1 else None
    if from_logits not in (None, True, False):
        refuse("serving", "from_logits", "True, False or None", from_logits)
    where = f"The output {given!r}" if name else "The model"
    kind = ANSWERS.check("serving", "answers", answers) if answers is not None else _kind(model, place, loss, width)
    if kind is None and from_logits is not None:
        kind = "classes" if (width or 0) > 1 else "questions"
    if kind is None:
        one = (width or 1) == 1
        classes = "" if one else "answers='classes' for scores of classes, "
        raise ValueError(
            f"{where} ends in {'one number' if one else f'{width} numbers'}, and nothing tells what "
            f"{'it is' if one else 'they are'}. Say so: {classes}answers='questions' for the logit or the "
            "probability of yes, answers='values' for what is served as it is."
        )
    if kind == "values":
        for key, value in (("class_names", class_names), ("top_k", top_k), ("from_logits", from_logits)):
            if value is not None:
                refuse("serving", key, "None for an output that is served as its values", value)
        return Head(name, given, kind, width)
    if width is None or width < (2 if kind == "classes" else 1):
        rule = f"a model whose output is (batch, ..., {'K) with K of at least 2' if kind == 'classes' else 'C)'}"
        refuse("serving", "model", f"{rule}, or answers='values' for it", f"{given} of shape {tuple(shape)}")
    count = width
    if class_names is not None:
        if isinstance(class_names, Iterator):
            class_names = list(class_names)
        if kind == "questions" and width == 1 and getattr(class_names, "__len__", int)() == 2:
            count = 2
        class_names = names_by_id("serving", class_names, count)
    top_k = at_least(1, integer=True, optional=True, high=count).check("serving", "top_k", top_k)
    if from_logits is None:
        from_logits = _ends_in_logits(model, place, loss, where)
    return Head(name, given, kind, width, bool(from_logits), class_names, top_k or int(class_names is not None))


def _kind(model, place, loss, width):
    """What an output holds, by its last layer, else by its loss, else by its width; None: nobody knows."""
    end = ends_in(model, place)
    if end == "probabilities":
        return "classes"
    if end == "sigmoid probabilities":
        return "questions"
    if isinstance(loss, RobustLoss):
        return "questions" if loss.asks_questions or width == 1 else "classes"
    if loss is None:
        return "classes" if width is not None and width > 1 else None
    named = _loss_name(loss).lower()
    if "binary" in named:
        return "questions"
    if "categorical" in named or _reads_logits(loss) is not None:
        return "classes"
    keras_own = getattr(getattr(loss, "fn", loss), "__module__", "").startswith("keras.")
    return "values" if keras_own else None


def _resolved(loss):
    """The loss that Keras has by a name."""
    if isinstance(loss, str):
        with contextlib.suppress(ValueError):
            return keras.losses.get(loss)
    return loss


def _loss_name(loss):
    return getattr(loss, "__name__", type(loss).__name__)


def _reads_logits(loss):
    """Whether a loss reads logits, a function by its default; None where it does not say."""
    if inspect.isfunction(loss):
        argument = inspect.signature(loss).parameters.get("from_logits")
        known = argument and argument.default
    else:
        known = getattr(loss, "from_logits", None)
    return known if isinstance(known, bool) else None


def _ends_in_logits(model, place, loss, where):
    """Whether an output holds logits. What its loss says and what its last layer is, where both know, must agree."""
    end = ends_in(model, place)
    by_layer = None if end is None else end == "logits"
    by_loss = _reads_logits(loss)
    if None not in (by_layer, by_loss) and by_loss != by_layer:
        raise ValueError(
            f"{where} ends in {end}, and its loss, {_loss_name(loss)}(from_logits={by_loss}), reads "
            f"{'logits' if by_loss else 'probabilities'}: one of them is wrong. Train it anew, or say what the model "
            f"ends in by from_logits={by_layer}."
        )
    known = by_layer if by_loss is None else by_loss
    if known is None:
        raise ValueError(
            f"Neither the loss of the model nor its last layer tells whether {where[0].lower()}{where[1:]} ends in "
            "logits or in probabilities. Say so: from_logits=True or from_logits=False."
        )
    return known
