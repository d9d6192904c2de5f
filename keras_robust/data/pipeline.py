"""tf.data pipelines: the order of the samples, images from memory or disk, and what is done to them."""

import warnings
from dataclasses import dataclass

import keras
import numpy as np

from keras_robust.catalog import ImageRecipe
from keras_robust.checks import missing
from keras_robust.data.augment import Augmentation
from keras_robust.data.folders import Files, Records


def hide_gpus_from_tensorflow():
    """Keeps TensorFlow off the GPUs when it only feeds data to JAX or PyTorch; under its own backend it keeps them.

    It would otherwise reserve most of their memory when it makes its first tensor. `load` and `with_provenance`
    call this before they do; call it yourself, early, if your program uses TensorFlow before them.

    Warns:
        UserWarning: if TensorFlow has taken the GPUs already.

    Example:

    >>> keras_robust.data.hide_gpus_from_tensorflow()
    """
    if keras.backend.backend() == "tensorflow":
        return
    tf = import_tensorflow()
    if not tf.config.list_physical_devices("GPU") or not tf.config.get_visible_devices("GPU"):
        return
    try:
        tf.config.set_visible_devices([], "GPU")
    except RuntimeError:
        warnings.warn(
            f"TensorFlow was used before and has taken the GPUs, although it only feeds {keras.backend.backend()}. "
            "Call keras_robust.data.hide_gpus_from_tensorflow() at the start of the program.",
            stacklevel=2,
        )


def import_tensorflow():
    try:
        import tensorflow as tf
    except ImportError as error:
        raise missing("Data pipelines are built with TensorFlow's tf.data, whatever Keras' backend", "tfds") from error
    return tf


@dataclass(frozen=True)
class Preparation:
    """What is done to images: read, cut to size, augmented with a seed, normalized.

    Attributes:
        recipe: normalization, and how images from disk are cut.
        augmentation: for training; None for images as they are.
    """

    recipe: ImageRecipe
    augmentation: Augmentation | None = None

    def cut(self, image, seed):
        """The square of an image (height, width, 3), uint8, that the recipe asks for, float32."""
        import tensorflow as tf

        row, image = self.recipe, tf.cast(image, tf.float32)
        square = (row.size, row.size)
        if self.augmentation is not None and row.crop == "resized":
            start, extent, _ = tf.image.stateless_sample_distorted_bounding_box(
                tf.shape(image),
                tf.zeros((1, 0, 4)),
                seed,
                min_object_covered=0.0,
                aspect_ratio_range=(3 / 4, 4 / 3),
                area_range=(0.08, 1.0),
                use_image_if_no_bounding_boxes=True,
            )
            part = tf.slice(image, start, extent)
            return tf.ensure_shape(tf.image.resize(part, square), (*square, 3))
        sides = tf.shape(image)[:2]
        scale = row.resize / tf.reduce_min(sides)
        target = tf.cast(tf.round(tf.cast(sides, tf.float64) * scale), tf.int32)
        # Otherwise images that have the size already would be resampled.
        same = tf.reduce_all(target == sides)
        image = tf.cond(same, lambda: image, lambda: tf.image.resize(image, target, antialias=True))
        spare = tf.shape(image)[:2] - row.size
        if self.augmentation is not None and row.crop == "random":
            fraction = tf.random.stateless_uniform((2,), seed)
            start = tf.cast(fraction * tf.cast(spare + 1, tf.float32), tf.int32)
        else:
            start = spare // 2
        image = tf.slice(image, tf.concat([start, [0]], 0), (*square, 3))
        return tf.ensure_shape(image, (*square, 3))

    def finish(self, images, seed):
        """Images (batch, height, width, channels) in [0, 255], augmented and normalized, float32."""
        import tensorflow as tf

        if self.augmentation is not None:
            before = images.shape[1:]
            images = tf.cast(self.augmentation(images, seed), tf.float32)
            if not images.shape[1:].is_compatible_with(before):
                raise ValueError(
                    f"`augment` must keep images as large as those of the test set, {tuple(before)}. It makes them "
                    f"{tuple(images.shape[1:])}."
                )
            images = tf.ensure_shape(images, (None, *before))
        scale = 1.0 / (255.0 * np.array(self.recipe.std))
        shift = -np.array(self.recipe.mean) / np.array(self.recipe.std)
        return images * scale.astype("float32") + shift.astype("float32")


