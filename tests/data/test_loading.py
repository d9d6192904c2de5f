"""Data sets by name: noise, provenance, seeds, `fit`."""

import keras
import numpy as np
import pytest

import keras_robust as kr
from keras_robust import data, noise


def rows(dataset):
    """Images and targets of one epoch, put in the order of the index, and the order."""
    batches = list(dataset.as_numpy_iterator())
    images = np.concatenate([batch[0] for batch in batches])
    targets = {name: np.concatenate([batch[1][name] for batch in batches]) for name in batches[0][1]}
    by_index = np.argsort(targets["index"])
    return images[by_index], {name: values[by_index] for name, values in targets.items()}, targets["index"]


def shifts():
    return keras.layers.RandomTranslation(0.2, 0.2, fill_mode="constant", interpolation="nearest")


DIGITS = data.load_arrays("digits")


def test_digits_are_the_default():
    splits = data.load()
    assert splits.noise is None
    info = splits.info
    assert (info.name, info.num_classes, info.input_shape) == ("digits", 10, (8, 8, 1))
    assert (info.train_size, info.test_size, info.complete) == (1438, 359, True)
    assert (info.mean, info.std, info.augmentation) == ((0.0,), (1.0,), "plain")
    assert info.class_names == tuple("0123456789")
    [images, labels] = map(np.concatenate, zip(*splits.test.as_numpy_iterator(), strict=True))
    assert np.allclose(images, DIGITS.x_test, atol=1e-7)
    assert np.array_equal(labels, DIGITS.y_test)
    assert labels.dtype == np.int32
    assert len(splits.train) == 12
    images, labels = next(iter(splits.train))
    assert images.shape == (128, 8, 8, 1)
    assert labels.shape == (128,)
    assert labels.dtype == "int32"


@pytest.mark.parametrize("augment", [False, "layer"])
@pytest.mark.parametrize("spec", [None, "symmetric:0.4", "asymmetric:0.3", "instance:0.4"])
def test_provenance_follows_every_sample(spec, augment):
    layer = shifts() if augment else False
    train, _, info, drawn = data.load(noise=spec, batch_size=100, seed=3, augment=layer, provenance=True)
    assert info.augmentation == ("RandomTranslation" if augment else "none")
    if spec is None:
        assert drawn is None
    else:
        assert drawn.spec == spec
        assert 0.1 < drawn.rate < 0.5
    for _ in range(2):
        images, targets, _ = rows(train)
        assert sorted(targets) == ["clean", "index", "label"]
        assert {values.dtype for values in targets.values()} == {np.dtype("int32")}
        assert np.array_equal(targets["index"], np.arange(info.train_size))
        assert np.array_equal(targets["clean"], DIGITS.y_train)
        assert np.array_equal(targets["label"], DIGITS.y_train if drawn is None else drawn.noisy)
        if augment:
            assert not np.allclose(images, DIGITS.x_train, atol=0.1)
        else:
            assert np.allclose(images, DIGITS.x_train, atol=1e-7)


def test_labels_without_provenance_are_the_noisy_ones():
    train, _, _, drawn = data.load(noise="pair:0.3", batch_size=1438)
    [(_, labels)] = list(train)
    assert np.array_equal(np.bincount(labels), np.bincount(drawn.noisy))
    assert not np.array_equal(np.bincount(labels), np.bincount(DIGITS.y_train))


def epochs(**keywords):
    """Two epochs: orders and images, as they come."""
    train = data.load(batch_size=256, augment=shifts(), provenance=True, **keywords).train
    return [
        [(images.tobytes(), targets["index"].tolist(), targets["label"].tolist()) for images, targets in epoch]
        for epoch in (train.as_numpy_iterator(), train.as_numpy_iterator())
    ]


def test_a_seed_fixes_everything_and_another_changes_it():
    first, again, other = (epochs(noise="symmetric:0.4", seed=seed) for seed in (5, 5, 6))
    assert first == again
    for one, two in zip(first[0], first[1], strict=True):
        assert one[0] != two[0]
        assert one[1] != two[1]
    assert first[0][0][0] != other[0][0][0]
    assert first[0][0][1] != other[0][0][1]


def test_each_epoch_is_augmented_anew():
    train = data.load(augment=shifts(), provenance=True).train
    (first, *_), (second, *_) = rows(train), rows(train)
    changed = np.any(first != second, axis=(1, 2, 3)).mean()
    assert changed > 0.8


def test_the_test_split_is_neither_shuffled_nor_augmented():
    test = data.load(noise="symmetric:0.9", augment=shifts(), provenance=True).test
    for _ in range(2):
        images, labels = map(np.concatenate, zip(*test.as_numpy_iterator(), strict=True))
        assert np.allclose(images, DIGITS.x_test, atol=1e-7)
        assert np.array_equal(labels, DIGITS.y_test)


