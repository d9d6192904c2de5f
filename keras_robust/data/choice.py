"""Which pipeline makes the batches: TensorFlow's tf.data, or the one that prepares images in the training step."""

import functools
import importlib.util
import warnings

from keras_robust.checks import OneOf

PIPELINE = OneOf(("tf.data", "device"))


def checked_pipeline(owner: str, pipeline: str | None) -> str:
    """The name of a pipeline; for None that of tf.data, or, where TensorFlow is not installed, the other one.

    Raises:
        ValueError: for another name.
    """
    if pipeline is not None:
        return PIPELINE.check(owner, "pipeline", pipeline)
    return "tf.data" if importlib.util.find_spec("tensorflow") else _without_tensorflow()


@functools.cache
def _without_tensorflow():
    """Said once."""
    warnings.warn(
        'TensorFlow is not installed: pipeline="device" is used, which prepares images in the training step.',
        stacklevel=4,
    )
    return "device"