def order(n: int, seed: int | None, first_epoch: int = 0, chosen=None):
    """A data set of (position, seed) of samples: as they are (None), or in a new random order at each iteration.

    The seed (2,), int64, belongs to the sample in this iteration. Everything follows from `seed` and from how often the
    data set was iterated before, `first_epoch` iterations counted in.

    Args:
        n: number of samples.
        chosen: positions of those that are used; None for all n.
    """
    tf = import_tensorflow()
    numbers = tf.range(n, dtype=tf.int64) if chosen is None else tf.constant(chosen, tf.int64)
    n = len(numbers)
    if seed is None:
        return tf.data.Dataset.from_tensor_slices((numbers, tf.zeros((n, 2), tf.int64)))

    # Counted here: what tf.data draws by itself depends on whether tf.random.set_seed was called.
    with tf.device("CPU:0"):
        past = tf.Variable(first_epoch, dtype=tf.int64, trainable=False)

    def one_epoch(_):
        count = past.assign_add(1) - 1
        epoch = tf.random.stateless_uniform((), tf.stack([seed, count]), None, None, tf.int64)
        shuffled = tf.random.experimental.stateless_shuffle(numbers, tf.stack([epoch, 0]))
        return tf.data.Dataset.from_tensor_slices((shuffled, tf.stack([tf.fill((n,), epoch), numbers + 1], axis=1)))

    epochs = tf.data.Dataset.from_tensors(0).flat_map(one_epoch)
    epochs.new_each_time = True
    return epochs.apply(tf.data.experimental.assert_cardinality(n))


def image_batches(
    images,
    targets,
    batch_size: int,
    preparation: Preparation,
    seed=None,
    drop_remainder=False,
    first_epoch=0,
    chosen=None,
):
    """Batches (images, targets) of a data set.

    Args:
        images: an array in memory (uint8, or float32 in [0, 1]), `Files` or `Records`.
        targets: an array (n,), or a dict of such arrays.
        seed: None for the order of the data set, a whole number for a new random order each epoch.
        first_epoch: epochs that count as past.
        chosen: positions of the samples that are used, or None for all.
    """
    tf = import_tensorflow()
    # Under TensorFlow's backend the whole data set would else be copied to the GPU.
    with tf.device("CPU:0"):
        columns = tf.nest.map_structure(tf.constant, targets)
        read = None if isinstance(images, Files) else _reader(images)
        order_ = order(len(tf.nest.flatten(columns)[0]), seed, first_epoch, chosen)
        if read is None:
            order_ = _decoded(order_, images.paths, preparation)

    def batch(*elements):
        *decoded, positions, seeds = elements
        pixels = decoded[0] if decoded else read(positions)
        chosen = tf.nest.map_structure(lambda column: tf.gather(column, positions), columns)
        return preparation.finish(pixels, seeds[0]), chosen

    alone = preparation.augmentation is not None and not preparation.augmentation.parallel
    batches = order_.batch(batch_size, drop_remainder=drop_remainder).map(
        tf.autograph.experimental.do_not_convert(batch), num_parallel_calls=None if alone else tf.data.AUTOTUNE
    )
    return ready(batches)


def ready(dataset):
    """The same order in every run, and batches made while the model works on the one before."""
    tf = import_tensorflow()
    options = tf.data.Options()
    options.deterministic = True
    return dataset.with_options(options).prefetch(tf.data.AUTOTUNE)


def _reader(images):
    """A function from positions (batch,) to images (batch, height, width, channels) in [0, 255], float32."""
    tf = import_tensorflow()
    if isinstance(images, Records):

        def read(positions):
            pixels = tf.numpy_function(images.read, [positions], tf.uint8)
            return tf.cast(tf.ensure_shape(pixels, (None, *images.shape)), tf.float32)

        return read
    whole = tf.constant(images)
    unit = 1.0 if images.dtype == np.uint8 else 255.0
    return lambda positions: tf.cast(tf.gather(whole, positions), tf.float32) * unit


def _decoded(order_, paths, preparation):
    """Elements (image, position, seed), the images read, decoded and cut in parallel, in order."""
    tf = import_tensorflow()
    names = tf.constant(paths)
    nothing = tf.zeros((0, 0, 3), tf.uint8)

    def image(position, seed):
        path = tf.data.Dataset.from_tensors(tf.gather(names, position))
        read = path.map(lambda name: tf.io.decode_image(tf.io.read_file(name), channels=3, expand_animations=False))
        # The decoder's own error would not say which file it was.
        found = read.ignore_errors().concatenate(tf.data.Dataset.from_tensors(nothing)).take(1)
        return found.map(lambda pixels: (pixels, position, seed))

    def cut(pixels, position, seed):
        message = tf.strings.join([tf.gather(names, position), " is not a readable image"])
        with tf.control_dependencies([tf.debugging.Assert(tf.size(pixels) > 0, [message])]):
            return preparation.cut(tf.identity(pixels), seed), position, seed

    decoded = order_.interleave(
        image, cycle_length=16, block_length=1, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    counted = tf.data.experimental.assert_cardinality(order_.cardinality())
    return decoded.map(cut, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).apply(counted)