def test_fit():
    train, test, info, _ = data.load(noise="symmetric:0.2", augment=shifts(), drop_remainder=True)
    assert train.element_spec[0].shape == (128, 8, 8, 1)
    keras.utils.set_random_seed(0)
    dense = [keras.layers.Dense(64, activation="relu"), keras.layers.Dense(info.num_classes)]
    model = keras.Sequential([keras.Input(info.input_shape), keras.layers.Flatten(), *dense])
    model.compile(keras.optimizers.Adam(0.01), loss=kr.GCE(from_logits=True), metrics=["accuracy"])
    history = model.fit(train, validation_data=test, epochs=4, shuffle=False, verbose=0).history
    assert history["val_loss"][-1] < history["val_loss"][0]
    assert model.evaluate(test, verbose=0, return_dict=True)["accuracy"] > 0.5
    assert model.predict(test, verbose=0).shape == (359, 10)


def test_a_matrix_and_labels_of_ones_own_are_noise_too():
    swap = np.eye(10)[::-1]
    drawn = data.load(noise=swap).noise
    assert np.array_equal(drawn.noisy, 9 - DIGITS.y_train)
    exact = noise.corrupt(DIGITS.y_train, noise.symmetric(10, 0.3), seed=1, exact=True)
    train, _, _, kept = data.load(noise=exact, provenance=True)
    assert kept is exact
    assert np.array_equal(rows(train)[1]["label"], exact.noisy)


REFUSALS = [
    (
        {"name": "cifar"},
        "`name` of load must be one of 'digits', .*'cifar10n', .*'mini_ilsvrc12'. Received: name='cifar'",
    ),
    ({"batch_size": 0}, "`batch_size` of load must be"),
    ({"seed": -1}, "`seed` of load must be"),
    ({"augment": "anl"}, "`augment` of load must be .* a recipe of digits: 'plain'. Received: augment='anl'"),
    (
        {"augment": 3},
        "`augment` of load must be True, False, the name of a recipe, or a Keras layer. Received: augment=3",
    ),
    ({"noise": "symetric:0.4"}, "symetric"),
    ({"noise": np.ones((10, 10))}, "`transition` of corrupt must be"),
    ({"noise": "human:worst", "data_dir": "."}, "holds no human labels: looked for"),
    ({"noise": "human:worst"}, "`data_dir` of load must be the folder that holds the human labels"),
]


@pytest.mark.parametrize(("keywords", "words"), REFUSALS)
def test_refusals(keywords, words):
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        data.load(**keywords)


def test_labels_of_other_samples_are_refused():
    drawn = noise.corrupt(DIGITS.y_train[::-1].copy(), noise.symmetric(10, 0.3), seed=1)
    with pytest.raises(
        ValueError, match="drawn for other samples, or for another order: 90.* of its clean labels differ"
    ):
        data.load(noise=drawn)
    short = noise.corrupt(DIGITS.y_train[:-1], noise.symmetric(10, 0.3), seed=1)
    with pytest.raises(ValueError, match="each of the 1,438 training samples of digits. It holds 1,437 labels of 10"):
        data.load(noise=short)


@pytest.fixture
def tiny_cifar(tmp_path):
    """An npz of 30 training images in the original order, and labels that people gave them."""
    rng = np.random.default_rng(0)
    clean, worse = np.arange(30) % 10, (np.arange(30) * 3) % 10
    images = rng.integers(0, 256, (40, 32, 32, 3), np.uint8)
    splits = {"x_train": images[:30], "y_train": clean[:, None], "x_test": images[30:], "y_test": np.arange(10)}
    np.savez(tmp_path / "cifar10.npz", **splits)
    (tmp_path / "noisy_labels").mkdir()
    labels = {"clean": clean, "worse": worse, "aggre": clean}
    np.savez(tmp_path / "noisy_labels" / "cifar10n_labels.npz", **labels)
    return tmp_path, images, clean, worse


def test_human_labels(tiny_cifar):
    folder, images, clean, worse = tiny_cifar
    train, _, info, drawn = data.load("cifar10n", data_dir=folder, batch_size=8, augment=False, provenance=True)
    assert (info.name, info.train_size, info.complete) == ("cifar10n", 30, False)
    assert drawn.spec == "human:worst"
    seen, targets, _ = rows(train)
    assert np.allclose(255 * (seen * info.std + info.mean), images[:30], atol=1e-3)
    assert np.array_equal(targets["label"], worse)
    assert np.array_equal(targets["clean"], clean)
    assert data.load("cifar10", data_dir=folder, noise="human:aggregate").noise.rate == 0.0
    with pytest.raises(ValueError, match='`noise` of load must be "human:..." for cifar10n; other noise goes with'):
        data.load("cifar10n", data_dir=folder, noise="symmetric:0.4")
    (folder / "noisy_labels" / "cifar10n_labels.npz").unlink()
    with pytest.raises(FileNotFoundError, match="noisy_labels holds no human labels"):
        data.load("cifar10n", data_dir=folder)


