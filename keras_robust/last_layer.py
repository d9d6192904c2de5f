"""What a model ends in, as far as its last layer can be seen, and whether its losses read just that."""

import warnings

import keras

# By the name of the last activation.
_ENDS = {
    **dict.fromkeys(("linear", "log_softmax", "LogSoftmax"), "logits"),
    **dict.fromkeys(("softmax", "Softmax"), "probabilities"),
    **dict.fromkeys(("sigmoid", "Sigmoid"), "sigmoid probabilities"),
}
# Layers and operations that leave scores what they are.
_PASSING = (keras.layers.Identity, keras.layers.Dropout, keras.layers.Reshape)


def ends_in(model: keras.Model, output: int = 0) -> str | None:
    """What an output of a model holds: "logits", "probabilities", "sigmoid probabilities"; None where nobody can see.

    Seen are functional and Sequential models, nested ones too, whose last layer is Keras' own. A `call` of the user's
    own may do anything to scores, so nothing is said of it.

    Example:

    >>> ends_in(keras.Sequential([keras.layers.Dense(3), keras.layers.Softmax()]))
    'probabilities'
    """
    if not _of_keras(model):
        return None
    outputs = _outputs(model)
    if outputs:
        return _end(outputs[output]) if output < len(outputs) else None
    # A Sequential that is not built yet has layers and no tensors.
    return _end_of_layers(list(getattr(model, "layers", ()))) if isinstance(model, keras.Sequential) else None


def contradictions(model: keras.Model) -> list[tuple]:
    """(loss, what the model ends in) for each compiled loss that reads something else than it is given."""
    found = []
    for output, loss in losses_by_output(model, getattr(model, "loss", None)):
        reads, end = getattr(loss, "from_logits", None), ends_in(model, output)
        if isinstance(reads, bool) and end is not None and reads != (end == "logits"):
            found.append((loss, end))
    return found


def losses_by_output(model: keras.Model, loss) -> list[tuple]:
    """(number of the output, loss) of each loss that can be laid to one, of what a model was compiled with."""
    outputs = _outputs(model)
    flat = keras.tree.flatten(loss)
    if len(outputs) < 2:
        return [(0, one) for one in flat]
    if isinstance(loss, dict):
        placed = {name: place for place, name in enumerate(model.output_names)}
        structure = getattr(model, "_outputs_struct", None)
        if isinstance(structure, dict):
            placed |= {name: place for place, name in enumerate(sorted(structure))}
        return [(placed[name], one) for name, one in loss.items() if name in placed]
    if len(flat) == len(outputs):
        return list(enumerate(flat))
    return [(output, flat[0]) for output in range(len(outputs))] if len(flat) == 1 else []


def check_last_layer(model: keras.Model, stacklevel: int = 3) -> None:
    """Says so where a loss contradicts the last layer of the model that is about to be trained by it.

    Raises:
        ValueError: for logits that are read as probabilities: their logarithms are NaN.

    Warns:
        UserWarning: for probabilities that are read as logits: training works, and badly.
    """
    for loss, end in contradictions(model):
        kind = type(loss).__name__
        if end == "logits":
            raise ValueError(
                f"The model ends in logits, a linear last layer, and its loss reads probabilities. Make the loss "
                f"{kind}(..., from_logits=True), or give the last layer the activation 'softmax'. Received: "
                f"{kind}(from_logits=False) for {model.name}."
            )
        warnings.warn(
            f"The model {model.name} ends in {end}, and its loss reads logits, {kind}(from_logits=True): it takes the "
            f"softmax of what is one already, and hardly learns. Make the loss {kind}(..., from_logits=False), or the "
            "last layer linear.",
            stacklevel=stacklevel,
        )


def _of_keras(operation):
    """Whether what it does when it is called is Keras' own code."""
    return type(operation).call.__module__.split(".")[0] == "keras"


def _outputs(model):
    try:
        return list(model.outputs or ())
    except (AttributeError, ValueError):
        return []


def _end(tensor):
    history = getattr(tensor, "_keras_history", None)
    while history is not None:
        operation = history.operation
        if not _passes(operation):
            return _end_of(operation, history.tensor_index)
        history = operation.input._keras_history
    return None


def _end_of_layers(layers):
    while layers and _passes(layers[-1]):
        layers.pop()
    return _end_of(layers[-1]) if layers else None


def _passes(operation):
    linear = isinstance(operation, keras.layers.Activation) and operation.activation is keras.activations.linear
    return linear or (isinstance(operation, _PASSING) and _of_keras(operation))


def _end_of(operation, output=0):
    if isinstance(operation, keras.layers.TimeDistributed):
        operation = operation.layer
    if not _of_keras(operation):
        return None
    if isinstance(operation, keras.Model):
        return ends_in(operation, output)
    activation = getattr(operation, "activation", operation)
    return _ENDS.get(getattr(activation, "__name__", type(activation).__name__))
