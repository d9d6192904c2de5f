"""The order of samples, images cut from those on disk, and the GPUs that TensorFlow leaves alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from harness import BACKEND

from keras_robust import data
from keras_robust.catalog import ImageRecipe
from keras_robust.data.augment import Augmentation
from keras_robust.data.pipeline import Preparation, image_batches, order


def positions(dataset):
    return [int(position) for position, _ in dataset]


def seeds(dataset):
    return [tuple(seed.tolist()) for _, seed in dataset.as_numpy_iterator()]


def test_order_of_the_data_set():
    plain = order(7, None)
    assert len(plain) == 7
    assert positions(plain) == positions(plain) == list(range(7))


def test_each_epoch_has_every_sample_once_in_a_new_order():
    shuffled = order(1000, 0)
    assert len(shuffled) == 1000
    epochs = [positions(shuffled) for _ in range(3)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(1000))
        # Positions and their places hardly correlate.
        assert abs(np.corrcoef(epoch, np.arange(1000))[0, 1]) < 0.15
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]


def test_an_order_goes_on_where_another_stopped():
    whole = order(50, 3)
    epochs = [positions(whole) for _ in range(4)]
    late = order(50, 3, first_epoch=2)
    assert [positions(late) for _ in range(2)] == epochs[2:]
    whole, late = order(50, 3), order(50, 3, first_epoch=1)
    seeds(whole)
    assert seeds(whole) == seeds(late)


def test_some_of_the_samples():
    chosen = np.array([2, 3, 30])
    assert positions(order(50, None, chosen=chosen)) == [2, 3, 30]
    shuffled = order(50, 0, chosen=chosen)
    assert len(shuffled) == 3
    assert sorted(positions(shuffled)) == [2, 3, 30]


def test_seeds():
    first = positions(order(100, 1))
    assert first == positions(order(100, 1))
    keras.utils.set_random_seed(7)
    assert first == positions(order(100, 1))
    assert positions(order(100, 1)) != positions(order(100, 2))
    twice = order(100, 3)
    first, second = seeds(twice), seeds(twice)
    assert len({*first, *second}) == 200


def test_a_look_at_the_first_batch_counts_as_an_epoch_however_much_was_fetched():
    """Batches that are prefetched and thrown away leave no trace in the epochs to come."""
    looked, whole = order(1000, 0).prefetch(tf.data.AUTOTUNE), order(1000, 0)
    next(iter(looked))
    positions(whole)
    assert positions(looked) == positions(whole)


def recipe(**changes):
    return ImageRecipe("test", (0.0,) * 3, (1.0,) * 3, "nowhere", **changes)


def coordinates(height, width):
    """An image whose pixels say where they are."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, 0 * rows], axis=-1).astype(np.uint8)


def cut(image, preparation, count=1):
    return [preparation.cut(tf.constant(image), tf.constant([5, n], tf.int64)).numpy() for n in range(count)]


@pytest.mark.parametrize(("height", "width"), [(40, 60), (60, 40), (40, 40)])
def test_images_are_cut_at_the_center(height, width):
    [image] = cut(coordinates(height, width), Preparation(recipe(resize=40, size=32)))
    top, left = (height - 32) // 2, (width - 32) // 2
    assert np.array_equal(image, coordinates(height, width)[top : top + 32, left : left + 32])


def test_the_shorter_side_is_resized():
    image = np.zeros((80, 200, 3), np.uint8)
    image[:, 100:] = 200
    [small] = cut(image, Preparation(recipe(resize=40, size=40)))
    assert small.shape == (40, 40, 3)
    assert np.allclose(small[:, :18], 0, atol=1e-3)
    assert np.allclose(small[:, 22:], 200, atol=1e-3)
    [wide] = cut(np.full((33, 100, 3), 9, np.uint8), Preparation(recipe(resize=256, size=256)))
    assert wide.shape == (256, 256, 3)
    assert np.allclose(wide, 9)


def test_random_crops_reach_every_place():
    image, training = coordinates(12, 14), Augmentation([])
    crops = cut(image, Preparation(recipe(resize=12, size=10, crop="random"), training), count=200)
    corners = {(int(crop[0, 0, 0]), int(crop[0, 0, 1])) for crop in crops}
    assert corners == {(row, column) for row in range(3) for column in range(5)}
    for crop in crops:
        row, column = crop[0, 0, :2].astype(int)
        assert np.array_equal(crop, image[row : row + 10, column : column + 10])
    [center] = cut(image, Preparation(recipe(resize=12, size=10, crop="random")))
    assert center[0, 0, :2].tolist() == [1, 2]