def test_augmentation_of_a_recipe(tiny_cifar):
    folder, images, *_ = tiny_cifar
    anl, dal = (data.load("cifar10", data_dir=folder, augment=how, provenance=True) for how in (True, "dal"))
    assert (anl.info.augmentation, dal.info.augmentation) == ("anl", "dal")
    assert anl.info.std == (0.2470, 0.2435, 0.2616)
    assert dal.info.std == (0.2023, 0.1994, 0.2010)
    seen, *_ = rows(anl.train)
    pixels = np.round(255 * (seen * anl.info.std + anl.info.mean)).astype(int)
    for image, original in zip(pixels, images[:30].astype(int), strict=True):
        padded = np.pad(original, ((4, 4), (4, 4), (0, 0)))
        crops = [padded[i : i + 32, j : j + 32] for i in range(9) for j in range(9)]
        assert any(np.array_equal(image, crop) or np.array_equal(image, crop[:, ::-1]) for crop in crops)


def test_a_share_of_the_images_keeps_their_numbers_and_labels():
    whole, part = data.load(noise="symmetric:0.4", provenance=True), None
    for seed in (0, 1):
        part = data.load(noise="symmetric:0.4", provenance=True, fraction=0.1, seed=seed)
        _, targets, _ = rows(part.train)
        index = targets["index"]
        assert len(index) == len(set(index)) == 144
        np.testing.assert_array_equal(targets["label"], part.noise.noisy[index])
        np.testing.assert_array_equal(targets["clean"], DIGITS.y_train[index])
        if seed == 0:
            first = index
            np.testing.assert_array_equal(part.noise.noisy, whole.noise.noisy)
    np.testing.assert_array_equal(index, first)
    assert sum(len(batch[1]) for batch in part.test.as_numpy_iterator()) == 36
    assert part.info.train_size == 1438
    with pytest.raises(ValueError, match="`fraction` of load must be greater than 0 and at most 1"):
        data.load(fraction=0)


def test_a_later_start_sees_the_later_epochs():
    options = {"noise": "symmetric:0.4", "augment": shifts(), "provenance": True, "seed": 5}
    whole, late = data.load(**options).train, data.load(**options, first_epoch=2).train
    epochs = [rows(whole) for _ in range(3)]
    images, _, order = rows(late)
    np.testing.assert_array_equal(order, epochs[2][2])
    np.testing.assert_allclose(images, epochs[2][0], atol=1e-6)
    assert not np.array_equal(epochs[1][2], epochs[2][2])


def test_exact_counts():
    drawn = data.load(noise="symmetric:0.9", exact=True).noise
    assert drawn.exact
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (drawn.clean, drawn.noisy), 1)
    sizes = np.bincount(drawn.clean)
    off = ~np.eye(10, dtype=bool)
    np.testing.assert_array_equal(counts[off], np.repeat(np.floor(sizes * 0.1 + 1e-9).astype(int), 9))
    with pytest.raises(ValueError, match="Exact counts need a transition matrix"):
        data.load(noise="instance:0.4", exact=True)


@pytest.mark.parametrize("name", ["cifar100", "webvision"])
def test_generated_images_stand_in_for_a_data_set(name):
    arrays = data.generated(name, train_size=30, test_size=10)
    train, test, info, _ = data.load(name, arrays=arrays, batch_size=10, provenance=True)
    assert info.input_shape == arrays.input_shape
    assert info.num_classes == {"cifar100": 100, "webvision": 1000}[name]
    assert not info.complete
    _, targets, _ = rows(train)
    np.testing.assert_array_equal(targets["label"], arrays.y_train)
    assert ("clean" in targets) == (name == "cifar100")
    np.testing.assert_array_equal(np.concatenate([batch[1] for batch in test.as_numpy_iterator()]), arrays.y_test)


def test_generated_images_can_be_told_apart():
    arrays, again = (data.generated("digits", 50, 50, seed=2) for _ in range(2))
    np.testing.assert_array_equal(arrays.x_train, again.x_train)
    assert arrays.x_train.dtype == np.uint8
    flat = [x.reshape(len(x), -1).astype(float) for x in (arrays.x_train, arrays.x_test)]
    nearest = np.argmin(((flat[1][:, None] - flat[0][None]) ** 2).sum(-1), axis=1)
    assert np.mean(arrays.y_train[nearest] == arrays.y_test) > 0.9
    assert not np.array_equal(arrays.x_train, data.generated("digits", 50, 50, seed=3).x_train)
    for options, name in (({"train_size": 0}, "train_size"), ({"seed": -1}, "seed")):
        with pytest.raises(ValueError, match=f"`{name}` of generated must be"):
            data.generated("digits", **options)
    with pytest.raises(ValueError, match="`name` of generated must be one of 'digits'"):
        data.generated("imagenet")
