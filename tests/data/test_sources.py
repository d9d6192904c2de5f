"""Data sets in memory: embedded, from npz archives, from TFDS."""

import gzip
import pathlib
import pickle
import re
import shutil
import sys
import tarfile

import keras
import numpy as np
import pytest
from harness import once

from keras_robust import data
from keras_robust.catalog import CATALOG
from keras_robust.data import archives
from keras_robust.data.reading import read_dataset

pytestmark = once


def test_digits():
    digits = data.load_arrays("digits")
    assert digits.x_train.shape == (1438, 8, 8, 1)
    assert digits.x_test.shape == (359, 8, 8, 1)
    assert digits.num_classes == 10
    assert digits.input_shape == (8, 8, 1)
    assert digits.x_train.dtype == np.float32
    assert digits.x_train.min() == 0.0
    assert digits.x_train.max() == 1.0
    for labels in (digits.y_train, digits.y_test):
        share = np.bincount(labels, minlength=10) / len(labels)
        assert share.min() > 0.05


def test_unknown_names_list_the_known_ones():
    known = "'digits', 'mnist', 'fashion_mnist', 'cifar10', 'cifar100'"
    with pytest.raises(ValueError, match=f"`name` of load_arrays must be one of {known}. Received: name='digitz'"):
        data.load_arrays("digitz")


def archive(path, **changes):
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 256, (6, 28, 28), np.uint8),
        "y_train": np.arange(6, dtype=np.uint8),
        "x_test": rng.integers(0, 256, (2, 28, 28), np.uint8),
        "y_test": np.array([[8], [9]]),
    } | changes
    path.parent.mkdir(exist_ok=True)
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return arrays


@pytest.mark.parametrize("place", ["mnist.npz", "mnist/mnist.npz"])
def test_npz(tmp_path, place):
    arrays = archive(tmp_path / place)
    stored, scaled = read_dataset(CATALOG["mnist"], tmp_path), data.load_arrays("mnist", tmp_path)
    assert np.array_equal(stored.x_train, arrays["x_train"][..., None])
    assert stored.x_train.dtype == np.uint8
    assert stored.y_test.tolist() == [8, 9]
    assert stored.y_train.dtype == np.int32
    assert scaled.x_train.dtype == np.float32
    assert np.array_equal(scaled.x_test, np.float32(arrays["x_test"][..., None]) / np.float32(255))
    assert scaled.class_names == tuple("0123456789")


def test_npz_of_cifar_is_in_the_original_order(tmp_path):
    x = {"x_train": np.zeros((6, 32, 32, 3), np.uint8), "x_test": np.zeros((2, 32, 32, 3), np.uint8)}
    archive(tmp_path / "cifar100.npz", **x)
    stored = read_dataset(CATALOG["cifar100"], tmp_path)
    assert stored.ids_train.tolist() == [0, 1, 2, 3, 4, 5]
    assert stored.num_classes == len(set(stored.class_names)) == 100
    assert list(stored.class_names) == sorted(stored.class_names)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"y_test": None}, "y_test is not a file in the archive"),
        ({"y_train": np.arange(5)}, "train: 6 images need 6 integer labels, not int64 (5,)"),
        ({"y_train": np.arange(6.0)}, "train: 6 images need 6 integer labels, not float64"),
        ({"y_test": np.array([3, 10])}, "test: labels must lie in [0, 10). Label 1 of them is 10."),
        ({"y_test": np.array([-1, 3])}, "test: labels must lie in [0, 10). Label 0 of them is -1."),
        ({"x_test": np.zeros((2, 28, 28))}, "test: images must be uint8 of shape"),
        ({"x_test": np.zeros((2, 28), np.uint8)}, "test: images must be uint8 of shape"),
        ({"x_train": np.array([None] * 6)}, "does not hold readable arrays"),
    ],
)
def test_a_wrong_npz_is_named(tmp_path, changes, words):
    archive(tmp_path / "mnist.npz", **changes)
    with pytest.raises(ValueError, match=f"{tmp_path / 'mnist.npz'}.*{re.escape(words)}"):
        data.load_arrays("mnist", tmp_path)


