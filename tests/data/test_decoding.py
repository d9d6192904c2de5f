"""Images from files without TensorFlow: cut as the recipe says, each by its own draws, read ahead by threads."""

import colorsys

import keras
import numpy as np
import pytest
from harness import once
from keras import ops

from keras_robust import data
from keras_robust.catalog import ImageRecipe
from keras_robust.data.decoding import Cut, FileFeed
from keras_robust.data.folders import Files

RECIPE = {"name": "own", "mean": (0.0,) * 3, "std": (1.0,) * 3, "source": "here"}


@pytest.fixture
def coordinates(tmp_path):
    """Images whose red is the column and whose green is the row, 40 wide and 30 high."""
    from PIL import Image

    y, x = np.mgrid[0:30, 0:40]
    for number in range(6):
        pixels = np.stack([x, y, np.full_like(x, 40 * number)], axis=-1).astype("uint8")
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return Files([str(tmp_path / f"{number}.png") for number in range(6)])


def corners(images):
    """Row and column of the first pixel, row and column of the last one."""
    first, last = images[:, 0, 0].astype(int), images[:, -1, -1].astype(int)
    return np.stack([first[:, 1], first[:, 0], last[:, 1], last[:, 0]], axis=-1)


@once
def test_images_are_cut_at_the_center_or_at_random(coordinates):
    row = ImageRecipe(**RECIPE, size=20, crop="random")
    center = np.stack([Cut(coordinates, row, False).image(n, (0, 0, n)) for n in range(6)])
    assert corners(center).tolist() == [[5, 10, 24, 29]] * 6
    moved = corners(np.stack([Cut(coordinates, row, True).image(0, (0, 0, n)) for n in range(200)]))
    assert (moved[:, 2:] - moved[:, :2] == 19).all()
    assert set(moved[:, 0]) == set(range(11))
    assert set(moved[:, 1]) == set(range(21))


@once
def test_the_shorter_side_is_brought_to_its_length(coordinates):
    cut = Cut(coordinates, ImageRecipe(**RECIPE, resize=60, size=60), False).image(0, (0,))
    assert cut.shape == (60, 60, 3)
    assert np.allclose(corners(cut[None]), [[0, 5, 29, 34]], atol=1)


@once
def test_parts_have_areas_and_ratios_within_bounds(coordinates):
    row = ImageRecipe(**RECIPE, size=16, crop="resized")
    found = corners(np.stack([Cut(coordinates, row, True).image(0, (n,)) for n in range(300)]))
    high, wide = (found[:, 2 + axis] - found[:, axis] + 1.0 for axis in (0, 1))
    area = high * wide / 1200
    assert 0.05 < area.min() < 0.2
    assert 0.7 < area.max() <= 1.0
    assert 0.6 < (wide / high)[area > 0.2].min() < 0.9
    assert 1.1 < (wide / high)[area > 0.2].max() < 1.6


@once
def test_epochs_and_images_have_cuts_of_their_own_whatever_the_threads(coordinates):
    cut, labels = Cut(coordinates, ImageRecipe(**RECIPE, size=20, crop="random"), True), np.arange(6)
    feed, seen = FileFeed(cut, labels, 4, seed=3), []
    for epoch, order in ((0, (0, 1)), (1, (0, 1)), (0, (1, 0))):
        feed.begin(epoch)
        batches = {place: feed[place] for place in order}
        images, ids = (np.concatenate([batches[place][part] for place in (0, 1)]) for part in (0, 1))
        assert (images[:, 0, 0, 2] == 40 * ids).all()
        assert sorted(ids) == list(range(6))
        seen.append((images, ids))
    assert np.array_equal(seen[0][0], seen[2][0])
    assert not np.array_equal(seen[0][1], seen[1][1])
    assert len({tuple(row) for row in corners(seen[0][0])}) > 3
    with pytest.raises(ValueError, match="one of images in memory"):
        feed.keep_on_device()


@once
def test_a_broken_image_is_named(coordinates, tmp_path):
    (tmp_path / "2.png").write_bytes(b"no image")
    feed = FileFeed(Cut(coordinates, ImageRecipe(**RECIPE, size=20), False), np.arange(6), 4)
    with pytest.raises(ValueError, match=r"2\.png is not a readable image"):
        _ = feed[0]


@once
def test_data_sets_in_folders_have_the_same_labels_and_shapes(animal_tree):
    asked = {"data_dir": animal_tree, "provenance": True}
    by = {name: data.load("animal10n", pipeline=name, **asked) for name in ("tf.data", "device")}
    assert by["device"].info.input_shape == by["tf.data"].info.input_shape
    labels = {}
    for name, splits in by.items():
        targets = [y for _, y in splits.train]
        index, label = (np.concatenate([np.asarray(y[key]) for y in targets]) for key in ("index", "label"))
        labels[name] = label[np.argsort(index)].tolist()
    assert labels["tf.data"] == labels["device"]
    raw, _ = by["device"].test[0]
    prepared, _ = next(iter(by["tf.data"].test))
    assert np.allclose(by["device"].info.preprocessing(raw), prepared, atol=0.02)


def test_colors_change_within_their_bounds_each_image_by_itself():
    jitter, rng = (0.4, 0.3, 0.2, 0.1), np.random.default_rng(0)
    images = np.repeat(rng.uniform(0.3, 0.6, (1, 6, 6, 3)), 50, axis=0).astype("float32")
    for number, largest in enumerate(jitter):
        own = tuple(largest if place == number else 0.0 for place in range(4))
        layer = data.Preprocessing({**RECIPE, "jitter": own}, unit=1.0)
        changed = np.asarray(ops.convert_to_numpy(layer(images, training=True)))
        factor = measured(number, images, changed)
        assert np.allclose(factor, factor[:, :1, :1], atol=2e-3)
        factor = factor[:, 0, 0]
        assert np.abs(factor).max() <= largest + 2e-3
        assert np.ptp(factor) > largest


def measured(number, before, after):
    """What one of the changes was, pixel by pixel."""
    gray = before @ np.array([0.299, 0.587, 0.114])
    if number == 0:
        return (after / before)[..., 0] - 1
    if number == 1:
        middle = gray.mean(axis=(1, 2), keepdims=True)[..., None]
        return ((after - middle) / (before - middle))[..., 0] - 1
    if number == 2:
        return ((after[..., 0] - gray) / (before[..., 0] - gray)) - 1
    hues = [np.apply_along_axis(lambda pixel: colorsys.rgb_to_hsv(*pixel)[0], -1, images) for images in (after, before)]
    return (hues[0] - hues[1] + 0.5) % 1.0 - 0.5


def test_a_model_learns_from_files(coordinates):
    layer = data.Preprocessing({**RECIPE, "size": 20, "crop": "random", "flip": True})
    feed = FileFeed(Cut(coordinates, layer.recipe, True), np.arange(6) % 2, 4, seed=0, preprocessing=layer)
    network = [keras.layers.Flatten(), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((20, 20, 3), dtype="uint8"), layer, *network])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(feed, epochs=2, shuffle=False, verbose=0, callbacks=[feed.epochs])
    assert np.isfinite(history.history["loss"]).all()
