"""The table of the papers, the layers made from it, and layers of the user's own, drawn from given seeds."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from harness import BACKEND
from scipy import stats

from keras_robust.catalog import ImageRecipe
from keras_robust.data.augment import Augmentation, augmentation_layers, image_recipe


def augmented(layers, images, seeds=(0,), batch_size=None):
    """Images of each seed, as tf.data makes them."""
    augmentation = Augmentation(layers)
    dataset = tf.data.Dataset.from_tensor_slices(np.array([(seed, 1) for seed in seeds], "int64"))
    made = dataset.map(lambda seed: augmentation(tf.constant(images, tf.float32), seed))
    return np.stack(list(made.as_numpy_iterator()))


def layers_of(height, width, **changes):
    return augmentation_layers(ImageRecipe("test", (0.0,) * 3, (1.0,) * 3, "nowhere", **changes), height, width)


IMAGES = np.random.default_rng(0).integers(1, 256, (64, 12, 16, 3)).astype("float32")


def test_rows_of_the_papers():
    anl, dal, bias = (image_recipe("cifar100", name) for name in (None, "dal", "logit_bias"))
    assert (anl.name, anl.shift, anl.flip, anl.rotation) == ("anl", 4, True, 20)
    assert (dal.rotation, bias.rotation) == (0, 15)
    assert image_recipe("cifar10").std == (0.2470, 0.2435, 0.2616)
    assert image_recipe("cifar10", "dal").std == (0.2023, 0.1994, 0.2010)
    for name in ("mnist", "digits"):
        assert augmentation_layers(image_recipe(name), 28, 28) == []
    assert (image_recipe("webvision").size, image_recipe("webvision").crop) == (224, "resized")
    with pytest.raises(ValueError, match="recipe of cifar100: 'anl', 'dal', 'logit_bias'. Received: augment='anll'"):
        image_recipe("cifar100", "anll")


def test_flip_mirrors_half_of_the_images():
    images = np.repeat(IMAGES, 8, axis=0)
    [flipped] = augmented(layers_of(12, 16, flip=True), images)
    mirrored = np.all(flipped == images[:, :, ::-1], axis=(1, 2, 3))
    assert np.all(mirrored ^ np.all(flipped == images, axis=(1, 2, 3)))
    assert stats.binomtest(int(mirrored.sum()), len(images)).pvalue > 1e-4


def test_shift_is_a_crop_after_padding():
    """Whole pixels, every shift from -2 to 2 in both directions equally often, and zeros where nothing was."""
    images = np.tile(IMAGES[:1], (5000, 1, 1, 1))
    [shifted] = augmented(layers_of(12, 16, shift=2), images)
    padded = np.pad(images[0], ((2, 2), (2, 2), (0, 0)))
    crops = np.array([padded[i : i + 12, j : j + 16] for i in range(5) for j in range(5)])
    matches = np.array([np.all(shifted == crop, axis=(1, 2, 3)) for crop in crops])
    assert np.all(matches.sum(axis=0) == 1)
    assert stats.chisquare(matches.sum(axis=1)).pvalue > 1e-4


def test_rotation_stays_within_its_angle():
    side = 41
    images = np.zeros((200, side, side, 1), "float32")
    images[:, side // 2, side // 2 :] = 1.0
    [turned] = augmented(layers_of(side, side, rotation=20), images)
    lines = [np.argwhere(image[:, :, 0]) for image in turned]
    ends = np.array([line[np.argmax(line[:, 1])] for line in lines])
    angles = np.degrees(np.arctan2(side // 2 - ends[:, 0], ends[:, 1] - side // 2))
    assert 17 < angles.max() < 22
    assert -22 < angles.min() < -17
    assert set(np.unique(turned)) == {0.0, 1.0}


def test_jitter_changes_colors_and_stays_in_range():
    layers = layers_of(12, 16, jitter=(0.4, 0.4, 0.4, 0.2))
    [changed] = augmented(layers, IMAGES)
    assert changed.min() >= 0.0
    assert changed.max() <= 255.0
    assert np.abs(changed - IMAGES).mean() > 5
    for brightness, contrast, saturation, hue in np.eye(4) * 0.3:
        [one] = augmented(layers_of(12, 16, jitter=(brightness, contrast, saturation, hue)), IMAGES)
        assert np.abs(one - IMAGES).mean() > 1
        # A change of one kind leaves what it does not touch: gray stays gray but for brightness and contrast.
        gray = np.repeat(IMAGES[..., :1], 3, axis=-1)
        [still] = augmented(layers_of(12, 16, jitter=(brightness, contrast, saturation, hue)), gray)
        assert np.allclose(still, gray, atol=0.01) == (brightness == contrast == 0)


def test_hue_turns_by_the_angle_that_was_asked_for():
    red = np.zeros((500, 2, 2, 3), "float32")
    red[..., 0] = 200.0
    [turned] = augmented(layers_of(2, 2, jitter=(0.0, 0.0, 0.0, 0.2)), red)
    hue = tf.image.rgb_to_hsv(turned / 255).numpy()[:, 0, 0, 0]
    turns = (hue + 0.5) % 1.0 - 0.5
    assert 0.19 < turns.max() < 0.201
    assert -0.201 < turns.min() < -0.19


class Outside(keras.layers.Layer):
    """A layer written in `keras.ops`, which knows nothing of tf.data."""

    def __init__(self, seed=None):
        super().__init__()
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, images, training=False):
        noise = keras.random.uniform(keras.ops.shape(images)[:1], seed=self.seed_generator)
        return images + noise[:, None, None, None] if training else images


KERAS_LAYERS = {
    "flip": lambda: [keras.layers.RandomFlip("horizontal")],
    "recipe": lambda: layers_of(12, 16, shift=2, flip=True, rotation=20, jitter=(0.4, 0.4, 0.4, 0.2)),
    "pipeline": lambda: [keras.layers.Pipeline([keras.layers.RandomFlip(), keras.layers.RandomZoom(0.2)])],
    "sequential": lambda: [keras.Sequential([keras.layers.RandomFlip(), keras.layers.RandomBrightness(0.3)])],
    "noise": lambda: [keras.layers.GaussianNoise(1.0)],
    "outside": lambda: [Outside()],
    "mixed": lambda: [keras.layers.RandomFlip(), Outside()],
}


@pytest.mark.parametrize("name", KERAS_LAYERS)
def test_images_follow_from_the_seed_alone(name):
    """Two layers with seeds of their own, drawn from a different number of times, give the same images."""
    first, second = KERAS_LAYERS[name](), KERAS_LAYERS[name]()
    one = augmented(first, IMAGES, seeds=(3, 4, 3))
    two = augmented(second, IMAGES, seeds=(9, 9, 9, 4))
    assert np.array_equal(one[0], one[2])
    assert np.array_equal(one[1], two[3])
    assert not np.allclose(one[0], one[1])
    assert not np.allclose(one[0], IMAGES)
    assert np.array_equal(augmented(first, IMAGES, seeds=(3,))[0], one[0])


def test_layers_get_their_own_seeds_back():
    layer = keras.layers.RandomFlip("horizontal", seed=1)
    generator, names = layer.generator, set(vars(layer))
    augmented([layer], IMAGES)
    assert layer.generator is generator
    assert set(vars(layer)) == names
    first, second = (np.asarray(keras.ops.convert_to_numpy(layer(IMAGES, training=True))) for _ in range(2))
    assert not np.array_equal(first, second)


def test_a_seed_gives_the_same_images_on_every_backend():
    [images] = augmented(layers_of(12, 16, shift=2, flip=True), IMAGES, seeds=(7,))
    written_down = 1941079.1154785156
    assert np.sum(images * np.arange(images.size).reshape(images.shape)) / images.size == written_down


def test_half_precision_of_the_model_does_not_reach_the_images():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        layers = layers_of(12, 16, shift=2, flip=True, rotation=20, jitter=(0.4, 0.4, 0.4, 0.2))
    finally:
        keras.config.set_dtype_policy(policy)
    assert {layer.compute_dtype for layer in layers} == {"float32"}


def test_where_layers_run():
    assert Augmentation(KERAS_LAYERS["recipe"]()).parallel
    assert Augmentation(KERAS_LAYERS["sequential"]()).parallel
    for name in ("noise", "outside", "mixed"):
        assert Augmentation(KERAS_LAYERS[name]()).in_graph == (BACKEND == "tensorflow")
    assert not Augmentation(KERAS_LAYERS["mixed"]()).parallel


@pytest.mark.parametrize("name", ["RandomFlip", "RandomCropAndResize", "RandomCutout"])
def test_layers_of_keras_cv(name):
    layers = pytest.importorskip("keras_cv").layers
    made = {
        "RandomFlip": lambda: layers.RandomFlip("horizontal", seed=1),
        "RandomCropAndResize": lambda: layers.RandomCropAndResize((12, 16), (0.5, 1.0), (0.9, 1.1), seed=1),
        "RandomCutout": lambda: layers.RandomCutout(0.5, 0.5, seed=1),
    }[name]()
    augmentation = Augmentation([made])
    assert augmentation.in_graph
    assert not augmentation.parallel
    first, second = augmented([made], IMAGES, seeds=(1, 2))
    assert first.shape == IMAGES.shape
    assert not np.allclose(first, IMAGES)
    assert not np.allclose(first, second)