def test_a_broken_npz_is_named(tmp_path):
    path = tmp_path / "mnist.npz"
    archive(path)
    content = path.read_bytes()
    for broken in (b"", b"no archive", content[: len(content) // 2]):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match="mnist.npz does not hold readable arrays"):
            data.load_arrays("mnist", tmp_path)


RNG = np.random.default_rng(1)


def cifar_binary(folder, name="cifar10"):
    """CIFAR's binary version with 2 images a file, and what is in it."""
    inner, files, labels = archives._BINARY[name]
    (folder / inner).mkdir(parents=True)
    images, ids = [], []
    for file in [*files["train"], *files["test"]]:
        records = RNG.integers(0, 256, (2, labels + 3072)).astype("uint8")
        records[:, :labels] %= 10
        records.tofile(folder / inner / file)
        images.append(records[:, labels:].reshape(2, 3, 32, 32).transpose(0, 2, 3, 1))
        ids.append(records[:, labels - 1])
    return np.concatenate(images), np.concatenate(ids)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
@pytest.mark.parametrize("packed", [False, True])
def test_the_binary_version_of_cifar(tmp_path, name, packed):
    images, ids = cifar_binary(tmp_path, name)
    inner = archives._BINARY[name][0]
    if packed:
        with tarfile.open(tmp_path / archives._BINARY_ARCHIVE[name], "w:gz") as archive:
            archive.add(tmp_path / inner, inner)
        shutil.rmtree(tmp_path / inner)
    stored = read_dataset(CATALOG[name], tmp_path)
    assert np.array_equal(np.concatenate([stored.x_train, stored.x_test]), images)
    assert np.array_equal(np.concatenate([stored.y_train, stored.y_test]), ids)
    assert len(stored.y_test) == 2
    if not packed:
        next((tmp_path / inner).glob("*test*")).write_bytes(b"short")
        with pytest.raises(ValueError, match="test.* does not hold readable CIFAR's binary version"):
            read_dataset(CATALOG[name], tmp_path)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_what_keras_datasets_keeps_of_cifar(tmp_path, name, monkeypatch):
    """In Keras' own folder, as Keras' own loader reads it."""
    inner, files, key = archives._PYTHON[name]
    place = tmp_path / "datasets" / f"{inner}-target" / inner
    place.mkdir(parents=True)
    for number, file in enumerate([*files["train"], *files["test"]]):
        images = np.full((2, 3072), number, "uint8")
        images[:, :1024] += 100
        (place / file).write_bytes(pickle.dumps({b"data": images, key: [number, 9]}, protocol=2))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    stored = read_dataset(CATALOG[name])
    assert stored.x_train[:, 3, 4].tolist() == [[100 + n, n, n] for n in range(len(files["train"])) for _ in "ab"]
    assert stored.y_train.tolist() == [label for n in range(len(files["train"])) for label in (n, 9)]
    assert stored.y_test.tolist() == [len(files["train"]), 9]


def test_a_pickle_runs_no_program(tmp_path):
    class Program:
        def __reduce__(self):
            return (pathlib.Path(tmp_path / "ran").touch, ())

    place = tmp_path / "cifar-100-python"
    place.mkdir()
    for file in ("train", "test"):
        (place / file).write_bytes(pickle.dumps({b"data": Program(), b"fine_labels": [1]}))
    with pytest.raises(ValueError, match="does not hold readable batches of CIFAR: it asks for"):
        read_dataset(CATALOG["cifar100"], tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("name", "inner"), [("fashion_mnist", "fashion-mnist"), ("mnist", "mnist")])
def test_the_official_files_of_mnist(tmp_path, name, inner, monkeypatch):
    (tmp_path / "datasets" / inner).mkdir(parents=True)
    images, labels = RNG.integers(0, 256, (3, 28, 28)).astype("uint8"), np.array([7, 0, 9], "uint8")
    for begin in ("train", "t10k"):
        for ending, array in (("images-idx3", images), ("labels-idx1", labels)):
            head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            path = tmp_path / "datasets" / inner / f"{begin}-{ending}-ubyte.gz"
            path.write_bytes(gzip.compress(head + array.tobytes()))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    stored = read_dataset(CATALOG[name])
    assert np.array_equal(stored.x_train[..., 0], images)
    assert stored.y_test.tolist() == [7, 0, 9]
    path.write_bytes(b"no gzip")
    with pytest.raises(ValueError, match=f"{path.name} does not hold readable arrays in the idx format"):
        read_dataset(CATALOG[name])


def test_keras_datasets_downloads_what_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "datasets").mkdir()
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: archive(tmp_path / "datasets" / "mnist.npz"))
    with pytest.raises(FileNotFoundError, match="No mnist"):
        data.load_arrays("mnist", tmp_path / "elsewhere")
    assert data.load_arrays("mnist", tmp_path / "elsewhere", download=True).x_train.shape == (6, 28, 28, 1)


