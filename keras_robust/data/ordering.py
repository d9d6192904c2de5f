"""Whether a tf.data pipeline comes in the same order every time: only then a position stands for a sample."""

import re

# Steps whose functions decide which elements come, and when; that of `map` only says what becomes of one.
_CHOOSING = re.compile("Filter|FlatMap|Interleave|TakeWhile|GroupBy|Window|Scan")
_RANDOM = re.compile("Random|Multinomial|^Rng|ParameterizedTruncatedNormal")

_PARALLEL = "{} with deterministic=False hands on whatever is ready first. Say deterministic=True there"
_SHUFFLES = "{} shuffles anew each time. Number the data set before it does, and shuffle what you get"
_DRAWS = "{} draws random numbers. Number the data set before it does"


def unsteady_step(dataset) -> str | None:
    """What makes the order of a data set another one each time, and what to do about it; None for a fixed order.

    Seen are the steps of the pipeline and those in the functions that they call; not what Python code does, as in
    `from_generator` and `py_function`.

    Example:

    >>> import tensorflow as tf
    >>> unsteady_step(tf.data.Dataset.range(9).shuffle(9))
    'shuffle shuffles anew each time. Number the data set before it does, and shuffle what you get'
    >>> unsteady_step(tf.data.Dataset.range(9).shuffle(9, seed=1, reshuffle_each_iteration=False))
    """
    options = dataset.options()
    if options.deterministic is False:
        return "options().deterministic=False hands on whatever is ready first. Leave it at True"
    return _unsteady(dataset)


def _unsteady(dataset):
    kind = type(dataset).__name__
    name = _spoken(kind)
    if getattr(dataset, "new_each_time", False) or "DataService" in kind:
        return _SHUFFLES.format("load" if hasattr(dataset, "new_each_time") else name)
    if "Shuffle" in kind and getattr(dataset, "_reshuffle_each_iteration", True) is not False:
        return _SHUFFLES.format(name)
    if "Random" in kind:
        return _DRAWS.format("sample_from_datasets, rejection_resample or Dataset.random")
    if getattr(dataset, "_deterministic", None) == "false":
        return _PARALLEL.format(name)
    if "ParallelInterleave" in kind and _hands_on_what_is_ready(dataset):
        return _PARALLEL.format("interleave")
    for wrapper in dataset._functions():
        if found := _unsteady_operation(wrapper.function.graph, choosing=bool(_CHOOSING.search(kind))):
            return found
    return next(filter(None, map(_unsteady, dataset._inputs())), None)


def _spoken(kind):
    """The method that makes a step, by the step's class: "batch" for _ParallelBatchDataset."""
    plain = re.sub("^_?(Parallel)?|(Dataset)?(V[0-9]+)?$", "", kind)
    return re.sub("(?<!^)(?=[A-Z])", "_", plain).lower()


def _hands_on_what_is_ready(dataset):
    """Whether an interleave is said to be not deterministic, which its Python object does not keep."""
    import tensorflow as tf

    policy = tf.data.experimental.ExternalStatePolicy.IGNORE
    graph = tf.compat.v1.GraphDef.FromString(dataset._as_serialized_graph(external_state_policy=policy).numpy())
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return any(node.attr["deterministic"].s == b"false" for node in nodes if "deterministic" in node.attr)


def _unsteady_operation(graph, choosing):
    """The same of the operations in a function, and in the functions that it calls."""
    for operation in graph.get_operations():
        kind, attributes = operation.type, operation.node_def.attr
        if kind.endswith(("Dataset", "DatasetV2", "DatasetV3", "DatasetV4")):
            if "Shuffle" in kind and not _same_shuffle(operation):
                return _SHUFFLES.format("shuffle, in a function,")
            if attributes["deterministic"].s == b"false":
                return _PARALLEL.format(f"{_spoken(kind)}, in a function,")
        if choosing and operation.op_def.is_stateful and _RANDOM.search(kind):
            return _DRAWS.format("a function that decides which samples come")
    inner = (found.graph for found in graph._functions.values() if getattr(found, "graph", None) is not None)
    return next(filter(None, (_unsteady_operation(one, choosing) for one in inner)), None)


def _same_shuffle(operation):
    import tensorflow as tf

    if operation.node_def.attr["reshuffle_each_iteration"].b:
        return False
    # A shuffle that is made anew for every element draws its own seed unless it has one: 0 and 0 stand for none.
    return any(tf.get_static_value(tensor) != 0 for tensor in operation.inputs[2:4])
