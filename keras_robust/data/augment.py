"""How the papers augment images: Keras layers made from a recipe, that follow a given seed."""

import contextlib

import keras
import numpy as np

from keras_robust.catalog import ImageRecipe, row_of
from keras_robust.checks import refuse


def image_recipe(dataset, name: str | None = None) -> ImageRecipe:
    """What happens to the images of a data set: the default, or the recipe of that name.

    Raises:
        ValueError: for a name that the data set has no recipe of.

    Example:

    >>> image_recipe("cifar100", "logit_bias").rotation
    15
    """
    row = row_of(dataset)
    known = {recipe.name: recipe for recipe in row.recipes}
    if name is None:
        return next(iter(known.values()))
    if name not in known:
        names = ", ".join(map(repr, known))
        refuse("load", "augment", f"True, False, a Keras layer, or a recipe of {row.name}: {names}", name)
    return known[name]


def augmentation_layers(recipe: ImageRecipe, height: int, width: int) -> list:
    """The augmentation of batches of images in [0, 255], as Keras' own preprocessing layers, in order."""
    fixed = {"dtype": "float32", "data_format": "channels_last"}
    zeros = {"fill_mode": "constant", "fill_value": 0.0, "interpolation": "nearest", **fixed}
    made = []
    if recipe.shift:
        # Rounded to whole pixels, each shift from -shift to shift is equally likely, as in a crop after padding.
        # (`RandomCrop` cuts a whole batch at one place.)
        largest = recipe.shift + 0.5
        made.append(keras.layers.RandomTranslation(largest / height, largest / width, **zeros))
    if recipe.flip:
        made.append(keras.layers.RandomFlip("horizontal", **fixed))
    if recipe.rotation:
        made.append(keras.layers.RandomRotation(recipe.rotation / 360.0, **zeros))
    if recipe.jitter:
        brightness, contrast, saturation, hue = recipe.jitter
        # Keras adds to the brightness where the papers' code multiplies it by 1 ± brightness: the same change of an
        # image of ImageNet's mean brightness, 0.449. Its saturation factor s multiplies by s / (1 - s), its hue factor
        # is in half turns. It lets saturations beyond 1 pass unless images are in [0, 1].
        added = 0.449 * brightness
        multiplied = tuple(factor / (1.0 + factor) for factor in (1.0 - saturation, 1.0 + saturation))
        made += [
            keras.layers.Rescaling(1 / 255, dtype="float32"),
            keras.layers.RandomColorJitter((0, 1), (-added, added), contrast, multiplied, 2.0 * hue, **fixed),
            keras.layers.Rescaling(255.0, dtype="float32"),
        ]
    return made


class Augmentation:
    """Layers applied to a batch of images in [0, 255] inside tf.data, for training, with a seed for each batch.

    Keras' own preprocessing layers, alone or in a `Pipeline` or `Sequential`, draw from the seed alone: the same images
    come out whatever the backend, the parallelism or what was drawn before. KerasCV's layers draw from TensorFlow's
    generators. Any other layer is part of tf.data's graph on TensorFlow; on JAX and PyTorch it is called from there,
    with its seed generators set to the batch's seed, which is slower. These two kinds get one batch at a time.
    """

    def __init__(self, layers):
        self.layers = [inner for layer in layers for inner in _unpacked(layer)]
        own = all(_is_from(layer, "keras") for layer in _flat(self.layers))
        self.in_graph = keras.backend.backend() == "tensorflow" or all(map(_runs_in_tf_data, self.layers))
        self.parallel = own and self.in_graph

    def __call__(self, images, seed):
        """Images (batch, height, width, channels), float32, and a seed (2,), int64, to images."""
        if not self.layers:
            return images
        import tensorflow as tf

        if self.in_graph:
            if not all(layer.built for layer in _flat(self.layers)):
                # Building a layer may draw, and only the first function that is traced builds it.
                with _drawing_from(_flat(self.layers), seed):
                    tf.function(self._apply).get_concrete_function(tf.TensorSpec(images.shape, images.dtype))
            with _drawing_from(_flat(self.layers), seed):
                return self._apply(images)
        augmented = tf.numpy_function(self._apply_outside, [images, seed], tf.float32)
        return tf.ensure_shape(augmented, images.shape)

    def _apply(self, images):
        for layer in self.layers:
            images = layer(images, training=True)
        return images

    def _apply_outside(self, images, seed):
        for number, layer in enumerate(_flat(self.layers)):
            for generator in _generators(layer).values():
                generator.state.assign(np.abs(seed + number) % 2**31)
        return np.asarray(keras.ops.convert_to_numpy(self._apply(images)), "float32")


class _GivenSeed(keras.random.SeedGenerator):
    """A seed generator without a state: what it gives follows from a tensor, by the number of draws."""

    def __init__(self, seed):
        self.seed, self.drawn = seed, 0

    def next(self, ordered=True):
        import tensorflow as tf

        self.drawn += 1
        return tf.random.fold_in(self.seed, self.drawn)


@contextlib.contextmanager
def _drawing_from(layers, seed):
    """While a function of tf.data is traced, layers draw from that seed instead of their own generators."""
    given = _GivenSeed(seed)
    with contextlib.ExitStack() as stack:
        for layer in layers:
            attributes = vars(layer)
            # The second is where Keras keeps a layer's generators for tf.data under another backend.
            lent = {**dict.fromkeys(_generators(layer), given), "_backend_generators": {"tensorflow": given}}
            own = {name: attributes[name] for name in lent if name in attributes}
            stack.callback(_give_back, attributes, lent, own)
            attributes.update(lent)
        yield


def _give_back(attributes, lent, own):
    for name in lent:
        del attributes[name]
    attributes.update(own)


def _generators(layer):
    return {name: value for name, value in vars(layer).items() if isinstance(value, keras.random.SeedGenerator)}


def _flat(layers):
    return [inner for layer in layers for inner in layer._flatten_layers()]


def _unpacked(layer):
    """`Sequential` does not run in tf.data under JAX and PyTorch, its layers may."""
    return (
        [deep for inner in layer.layers for deep in _unpacked(inner)]
        if isinstance(layer, keras.Sequential)
        else [layer]
    )


def _is_from(layer, package):
    return type(layer).__module__.partition(".")[0] == package


def _runs_in_tf_data(layer):
    from keras.src.layers.preprocessing.data_layer import DataLayer

    if isinstance(layer, keras.layers.Pipeline):
        return all(map(_runs_in_tf_data, layer.layers))
    return isinstance(layer, DataLayer) or _is_from(layer, "keras_cv")
