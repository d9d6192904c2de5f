"""Exact duplicates with different labels: found by content, whatever samples are, and listed with the suspects."""

import csv

import keras
import numpy as np
import pytest
from harness import once

from keras_robust import diagnostics
from keras_robust.diagnostics import Duplicates, duplicates
from keras_robust.weight_log import RECORD, write_epoch

pytestmark = once

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 4, 5, 3), dtype="uint8")
IMAGES[4] = IMAGES[1]  # labels differ
IMAGES[5] = IMAGES[0]  # labels agree
LABELS = np.array([2, 0, 1, 1, 1, 2])
FOUND = [Duplicates((1, 4), (0, 1))]


def files(folder):
    paths = [folder / f"{number}.bin" for number in range(6)]
    for path, image in zip(paths, IMAGES, strict=True):
        path.write_bytes(image.tobytes())
    return paths


def test_all_that_samples_may_be(tmp_path):
    import pandas

    paths, texts = files(tmp_path), [f"text {image.sum()}" for image in IMAGES]
    forms = {
        "array": IMAGES,
        "floats": IMAGES / 255.0,
        "tensor": keras.ops.convert_to_tensor(IMAGES.astype("float32")),
        "list": list(IMAGES),
        "dict": {"a": IMAGES, "b": texts},
        "texts": texts,
        "array of texts": np.array(texts),
        "bytes": [text.encode() for text in texts],
        "paths": paths,
        "names of files": [str(path) for path in paths],
        "array of names": np.array([str(path) for path in paths]),
        "array of paths": np.array(paths, object),
        "bytes of names": [bytes(path) for path in paths],
        "column of names": pandas.Series([str(path) for path in paths], index=range(9, 15)),
        "rows": pandas.DataFrame({"a": texts, "b": IMAGES[:, 0, 0, 0]}),
    }
    for name, x in forms.items():
        assert duplicates(x, LABELS) == FOUND, name
    for labels in (LABELS[:, None], np.eye(3)[LABELS], LABELS.tolist()):
        assert duplicates(IMAGES, labels) == FOUND
    assert duplicates(texts, np.array(list("caabbc"))) == [Duplicates((1, 4), ("a", "b"))]
    assert duplicates(IMAGES[:0], LABELS[:0]) == []
    three = duplicates(["a", "b", "a", "b", "a"], [0, 1, 0, 2, 1])
    assert three == [Duplicates((0, 2, 4), (0, 0, 1)), Duplicates((1, 3), (1, 2))]


def test_what_is_not_the_same():
    zeros = [np.zeros((2, 3)), np.zeros((3, 2)), np.zeros((2, 3), "int64"), np.zeros(6), -np.zeros((2, 3))]
    assert duplicates(zeros, range(5)) == [Duplicates((0, 4), (0, 4))]
    assert duplicates({"a": [b"x", b"x"], "b": ["1", "2"]}, [0, 1]) == []
    assert duplicates(["a", "b"], [0, 1]) == []


def test_wrong_use(tmp_path):
    paths = files(tmp_path)
    for x, labels, words in (
        (IMAGES, LABELS[:5], "`labels` of duplicates must be one for each of the 6 samples"),
        (IMAGES, np.full((6, 3), 0.5), "`labels` of duplicates must be class ids or names"),
        (IMAGES, [np.nan] * 6, "`labels` of duplicates must be class ids or names"),
        ("a text", [0], "`x` of duplicates must be all samples"),
        (iter(IMAGES), LABELS, "`x` of duplicates must be all samples"),
        ({"a": IMAGES, "b": IMAGES[:2]}, LABELS, "`x` of duplicates must be a dict of inputs of the same samples"),
    ):
        with pytest.raises(ValueError, match=words):
            duplicates(x, labels)
    paths[3].unlink()
    with pytest.raises(FileNotFoundError, match="3.bin"):
        duplicates([str(path) for path in paths], LABELS)


@pytest.mark.parametrize("given", ["images", "texts", "paths"])
def test_they_are_listed_with_the_suspects(given, tmp_path):
    labels = np.append(LABELS, [-1])  # one that was never seen, the same as others
    records = np.zeros(7, RECORD)
    records["label"], records["predicted"], records["clean"] = labels, 0, -1
    write_epoch(tmp_path / "log", 0, records)
    content = {
        "images": np.concatenate([IMAGES, IMAGES[:1]]),
        "texts": [str(image.sum()) for image in (*IMAGES, IMAGES[0])],
        "paths": [*files(tmp_path), tmp_path / "0.bin"],
    }[given]
    found = diagnostics.write_suspects(tmp_path / "log", tmp_path, **{given: content}, class_names=["a", "b", "c"])
    assert found.duplicates == FOUND
    assert "duplicates.csv: 1 group of exact duplicates with different labels" in str(found)
    first, second = csv.DictReader((tmp_path / "duplicates.csv").read_text().splitlines())
    assert (first["group"], first["sample"], first["given"], first["given_name"]) == ("1", "1", "0", "a")
    assert (second["sample"], second["given_name"]) == ("4", "b")
    if given != "images":
        assert first[given[:-1]] == str(content[1])
    again = diagnostics.write_suspects(tmp_path / "log", tmp_path, **{given: content}, with_duplicates=False)
    assert again.duplicates is None
    assert not (tmp_path / "duplicates.csv").exists()
