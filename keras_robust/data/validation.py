"""Training images that are kept back, and images in batches as a network is tested on them."""

import keras
import numpy as np

from keras_robust.catalog import Dataset
from keras_robust.checks import Interval, refuse
from keras_robust.data.augment import image_recipe
from keras_robust.data.choice import checked_pipeline
from keras_robust.data.decoding import raw_feed
from keras_robust.data.loading import chosen
from keras_robust.data.pipeline import Preparation, hide_gpus_from_tensorflow, image_batches
from keras_robust.data.provenance import BATCH_SIZE, SEED

# Beside the seed of a run, from which the noise and the orders are drawn too.
_STREAM = 4


def held_out(size: int, share: float, seed: int = 0, fraction: float = 1.0) -> np.ndarray:
    """Positions of training samples to validate on, drawn at random and ascending.

    Args:
        size: number of training samples.
        share: of them that is held out, greater than 0 and less than 1.
        seed: a whole number; the same seed gives the same positions.
        fraction: as in `load`: the share is one of the samples that are used.

    Raises:
        ValueError: for a value out of range, or a share that leaves nothing to train on or to validate on.

    Example:

    >>> keras_robust.data.held_out(size=20, share=0.2, seed=1).tolist()
    [4, 10, 12, 18]
    """
    share = Interval(0.0, 1.0, open_low=True, open_high=True).check("held_out", "share", share)
    used = chosen(size, Interval(0.0, 1.0, open_low=True).check("held_out", "fraction", fraction))
    used = np.arange(size) if used is None else used
    count = round(share * len(used))
    if not 0 < count < len(used):
        rule = f"a share of {len(used):,} training samples that is one of them or more, and not all"
        refuse("held_out", "share", rule, share)
    rng = np.random.default_rng([SEED.check("held_out", "seed", seed), _STREAM])
    return np.sort(rng.permutation(used)[:count])


def as_tested(
    name: str | Dataset,
    images,
    labels,
    augment: str | None = None,
    batch_size: int = 128,
    positions=None,
    pipeline: str | None = None,
):
    """Batches (images, labels) as a network is tested on them: in order, normalized, cut to size, not augmented.

    Args:
        name: of the data set, or its row, whose normalization is taken.
        images: as they are stored: uint8, or float32 in [0, 1]; or files on disk.
        labels: class ids (n,), or a dict of such arrays by name.
        augment: recipe of the data set that brings its own normalization, as in `load`.
        batch_size: samples a batch.
        positions: of those that are taken; None for all.
        pipeline: as in `load`; images of "device" are raw, and normalized in the model.

    Returns:
        A `tf.data.Dataset`, or a `Feed`.

    Raises:
        ValueError: for an unknown recipe. ImportError: without TensorFlow.

    Example:

    >>> arrays = keras_robust.data.generated("mnist", 8, 4)
    >>> batches = keras_robust.data.as_tested("mnist", arrays.x_test, arrays.y_test, batch_size=3)
    >>> [images.shape[0] for images, labels in batches]
    [3, 1]
    """
    batch_size = BATCH_SIZE.check("as_tested", "batch_size", batch_size)
    recipe = image_recipe(name, augment)
    labels = keras.tree.map_structure(lambda ids: np.asarray(ids, "int32"), labels)
    if checked_pipeline("as_tested", pipeline) == "device":
        return raw_feed(images, labels, recipe, batch_size, rows=positions)
    hide_gpus_from_tensorflow()
    return image_batches(images, labels, batch_size, Preparation(recipe), chosen=positions)