def test_missing_data_says_where_it_was_looked_for(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError) as error:
        data.load_arrays("cifar10", tmp_path)
    for words in (str(tmp_path), "cifar10.npz", "tfds/cifar10/", "download=True"):
        assert words in str(error.value)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "kept"))
    with pytest.raises(FileNotFoundError, match="No mnist in .*kept/datasets and .*elsewhere"):
        data.load_arrays("mnist")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A data set called cifar10 as TFDS prepares it, with 7 training and 3 test images, in several files."""
    tfds = pytest.importorskip("tensorflow_datasets")

    class Cifar10(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("3.0.2")

        def _info(self):
            features = {
                "id": tfds.features.Text(),
                "image": tfds.features.Image(shape=(32, 32, 3)),
                "label": tfds.features.ClassLabel(num_classes=10),
            }
            return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples("train", 7), "test": self._generate_examples("test", 3)}

        def _generate_examples(self, split, count):
            for n in range(count):
                image = np.full((32, 32, 3), 20 * n, np.uint8)
                yield n, {"id": f"{split}_{n:05d}", "image": image, "label": n % 10}

    folder = tmp_path_factory.mktemp("data")
    Cifar10(data_dir=str(folder / "tfds")).download_and_prepare(
        download_config=tfds.download.DownloadConfig(num_shards=2)
    )
    return folder


@pytest.mark.parametrize("inside", ["", "tfds"])
def test_tfds(prepared, inside):
    arrays = read_dataset(CATALOG["cifar10"], prepared / inside)
    numbers = [int(name.decode().removeprefix("train_")) for name in arrays.ids_train]
    assert sorted(numbers) == list(range(7))
    assert arrays.y_train.tolist() == numbers
    assert arrays.x_train[:, 5, 5, 1].tolist() == [20 * n for n in numbers]
    assert arrays.x_test.shape == (3, 32, 32, 3)
    assert read_dataset(CATALOG["cifar10"], prepared).ids_train.tolist() == arrays.ids_train.tolist()


def test_damaged_tfds_records_are_named(prepared, tmp_path):
    shutil.copytree(prepared / "tfds", tmp_path / "tfds")
    [folder] = tmp_path.glob("tfds/cifar10/*")
    record = sorted(folder.glob("*train.tfrecord*"))[0]
    record.write_bytes(record.read_bytes()[:-20])
    with pytest.raises(ValueError, match=f"{folder}, train"):
        data.load_arrays("cifar10", tmp_path)


def test_missing_extras_say_what_to_install(prepared, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ImportError, match=r"cifar10.* pip install -e '\.\[tfds\]' in the clone"):
        data.load_arrays("cifar10", prepared)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    asked, arrays = {"pipeline": "tf.data"}, (np.zeros((2, 1)), np.zeros(2, int))
    for call in (lambda: data.load("digits", **asked), lambda: data.with_provenance(arrays, **asked)):
        with pytest.raises(ImportError, match=r"tf.data.* pip install -e '\.\[tfds\]' in the clone"):
            call()
