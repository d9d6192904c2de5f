"""What is done to raw images in the compiled step, on the accelerator: augmented while training, and normalized."""

import warnings
import weakref

import keras
import numpy as np
from keras import ops

from keras_robust.backend import clamped, constant, pixels, place_among_replicas, select
from keras_robust.catalog import ImageRecipe
from keras_robust.checks import refuse
from keras_robust.data.draws import begin_draws, drawn, epoch_key, generators_of, uniform
from keras_robust.registration import registered


@registered
class Preprocessing(keras.layers.Layer):
    """Normalizes images of a data set, and augments them while training; it stands before the network.

    Each image of a batch gets a crop, a flip, a rotation and colors of its own. They follow from seed, epoch and the
    number of batches before in the epoch alone, on every backend: a run which is resumed goes on as it would have.
    `begin` tells the epoch; `splits.epochs` calls it.

    Args:
        recipe: what happens to the images, an `ImageRecipe` or a dict of its fields; crop, flip, rotation and jitter
            are those of PyTorch's RandomCrop (zero padding), RandomHorizontalFlip, RandomRotation (nearest pixel) and
            ColorJitter.
        unit: what a white pixel is, 255 for bytes, 1 for floats.
        augment: whether the recipe's augmentation is applied while training.
        layers: Keras layers that augment images in [0, 255], in place of the recipe's augmentation.
        seed: a whole number.

    Shapes: (batch, height, width, channels) to the same, float32.

    Warns:
        UserWarning: for a layer that Keras does not compile, and which keeps the whole model from being compiled.

    Example:

    >>> info = keras_robust.data.load("digits", pipeline="device").info
    >>> images = np.full((2, 8, 8, 1), 0.5, "float32")
    >>> info.preprocessing(images).shape == images.shape
    True
    """

    def __init__(self, recipe, unit=255.0, augment=True, layers=(), seed=0, name="preprocessing", **keywords):
        super().__init__(name=name, **{"dtype": "float32", **keywords})
        self.recipe = ImageRecipe.of(recipe)
        self.unit, self.augment, self.seed = float(unit), bool(augment), seed
        #: Which of so many equal parts of a batch this process has, as `Feed.share` says.
        self.part = (0, 1)
        self.layers = [keras.saving.deserialize_keras_object(one) if isinstance(one, dict) else one for one in layers]
        for layer in self.layers:
            if not getattr(layer, "supports_jit", True):
                warnings.warn(
                    f"{type(layer).__name__} says supports_jit=False, and a model with such a layer is not compiled at "
                    'all: training is several times as slow. Take pipeline="tf.data" for it.',
                    stacklevel=2,
                )
        #: Key and count of this epoch's draws. It is no weight: files do not hold it.
        self.generator = keras.random.SeedGenerator(epoch_key(seed, 0))

    @property
    def augments(self) -> bool:
        """Whether training sees other images than testing."""
        row = self.recipe
        changes = row.shift or row.flip or row.rotation or row.jitter or row.crop != "center"
        return bool(self.layers) or (self.augment and bool(changes))

    @property
    def raw_dtype(self) -> str:
        """Of the images that it takes."""
        return "uint8" if self.unit == 255.0 else "float32"

    def begin(self, epoch: int) -> None:
        """Begins the draws of an epoch, counted from 0."""
        inner = [generator for layer in self.layers for generator in generators_of(layer)]
        for number, generator in enumerate([self.generator, *inner]):
            begin_draws(generator, self.seed + number + (self.part[0] << 16 if number else 0), epoch)

    def call(self, images, training=False):
        own = training and self.augment and not self.layers
        if own and (self.recipe.shift or self.recipe.flip or self.recipe.rotation):
            images = self._moved(images)
        images = ops.cast(images, "float32")
        if own and self.recipe.jitter:
            images = self._recolored(images / self.unit) * self.unit
        if training and self.layers:
            images = images * (255.0 / self.unit)
            for layer in self.layers:
                images = layer(images, training=True)
            images = ops.cast(images, "float32") * (self.unit / 255.0)
        return images * constant(tuple(self._scale)) + constant(tuple(self._offset))

    def _draws(self, images):
        """Four numbers from [0, 1) for each image (4, batch), by its place in the batch of all processes."""
        (index, count), (replica, replicas) = self.part, place_among_replicas()
        size, parts = ops.shape(images)[0], count * replicas
        draws = uniform(drawn(self.generator), (4, parts * size))
        if parts == 1:
            return draws
        start = (index * replicas + replica) * size
        return draws[:, start : start + size]

    def _moved(self, images):
        """Images cropped, flipped and rotated, each pixel one of the pixels before or zero."""
        row, (height, width) = self.recipe, images.shape[1:3]
        draws = self._draws(images)[..., None, None]
        y = ops.reshape(ops.arange(height, dtype="int32"), (1, height, 1))
        x = ops.reshape(ops.arange(width, dtype="int32"), (1, 1, width))
        inside = None
        if row.rotation:
            angle = (2.0 * draws[3] - 1.0) * np.pi * row.rotation / 180.0
            y, x = _turned(y, x, angle, (height - 1) / 2, (width - 1) / 2)
            # What a turn brings in from beside the cropped image is zero, whatever there was before the crop.
            inside = ops.logical_and(_within(y, height), _within(x, width))
        if row.flip:
            x = ops.where(draws[2] < 0.5, width - 1 - x, x)
        if row.shift:
            choices = 2 * row.shift + 1
            y, x = (at + ops.cast(draws[one] * choices, "int32") - row.shift for one, at in enumerate((y, x)))
        if inside is not None:
            y = select(inside, y, -1)
        return pixels(images, y, x)

    def _recolored(self, images):
        """Images in [0, 1] of other brightness, contrast, saturation and hue, in this order."""
        draws = 2.0 * self._draws(images)[..., None, None, None] - 1.0
        brightness, contrast, saturation, hue = (draws[n] * largest for n, largest in enumerate(self.recipe.jitter))
        images = clamped(images * (1.0 + brightness), 0.0, 1.0)
        middle = ops.mean(_gray(images), axis=(1, 2), keepdims=True)
        images = clamped(middle + (images - middle) * (1.0 + contrast), 0.0, 1.0)
        gray = _gray(images)
        images = clamped(gray + (images - gray) * (1.0 + saturation), 0.0, 1.0)
        turned = ops.image.rgb_to_hsv(images)
        turned = ops.concatenate([(turned[..., :1] + hue) % 1.0, turned[..., 1:]], axis=-1)
        return ops.image.hsv_to_rgb(turned)

    @property
    def _scale(self):
        return (1.0 / (self.unit * np.array(self.recipe.std))).astype("float32")

    @property
    def _offset(self):
        return (-np.array(self.recipe.mean) / np.array(self.recipe.std)).astype("float32")

    def for_serving(self) -> keras.layers.Rescaling:
        """The normalization alone, as a layer of Keras: what has it loads without this package."""
        return keras.layers.Rescaling(self._scale.tolist(), self._offset.tolist(), dtype="float32", name=self.name)

    def compute_output_spec(self, images, training=False):
        return keras.KerasTensor(images.shape, "float32")

    def get_config(self):
        layers = [keras.saving.serialize_keras_object(layer) for layer in self.layers]
        own = {"recipe": self.recipe.to_dict(), "unit": self.unit, "augment": self.augment, "layers": layers}
        return {**super().get_config(), **own, "seed": self.seed}


