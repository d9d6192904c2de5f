"""Images that no camera took, in the shape of a data set: for rehearsing a training where the data are missing."""

import numpy as np

from keras_robust.catalog import Dataset, row_of
from keras_robust.checks import at_least
from keras_robust.data.sources import Arrays

# Where sizes differ: the smallest images that an ImageNet stem takes.
SMALLEST = (64, 64, 3)


def generated(name: str | Dataset, train_size: int = 256, test_size: int = 64, seed: int = 0) -> Arrays:
    """Images of noise around one random picture for each class, uint8, with the classes and channels of a data set.

    Args:
        name: the data set whose shape they have; 64 x 64 pixels where its images differ in size.
        train_size, test_size: numbers of images, at least 1. Classes take turns.
        seed: a whole number; the same seed gives the same images.

    Raises:
        ValueError: for an unknown name, or a value out of range.

    Example:

    >>> arrays = keras_robust.data.generated("cifar100", train_size=200)
    >>> arrays.x_train.shape, arrays.num_classes
    ((200, 32, 32, 3), 100)
    """
    row = row_of(name, "generated", "name")
    shape, K = row.image_shape or SMALLEST, row.num_classes
    sizes = {"train_size": train_size, "test_size": test_size}
    total = sum(at_least(1, integer=True).check("generated", key, size) for key, size in sizes.items())
    rng = np.random.default_rng(at_least(0, integer=True).check("generated", "seed", seed))
    labels = (np.arange(total) % K).astype("int32")
    pictures = rng.integers(64, 192, (K, *shape))
    images = (pictures[labels] + rng.integers(-48, 48, (total, *shape))).astype("uint8")
    parts = (images[:train_size], labels[:train_size], images[train_size:], labels[train_size:])
    return Arrays(row.stored, *parts, class_names=row.class_names)
