"""Layouts in which MNIST, Fashion-MNIST and CIFAR are stored, each found in a folder and read without TensorFlow.

Each reader is (folder, row) -> the place that it found and the arrays {x_train, y_train, x_test, y_test}, or None.
"""

import gzip
import io
import os
import pathlib
import pickle
import tarfile

import numpy as np

SPLITS = ("train", "test")
# CIFAR's folders, files by split, and where a label is: its key, or the bytes of labels before an image.
_BATCHES = [f"data_batch_{n}" for n in range(1, 6)]
_PYTHON = {
    "cifar10": ("cifar-10-batches-py", {"train": _BATCHES, "test": ["test_batch"]}, b"labels"),
    "cifar100": ("cifar-100-python", {"train": ["train"], "test": ["test"]}, b"fine_labels"),
}
_BINARY = {
    "cifar10": ("cifar-10-batches-bin", {"train": [f"{n}.bin" for n in _BATCHES], "test": ["test_batch.bin"]}, 1),
    "cifar100": ("cifar-100-binary", {"train": ["train.bin"], "test": ["test.bin"]}, 2),
}
_BINARY_ARCHIVE = {"cifar10": "cifar-10-binary.tar.gz", "cifar100": "cifar-100-binary.tar.gz"}
_IDX = {"train": "train", "test": "t10k"}
_CIFAR_SHAPE = (3, 32, 32)


def npz(folder, row):
    """NAME.npz or NAME/NAME.npz, as keras.datasets keeps MNIST: the four arrays by their names."""
    name = row.stored
    path = next((path for path in (folder / f"{name}.npz", folder / name / f"{name}.npz") if path.is_file()), None)
    if path is None:
        return None
    what = "arrays x_train, y_train, x_test, y_test"
    with _told(path, what), open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
        return path, {f"{kind}_{split}": archive[f"{kind}_{split}"] for split in SPLITS for kind in "xy"}


def idx(folder, row):
    """MNIST's official files, packed with gzip or not, in the folder or in one of the data set's name."""
    if row.stored in _PYTHON:
        return None
    own = {folder / row.stored, folder / row.stored.replace("_", "-")}
    for place in (*own, *([folder] if folder.name in {one.name for one in own} else [])):
        paths = {}
        for split, begin in _IDX.items():
            for kind, ending in (("x", "images-idx3-ubyte"), ("y", "labels-idx1-ubyte")):
                names = (f"{begin}-{ending}.gz", f"{begin}-{ending}")
                paths[f"{kind}_{split}"] = next((place / n for n in names if (place / n).is_file()), None)
        if None not in paths.values():
            return place, {name: _idx_array(path) for name, path in paths.items()}
    return None


def _idx_array(path):
    with _told(path, "arrays in the idx format"):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        rank = data[3]
        shape = tuple(np.frombuffer(data, ">u4", rank, offset=4))
        return np.frombuffer(data, "uint8", offset=4 + 4 * rank).reshape(shape)


def python_batches(folder, row):
    """CIFAR as keras.datasets keeps it: files of Python's pickle, of which nothing but arrays is unpacked."""
    if row.stored not in _PYTHON:
        return None
    inner, files, key = _PYTHON[row.stored]
    for place in (folder / inner, folder / f"{inner}-target" / inner):
        if place.is_dir():
            return place, _joined(files, lambda name, place=place: _unpickled(place / name, key))
    return None


def binary(folder, row):
    """CIFAR's official binary version, its archive or what is in it."""
    if row.stored not in _BINARY:
        return None
    (inner, files, labels), archive = _BINARY[row.stored], folder / _BINARY_ARCHIVE[row.stored]
    place, read = folder / inner, lambda name: (folder / inner / name).read_bytes()
    if not place.is_dir():
        if not archive.is_file():
            return None
        place, read = archive, _members(archive, inner)
    return place, _joined(files, lambda name: _records(place, name, read, labels))


def _members(archive, inner):
    with _told(archive, "CIFAR's binary version"), tarfile.open(archive) as packed:
        content = {m.name: packed.extractfile(m).read() for m in packed if m.isfile()}
    return lambda name: content[f"{inner}/{name}"]


def _records(place, name, read, labels):
    """Images and their labels, of which the last byte before an image counts."""
    with _told(place / name if place.is_dir() else place, "CIFAR's binary version"):
        records = np.frombuffer(read(name), "uint8").reshape(-1, labels + int(np.prod(_CIFAR_SHAPE)))
        return records[:, labels:], records[:, labels - 1]


def _unpickled(path, key):
    with _told(path, "batches of CIFAR"):
        batch = _ArraysOnly(io.BytesIO(path.read_bytes()), encoding="bytes").load()
        return np.asarray(batch[b"data"]), np.asarray(batch[key])


def _joined(files, read):
    """Arrays of both splits, from the batches (images, labels) of their files; colors are the last axis."""
    arrays = {}
    for split in SPLITS:
        images, labels = map(np.concatenate, zip(*map(read, files[split]), strict=True))
        arrays[f"x_{split}"] = images.reshape(-1, *_CIFAR_SHAPE).transpose(0, 2, 3, 1)
        arrays[f"y_{split}"] = labels
    return arrays


class _ArraysOnly(pickle.Unpickler):
    """Unpacks arrays and what Python has built in; anything else in a file could run a program."""

    _KNOWN = {("multiarray", "_reconstruct"), ("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}

    def find_class(self, module, name):
        if (module.rpartition(".")[2], name) in self._KNOWN and module.split(".")[0] in ("numpy", "_codecs"):
            return super().find_class(module.replace("numpy.core.", "numpy._core."), name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no array")


class _told:  # noqa: N801
    """Says which file does not hold what it should, whatever its reader raised."""

    def __init__(self, path, what):
        self.path, self.what = path, what

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, Exception):
            raise ValueError(f"{self.path} does not hold readable {self.what}: {error}") from error


LAYOUTS = (npz, idx, python_batches, binary)


def keras_folder() -> pathlib.Path:
    """Where `keras.datasets` keeps what it downloaded."""
    return pathlib.Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "datasets"
