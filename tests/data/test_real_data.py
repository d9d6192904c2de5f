"""Real images and labels, where they are at hand: counts, orders, joins, statistics."""

import numpy as np
import pytest
from harness import once_on_jax, real_data

from keras_robust import data
from keras_robust.catalog import CATALOG
from keras_robust.data.reading import read_dataset

pytestmark = once_on_jax


@pytest.fixture(scope="module")
def cifar10():
    pytest.importorskip("tensorflow_datasets")
    real_data("tfds", "cifar10")
    return read_dataset(CATALOG["cifar10"], real_data())


@pytest.fixture
def at_hand(cifar10, monkeypatch):
    """`load` without decoding all images once more."""
    monkeypatch.setattr("keras_robust.data.loading.read_dataset", lambda *_: cifar10)


def test_cifar10_from_tfds(cifar10):
    assert cifar10.x_train.shape == (50_000, 32, 32, 3)
    assert cifar10.x_test.shape == (10_000, 32, 32, 3)
    assert np.bincount(cifar10.y_train).tolist() == [5000] * 10
    assert np.bincount(cifar10.y_test).tolist() == [1000] * 10
    assert cifar10.ids_train[0] == b"train_16399"
    assert cifar10.y_train[0] == 7
    assert len(set(cifar10.ids_train.tolist())) == 50_000


def test_statistics_of_cifar10_are_those_that_are_subtracted(at_hand, cifar10):
    """The images at hand are JPEGs, up to 1.2 of 255 darker than the originals."""
    train, _, info, _ = data.load("cifar10", data_dir=real_data(), batch_size=1000, augment=False)
    some = cifar10.x_train[::5]
    assert np.allclose(some.mean(axis=(0, 1, 2)) / 255, info.mean, atol=0.006)
    assert np.allclose(some.std(axis=(0, 1, 2)) / 255, info.std, atol=0.003)
    images = np.concatenate([images for images, _ in train.take(10).as_numpy_iterator()])
    assert np.allclose(images.mean(axis=(0, 1, 2)), 0.0, atol=0.05)
    assert np.allclose(images.std(axis=(0, 1, 2)), 1.0, atol=0.05)


@pytest.mark.parametrize(
    ("labels", "rate"),
    [("aggregate", 0.0901), ("random1", 0.1723), ("random2", 0.1812), ("random3", 0.1764), ("worst", 0.4021)],
)
def test_labels_of_people_meet_their_images(at_hand, cifar10, labels, rate):
    """The clean labels that come with them are those of the images, and the rates are the published ones."""
    train, _, info, drawn = data.load("cifar10n", f"human:{labels}", data_dir=real_data(), provenance=True)
    assert (info.complete, len(train)) == (True, 391)
    assert drawn.rate == pytest.approx(rate, abs=5e-5)
    assert np.array_equal(drawn.clean, cifar10.y_train)
    numbers = np.array([int(name.decode().removeprefix("train_")) for name in cifar10.ids_train])
    with np.load(real_data("noisy_labels", "cifar10n_labels.npz")) as published:
        key = {"aggregate": "aggre", "worst": "worse"}.get(labels, labels)
        assert np.array_equal(drawn.noisy, published[key][numbers])


def test_images_keep_their_labels_through_the_pipeline(at_hand, cifar10):
    train, *_ = data.load("cifar10", "asymmetric:0.4", data_dir=real_data(), augment=False, provenance=True)
    images, targets = next(iter(train))
    index = targets["index"].numpy()
    row = (cifar10.x_train[index] / 255 - (0.4914, 0.4822, 0.4465)) / (0.2470, 0.2435, 0.2616)
    assert np.allclose(images, row, atol=1e-5)
    assert np.array_equal(targets["clean"], cifar10.y_train[index])


def test_cifar100_of_another_order_is_not_joined(monkeypatch):
    pytest.importorskip("tensorflow_datasets")
    folder = real_data("tfds", "cifar100").parents[1]
    arrays = read_dataset(CATALOG["cifar100"], folder)
    monkeypatch.setattr("keras_robust.data.loading.read_dataset", lambda *_: arrays)
    assert np.bincount(arrays.y_train).tolist() == [500] * 100
    assert arrays.class_names[:2] == ("apple", "aquarium_fish")
    with pytest.raises(ValueError, match="Human labels are joined to images by the image's number"):
        data.load("cifar100n", data_dir=folder)


@pytest.mark.parametrize(("name", "mean", "std"), [("mnist", 0.1307, 0.3081), ("fashion_mnist", 0.2860, 0.3530)])
def test_npz_of_gray_images(name, mean, std):
    train, test, info, _ = data.load(name, data_dir=real_data(name).parent, batch_size=10_000, augment=True)
    assert (info.complete, info.input_shape) == (True, (28, 28, 1))
    assert (info.mean, info.std) == ((mean,), (std,))
    images = np.concatenate([images for images, _ in train.as_numpy_iterator()])
    assert abs(images.mean()) < 1e-3
    assert abs(images.std() - 1) < 1e-3
    [(_, labels)] = list(test)
    assert np.bincount(labels).min() >= 892
