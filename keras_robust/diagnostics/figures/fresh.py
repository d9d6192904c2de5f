"""What a network that has learned nothing makes of images: its first logits."""

from collections.abc import Callable

import numpy as np
from keras import ops

from keras_robust.data import generated, load_arrays


def first_images(name: str, count: int, data_dir=None):
    """The first training images of a data set, standardized by channel, their labels, and what they are.

    Generated images of its shape where the data set is not at hand.
    """
    try:
        arrays, what = load_arrays(name, data_dir), f"the first {count} images of {name}"
    except (FileNotFoundError, ImportError):
        arrays, what = generated(name, train_size=count), f"{count} generated images of the shape of {name}"
    images = arrays.x_train[:count].astype("float32")
    images = (images - images.mean(axis=(0, 1, 2))) / images.std(axis=(0, 1, 2))
    return images, arrays.y_train[:count], what


def fresh_logits(build: Callable, images, num_classes: int, networks: int) -> np.ndarray:
    """Logits (networks, n, classes) of new networks, each with weights of its own.

    Batch normalization takes the statistics of the images, as in the first step of training. Weights come from Keras'
    own generator: call `keras.utils.set_random_seed` before to get the same ones again.

    Args:
        build: a network of `models`, such as `models.mlp1024`.
        images: (n, height, width, channels).
        num_classes: K.
        networks: how many.
    """
    found = np.empty((networks, len(images), num_classes), "float32")
    for place in range(networks):
        model = build(images.shape[1:], num_classes, classifier_activation=None)
        found[place] = ops.convert_to_numpy(model(images, training=True))
    return found


def label_margins(logits, labels) -> np.ndarray:
    """The label's margin of logits (..., n, classes) with class ids (n,)."""
    logits = np.array(logits, "float64")
    places = np.broadcast_to(np.asarray(labels)[:, None], (*logits.shape[:-1], 1)).astype(int)
    label = np.take_along_axis(logits, places, axis=-1)[..., 0]
    np.put_along_axis(logits, places, -np.inf, axis=-1)
    largest = logits.max(axis=-1)
    return label - largest - np.log(np.exp(logits - largest[..., None]).sum(axis=-1))
