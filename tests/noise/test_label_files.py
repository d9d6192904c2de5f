"""Reading label files: what PyTorch wrote is read, and nothing that asks to run is."""

import collections
import io
import os
import pickle
import zipfile

import numpy as np
import pytest
from harness import once

from keras_robust.noise import label_files

pytestmark = once

ARRAYS = {
    "clean_label": np.array([3, 1, 2, 9, 250]),
    "worse_label": np.array([4, 1, 0, 9, 0], "uint8"),
    "big_endian": np.array([1, 2, 700], ">i4"),
    "strided": np.asfortranarray(np.arange(6, dtype="int32").reshape(2, 3)),
    "clean_coarse_label": [1, 2, 3, 4, 5],
    "scalars": [np.int64(7), np.int64(-8)],
}


def assert_same(read):
    assert read.keys() == ARRAYS.keys()
    for name, expected in ARRAYS.items():
        np.testing.assert_array_equal(read[name], expected)


@pytest.mark.parametrize("zipped", [True, False])
def test_files_of_pytorch(tmp_path, zipped):
    torch = pytest.importorskip("torch")
    torch.save(ARRAYS, tmp_path / "labels.pt", _use_new_zipfile_serialization=zipped)
    assert_same(label_files.read_arrays(tmp_path / "labels.pt"))


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_pickles_in_pytorchs_archive(tmp_path, protocol):
    path = torch_archive(tmp_path, pickle.dumps(ARRAYS, protocol=protocol))
    assert_same(label_files.read_arrays(path))
    # numpy 1 called its core otherwise.
    older = pickle.dumps(ARRAYS, protocol=2).replace(b"numpy._core.", b"numpy.core.")
    assert_same(label_files.read_arrays(torch_archive(tmp_path, older)))


def torch_archive(folder, content):
    with zipfile.ZipFile(folder / "labels.pt", "w") as archive:
        archive.writestr("labels/data.pkl", content)
        archive.writestr("labels/version", "3")
    return folder / "labels.pt"


def test_npz(tmp_path):
    np.savez(tmp_path / "labels.npz", **ARRAYS)
    assert_same(label_files.read_arrays(tmp_path / "labels.npz"))


class Runs:
    """A pickle that calls a function when it is loaded."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


HOSTILE = {
    "a command": lambda target: Runs(os.system, f"touch {target}"),
    "eval": lambda target: Runs(eval, f"open({str(target)!r}, 'w')"),
    "a file": lambda target: Runs(io.open, str(target), "w"),
    "getattr": lambda target: Runs(getattr, str(target), "upper"),
    "a numpy function": lambda target: Runs(np.save, str(target), np.arange(3)),
    "another class": lambda target: collections.OrderedDict(clean=np.arange(3)),
    "another codec": lambda target: Runs(__import__("_codecs").encode, "target", "rot13"),
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("what", HOSTILE)
def test_pickles_that_ask_for_more_than_numbers_are_refused(tmp_path, what, zipped):
    target = tmp_path / "was_here"
    content = pickle.dumps({"clean_label": np.arange(3), "x": HOSTILE[what](target)}, protocol=2)
    if zipped:
        path = torch_archive(tmp_path, content)
    else:
        path = tmp_path / "labels.pt"
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"labels\.pt is not a readable label file: "):
        label_files.read_arrays(path)
    assert not target.exists()


def test_the_hostile_pickles_would_run_elsewhere(tmp_path):
    """The test above cannot fail if they are harmless."""
    target = tmp_path / "was_here"
    pickle.loads(pickle.dumps(HOSTILE["a command"](target), protocol=2))
    assert target.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Ran out of input|EOF"),
        (b"clean, noisy\n1, 2\n", "."),
        (pickle.dumps([1, 2]), "."),
        (pickle.dumps({"clean_label": np.array([0.5])}, protocol=2), "an array of type 'f8'"),
        (pickle.dumps({"clean_label": np.array([{}])}, protocol=2), "an array of type 'O8'"),
        (pickle.dumps({"clean_label": "abc"}, protocol=2), "labels of type"),
        (pickle.dumps({"clean_label": np.arange(3)}, protocol=2)[:-20], "."),
        (b"PK\x03\x04 not a zip", "."),
    ],
)
def test_broken_files_are_refused_by_name(tmp_path, content, message):
    path = tmp_path / "labels.pt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"labels\.pt is not a readable label file: .*({message})"):
        label_files.read_arrays(path)


def test_tensors_are_refused(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"clean_label": torch.arange(3)}, tmp_path / "labels.pt")
    with pytest.raises(ValueError, match="is not a readable label file"):
        label_files.read_arrays(tmp_path / "labels.pt")


def test_npz_with_a_pickle_inside(tmp_path):
    np.savez(tmp_path / "labels.npz", clean=np.array([Runs(os.system, f"touch {tmp_path}/was_here")], dtype=object))
    with pytest.raises(ValueError, match=r"labels\.npz is not a readable label file"):
        label_files.read_arrays(tmp_path / "labels.npz")
    assert not (tmp_path / "was_here").exists()


def test_numbers_of_records():
    expected = [3, 0, 49_999]
    for ids in (expected, np.array(expected, "uint16"), ["train_00003", b"train_00000", "train_49999"]):
        np.testing.assert_array_equal(label_files.record_numbers(ids), expected)
    np.testing.assert_array_equal(label_files.record_numbers(np.array([b"train_00003"])), [3])
    for wrong in ("bos_taurus_s_000507.png", "test_00003", "train_3x", ""):
        with pytest.raises(ValueError, match=f"joined to images by the image's number.* Received: {wrong!r}"):
            label_files.record_numbers(["train_00000", wrong])
    with pytest.raises(ValueError, match="Received: '0.5'"):
        label_files.record_numbers([0.5])