def test_resized_crops_have_the_areas_and_ratios_of_the_papers():
    crops = cut(coordinates(200, 200), Preparation(recipe(size=64, crop="resized"), Augmentation([])), count=300)
    # Extent of the part, from the steps between its pixels.
    heights = np.array([(crop[50, 0, 0] - crop[10, 0, 0]) / 40 * 64 for crop in crops])
    widths = np.array([(crop[0, 50, 1] - crop[0, 10, 1]) / 40 * 64 for crop in crops])
    areas, ratios = heights * widths / 200**2, widths / heights
    assert 0.07 < areas.min() < 0.15
    assert areas.max() > 0.85
    assert 0.7 < ratios.min() < 0.8
    assert 1.25 < ratios.max() < 1.4
    assert {crop.shape for crop in crops} == {(64, 64, 3)}


def test_batches_are_normalized():
    images = np.random.default_rng(0).integers(0, 256, (10, 4, 4, 3), np.uint8)
    row = ImageRecipe("test", (0.5, 0.25, 0.0), (0.5, 0.25, 2.0), "nowhere")
    [(batch, labels)] = image_batches(images, np.arange(10), 10, Preparation(row))
    assert np.allclose(batch, (images / 255 - row.mean) / row.std, atol=1e-6)
    assert labels.numpy().tolist() == list(range(10))
    [(scaled, _)] = image_batches((images / 255).astype("float32"), np.arange(10), 10, Preparation(row))
    assert np.allclose(scaled, batch, atol=1e-6)


def test_images_must_keep_their_size():
    images = np.zeros((10, 8, 8, 3), np.uint8)
    smaller = Preparation(recipe(), Augmentation([keras.layers.RandomCrop(6, 6)]))
    with pytest.raises(
        ValueError, match=r"`augment` must keep images as large .* \(8, 8, 3\). It makes them \(6, 6, 3\)"
    ):
        image_batches(images, np.arange(10), 5, smaller, seed=0)


class Config:
    """TensorFlow's view of the machine: `gpus` it could use, of which it has made its own already or not."""

    def __init__(self, gpus, taken):
        self.gpus, self.visible, self.taken = gpus, gpus, taken

    def list_physical_devices(self, kind):
        return self.gpus

    def get_visible_devices(self, kind):
        return self.visible

    def set_visible_devices(self, devices, kind):
        assert kind == "GPU"
        if self.taken:
            raise RuntimeError("Visible devices cannot be modified after being initialized")
        self.visible = devices


def hide(monkeypatch, *arguments):
    config = Config(*arguments)
    for name in ("list_physical_devices", "get_visible_devices", "set_visible_devices"):
        monkeypatch.setattr(tf.config, name, getattr(config, name))
    data.hide_gpus_from_tensorflow()
    return config


def test_tensorflow_leaves_the_gpus_to_the_backend(monkeypatch):
    config = hide(monkeypatch, ["GPU:0"], False)
    assert config.visible == (["GPU:0"] if BACKEND == "tensorflow" else [])
    assert hide(monkeypatch, [], True).visible == []


@pytest.mark.parametrize("call", ["load", "with_provenance"])
def test_the_gpus_are_left_before_the_first_tensor_is_made(monkeypatch, call):
    seen = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: seen.append("devices") or [])
    monkeypatch.setattr(tf, "constant", lambda *_, **__: seen.append("constant") or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        data.load("digits") if call == "load" else data.with_provenance((np.zeros((2, 1)), np.zeros(2, int)))
    assert seen == (["constant"] if BACKEND == "tensorflow" else ["devices", "constant"])


def test_gpus_that_are_taken_already_are_told(monkeypatch):
    if BACKEND == "tensorflow":
        assert hide(monkeypatch, ["GPU:0"], True).visible == ["GPU:0"]
        return
    with pytest.warns(UserWarning, match=f"only feeds {BACKEND}. Call keras_robust.data.hide_gpus_from_tensorflow"):
        hide(monkeypatch, ["GPU:0"], True)