_LUMA = (0.299, 0.587, 0.114)


def _gray(images):
    return ops.sum(images * constant(_LUMA), axis=-1, keepdims=True)


def _turned(y, x, angle, middle_y, middle_x):
    """Where the pixels (y, x) of an image that was turned by an angle (batch, 1, 1) come from: the nearest ones."""
    y, x = ops.cast(y, "float32") - middle_y, ops.cast(x, "float32") - middle_x
    cosine, sine = ops.cos(angle), ops.sin(angle)
    turned = cosine * y + sine * x + middle_y, cosine * x - sine * y + middle_x
    return (ops.cast(ops.round(at), "int32") for at in turned)


def _within(at, size):
    return ops.logical_and(at >= 0, at < size)


# Models that were parted -> their layers then, and the parts.
_PARTED = weakref.WeakKeyDictionary()


def preprocessing_of(model: keras.Model) -> list[Preprocessing]:
    """The layers of a model that prepare raw images."""
    return [layer for layer in model._flatten_layers() if isinstance(layer, Preprocessing)]


def parted(model: keras.Model) -> tuple:
    """The preprocessing that a model begins with, or None, and the network behind it.

    Raises:
        ValueError: as `for_serving`.
    """
    layers = tuple(getattr(model, "layers", ()))
    kept = _PARTED.get(model)
    # An eager step asks each time, and a new model in each would cost more than the step.
    if kept is None or len(kept[0]) != len(layers) or any(a is not b for a, b in zip(kept[0], layers, strict=True)):
        found = preprocessing_of(model)
        network = for_serving(model, raw_pixels=False)
        # What is kept must not keep the model alive.
        kept = _PARTED[model] = layers, (found[0] if found else None), None if network is model else network
    return kept[1], model if kept[2] is None else kept[2]


def for_serving(model: keras.Model, raw_pixels: bool = True) -> keras.Model:
    """The same network, weights shared, without what belongs to training: it loads without this package.

    Args:
        model: a built model; one that has no `Preprocessing` is returned as it is.
        raw_pixels: True: it takes raw images, as `data.load(pipeline="device")` has them, and normalizes them with
            layers of Keras; False: it takes images that are normalized already.

    Raises:
        ValueError: for a model in which the preprocessing is not the first layer of a Sequential model.

    Example:

    >>> train, test, info, _ = keras_robust.data.load("digits", pipeline="device")
    >>> network = keras_robust.models.cnn2(info.input_shape, info.num_classes)
    >>> model = keras.Sequential([keras.Input(info.input_shape), info.preprocessing, network])
    >>> [type(layer).__name__ for layer in for_serving(model).layers]
    ['Rescaling', 'Functional']
    >>> for_serving(model, raw_pixels=False) is network
    True
    """
    if not preprocessing_of(model):
        return model
    first, *rest = model.layers if isinstance(model, keras.Sequential) else (None,)
    if not isinstance(first, Preprocessing) or not rest or any(map(_prepares, rest)):
        refuse("for_serving", "model", "Sequential, with info.preprocessing as its first layer alone", model)
    if not raw_pixels and len(rest) == 1 and isinstance(rest[0], keras.Model):
        return rest[0]
    raw = model.inputs[0]
    inputs = keras.Input(raw.shape[1:], dtype=raw.dtype if raw_pixels else "float32", name=raw.name)
    return keras.Sequential([inputs, *([first.for_serving()] if raw_pixels else []), *rest], name=model.name)


def _prepares(layer):
    return any(isinstance(one, Preprocessing) for one in layer._flatten_layers())
