"""Samples that are there several times, with labels that contradict each other."""

import hashlib
import os
from typing import NamedTuple

import numpy as np
from keras import ops

from keras_robust.checks import refuse
from keras_robust.data.folders import RECORD, Files, Records
from keras_robust.data.own_labels import of_one_hot

_BYTES = 16  # of a digest: two of a billion samples share one by chance once in 10^20 data sets
_CHUNK = 2**20  # bytes of a file that are read at a time


class Duplicates(NamedTuple):
    """Samples that are the same, bit for bit, and have different labels.

    Attributes:
        samples: their numbers, ascending.
        labels: the label of each.
    """

    samples: tuple[int, ...]
    labels: tuple


def duplicates(x, labels) -> list[Duplicates]:
    """Groups of exact duplicates whose labels differ: at least one label of each is wrong, whatever a model says.

    Samples are the same where their contents are, byte for byte: shape, dtype and values of arrays (0 and -0 are one
    number), texts, contents of files. They are compared by a digest of 16 bytes, so that one sample at a time is in
    memory.

    Args:
        x: an array (n, ...); a list of arrays, of any shapes; a dict of these, of models with several inputs; a list of
            texts; a DataFrame, by its rows; or a list of paths. Of texts, the first of which is the path of a file, all
            are taken for paths.
        labels: of the samples: class ids or names (n,) or (n, 1), or one-hot rows (n, classes).

    Returns:
        The groups, by their first sample.

    Raises:
        ValueError: for other numbers of samples than of labels, a data set of batches, and labels that are none.
        FileNotFoundError: naming a file that is not there.

    Example:

    >>> texts = ["good", "bad", "good", "fine", "bad"]
    >>> keras_robust.diagnostics.duplicates(texts, [1, 0, 0, 1, 0])
    [Duplicates(samples=(0, 2), labels=(1, 0))]
    """
    labels, digests = _labels(labels), _digests(x)
    if len(labels) != len(digests):
        refuse("duplicates", "labels", f"one for each of the {len(digests):,} samples", f"{len(labels):,} labels")
    order = np.argsort(digests, kind="stable")
    starts = np.flatnonzero(np.append(True, digests[order][1:] != digests[order][:-1]))
    found = []
    for samples in np.split(order, starts[1:]) if len(order) else ():
        if len(samples) > 1 and len(set(given := labels[samples].tolist())) > 1:
            found.append(Duplicates(tuple(samples.tolist()), tuple(given)))
    return sorted(found)


def _labels(labels):
    labels = ops.convert_to_numpy(labels) if ops.is_tensor(labels) else np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    ids = of_one_hot(labels) if labels.ndim == 2 else labels
    if ids is None or ids.ndim != 1 or (ids.dtype.kind == "f" and np.isnan(ids).any()):
        refuse("duplicates", "labels", "class ids or names (n,) or (n, 1), or one-hot rows", labels)
    return ids


def _digests(x):
    """A digest of each sample, (n,), of which equal ones are of equal samples."""
    if isinstance(x, dict):
        parts = [_digests(one) for one in x.values()]
        if not parts or len({len(part) for part in parts}) > 1:
            refuse("duplicates", "x", "a dict of inputs of the same samples", {k: np.shape(v) for k, v in x.items()})
        return _joined(b"".join(row) for row in zip(*(part.tolist() for part in parts), strict=True))
    if isinstance(x, Files):
        return _of_files(x.paths)
    if isinstance(x, Records):
        return _of_records(x)
    if hasattr(x, "columns") and hasattr(x, "itertuples"):
        return _joined(repr(row).encode() for row in x.itertuples(index=False, name=None))
    if ops.is_tensor(x):
        x = ops.convert_to_numpy(x)
    if (
        isinstance(x, str | bytes)
        or hasattr(x, "element_spec")
        or not hasattr(x, "__len__")
        or getattr(x, "ndim", 1) == 0
    ):
        rule = "all samples: an array, a dict of arrays, or a list of arrays, texts or paths"
        refuse("duplicates", "x", rule, type(x).__name__)
    first = next(iter(x), None)  # of a Series x[0] would be another one
    if isinstance(first, os.PathLike) or (isinstance(first, str | bytes) and len(first) and os.path.isfile(first)):
        return _of_files(x)
    return _joined(_content(sample) for sample in x)


def _content(sample):
    """What makes a sample, as bytes."""
    if isinstance(sample, str):
        return sample.encode("utf-8", "surrogatepass")
    if isinstance(sample, bytes):
        return sample
    values = np.asarray(ops.convert_to_numpy(sample) if ops.is_tensor(sample) else sample)
    if values.dtype.kind == "O":
        return repr(values.tolist()).encode()
    if values.dtype.kind == "f":
        values = values + values.dtype.type(0)  # which makes 0 of -0
    return f"{values.dtype.str}{values.shape}".encode() + values.tobytes()


def _of_files(paths):
    """Files of one size alone are none of any other: only the others are read."""
    sizes = [os.stat(path).st_size for path in paths]
    _, group, counts = np.unique(sizes, return_inverse=True, return_counts=True)
    alone = counts[group] == 1 if len(sizes) else ()
    lone = (f"{size} bytes".encode() for size in sizes)
    return _joined(size if single else _read(path) for path, size, single in zip(paths, lone, alone, strict=True))


def _read(path):
    digest = hashlib.blake2b(digest_size=_BYTES)
    with open(path, "rb") as file:
        while content := file.read(_CHUNK):
            digest.update(content)
    return digest.digest()


def _of_records(x):
    return _joined(one["pixels"].tobytes() for path in x.files for one in np.memmap(path, RECORD, "r"))


def _joined(contents):
    digests = [hashlib.blake2b(content, digest_size=_BYTES).digest() for content in contents]
    return np.array(digests, f"S{_BYTES}")
