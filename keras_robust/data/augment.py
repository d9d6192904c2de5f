"""How the papers normalize and augment images: a table, and Keras layers made from it that follow a given seed."""

import contextlib
from dataclasses import dataclass

import keras
import numpy as np

from keras_robust.checks import refuse

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@dataclass(frozen=True)
class Recipe:
    """What happens to the images of a data set.

    Attributes:
        name, dataset: what it is called and which data set it is for.
        mean, std: subtracted from and divided into images in [0, 1], by channel.
        source: where the numbers are from.
        shift: pixels of zero padding around an image before it is cropped at random to its size.
        flip: whether half of the images are mirrored, left and right exchanged.
        rotation: largest angle of a random rotation, in degrees; corners are filled with zeros.
        jitter: largest changes of brightness, contrast, saturation and hue (in turns of the color circle).
        resize: length to which the shorter side of an image from disk is brought; None: as it is.
        size: side of the square cut out of an image from disk.
        crop: how that is done for training: "center"; "random"; "resized", a random part of 8% to 100% of the area with
            sides of ratio 3/4 to 4/3, brought to that size. Test images are always resized and cut at the center.
    """

    name: str
    dataset: str
    mean: tuple
    std: tuple
    source: str
    shift: int = 0
    flip: bool = False
    rotation: float = 0.0
    jitter: tuple | None = None
    resize: int | None = None
    size: int | None = None
    crop: str = "center"

    def layers(self, height: int, width: int) -> list:
        """The augmentation of batches of images in [0, 255], as Keras' own preprocessing layers, in order."""
        fixed = {"dtype": "float32", "data_format": "channels_last"}
        zeros = {"fill_mode": "constant", "fill_value": 0.0, "interpolation": "nearest", **fixed}
        made = []
        if self.shift:
            # Rounded to whole pixels, each shift from -shift to shift is equally likely, as in a crop after padding.
            # (`RandomCrop` cuts a whole batch at one place.)
            largest = self.shift + 0.5
            made.append(keras.layers.RandomTranslation(largest / height, largest / width, **zeros))
        if self.flip:
            made.append(keras.layers.RandomFlip("horizontal", **fixed))
        if self.rotation:
            made.append(keras.layers.RandomRotation(self.rotation / 360.0, **zeros))
        if self.jitter:
            brightness, contrast, saturation, hue = self.jitter
            # Keras adds to the brightness where the papers' code multiplies it by 1 ± brightness: the same change of an
            # image of ImageNet's mean brightness. Its saturation factor s multiplies by s / (1 - s), its hue factor is
            # in half turns. It lets saturations beyond 1 pass unless images are in [0, 1].
            added = brightness * float(np.mean(IMAGENET["mean"]))
            multiplied = tuple(factor / (1.0 + factor) for factor in (1.0 - saturation, 1.0 + saturation))
            made += [
                keras.layers.Rescaling(1 / 255, dtype="float32"),
                keras.layers.RandomColorJitter((0, 1), (-added, added), contrast, multiplied, 2.0 * hue, **fixed),
                keras.layers.Rescaling(255.0, dtype="float32"),
            ]
        return made


_ANL = "released code of Ye et al. 2023"
_DAL = "released code of Li et al. 2023"
_DIVIDEMIX = "released code of DivideMix (Li et al. 2020)"
_CIFAR10 = {"dataset": "cifar10", "mean": (0.4914, 0.4822, 0.4465), "shift": 4, "flip": True}
_CIFAR100 = {"dataset": "cifar100", "shift": 4, "flip": True}
_RGB100 = {"mean": (0.5071, 0.4865, 0.4409), "std": (0.2673, 0.2564, 0.2762)}
_WEB = {"resize": 256, "size": 224, "crop": "resized", "flip": True, "jitter": (0.4, 0.4, 0.4, 0.2), **IMAGENET}
_CLOTHES = {"mean": (0.6959, 0.6537, 0.6371), "std": (0.3113, 0.3192, 0.3214)}

# The first row of a data set is its default.
RECIPES = (
    Recipe("plain", "digits", (0.0,), (1.0,), "pixels as they are"),
    Recipe("anl", "mnist", (0.1307,), (0.3081,), _ANL),
    Recipe("plain", "fashion_mnist", (0.2860,), (0.3530,), "mean and deviation of the training pixels"),
    Recipe("anl", std=(0.2470, 0.2435, 0.2616), source=_ANL, **_CIFAR10),
    Recipe("dal", std=(0.2023, 0.1994, 0.2010), source=_DAL, **_CIFAR10),
    Recipe("anl", rotation=20, source=_ANL, **_RGB100, **_CIFAR100),
    Recipe("dal", mean=(0.5071, 0.4867, 0.4408), std=(0.2675, 0.2565, 0.2761), source=_DAL, **_CIFAR100),
    Recipe("logit_bias", rotation=15, source="Staats et al. 2023, appendix", **_RGB100, **_CIFAR100),
    Recipe("anl", "webvision", source=_ANL, **_WEB),
    Recipe("anl", "mini_webvision", source=f"{_ANL} and of Li et al. 2023", **_WEB),
    Recipe(
        "dividemix", "mini_webvision", source=_DIVIDEMIX, resize=256, size=227, crop="random", flip=True, **IMAGENET
    ),
    Recipe("plain", "animal10n", (0.0,) * 3, (1.0,) * 3, "Song et al. 2019 (SELFIE): none", resize=64, size=64),
    Recipe("dividemix", "clothing1m", source=_DIVIDEMIX, resize=256, size=224, crop="random", flip=True, **_CLOTHES),
)


def recipe(dataset: str, name: str | None = None) -> Recipe:
    """A data set's row of the table: the default, or the one of that name.

    Raises:
        ValueError: for a name that the data set has no row of.

    Example:

    >>> recipe("cifar100", "logit_bias").rotation
    15
    """
    rows = {row.name: row for row in RECIPES if row.dataset == dataset}
    if name is None:
        return next(iter(rows.values()))
    if name not in rows:
        known = ", ".join(repr(row) for row in rows)
        refuse("load", "augment", f"True, False, a Keras layer, or a recipe of {dataset}: {known}", name)
    return rows[name]


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
