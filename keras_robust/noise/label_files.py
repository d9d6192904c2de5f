"""Reading published label files (npz, PyTorch's .pt, TFDS records) without running anything that is in them."""

import io
import pathlib
import pickle
import re
import zipfile

import numpy as np

from keras_robust.checks import missing

_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
_NUMBER = re.compile(r"[iu][1248]")
_RECORD = re.compile(r"train_(\d+)")


def read_arrays(path) -> dict[str, np.ndarray]:
    """The integer arrays of a npz archive or of a file that `torch.save` made of a dict of numpy arrays or lists.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: naming the file, for anything else, a pickle that asks for more than numbers included.
    """
    path = pathlib.Path(path)
    content = path.read_bytes()
    try:
        if not zipfile.is_zipfile(io.BytesIO(content)):
            found = _legacy_pickle(io.BytesIO(content))
        else:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                pickles = [name for name in archive.namelist() if name.endswith("data.pkl")]
                if pickles:
                    found = _Unpickler(io.BytesIO(archive.read(pickles[0]))).load()
                else:
                    found = dict(np.load(io.BytesIO(content), allow_pickle=False))
        return {str(name): _numbers(value) for name, value in found.items()}
    except Exception as error:  # a hostile or broken pickle may raise anything
        raise ValueError(f"{path} is not a readable label file: {error}.") from error


def read_records(builder: str, folder, names) -> dict[str, np.ndarray]:
    """Columns of the training records of a prepared TFDS data set, in the order of the numbers in their ids.

    Raises:
        FileNotFoundError: if nothing is prepared there.
        ImportError: without tensorflow-datasets.
        ValueError: naming the folder, if the numbers are not 0, 1, ... without a gap.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise missing(f"{folder} holds TFDS records", "tfds") from error
    columns = tfds.decode.PartialDecoding(dict.fromkeys(("id", *names), True))
    prepared = tfds.builder(builder, data_dir=str(folder))
    if not prepared.is_prepared():
        raise FileNotFoundError(f"{folder} holds no prepared TFDS records of {builder}: looked in {prepared.data_dir}.")
    records = prepared.as_dataset(split="train", decoders=columns)
    batches = list(tfds.as_numpy(records.batch(4096)))
    joined = {name: np.concatenate([batch[name] for batch in batches]) for name in ("id", *names)}
    place = record_numbers(joined.pop("id"))
    if not np.array_equal(np.sort(place), np.arange(len(place))):
        raise ValueError(f"{folder}: the ids of {builder} are not 0 to {len(place) - 1}, each once.")
    order = np.argsort(place)
    return {name: column[order] for name, column in joined.items()}


def record_numbers(ids) -> np.ndarray:
    """The numbers of images in the original order, from integers or from record ids such as "train_00123".

    Raises:
        ValueError: for ids without such a number, the one that came first among them.
    """
    ids = np.asarray(ids)
    if np.issubdtype(ids.dtype, np.integer):
        return ids.astype("int64")
    texts = [text.decode() if isinstance(text, bytes) else str(text) for text in ids.tolist()]
    matches = [_RECORD.fullmatch(text) for text in texts]
    if None in matches:
        raise ValueError(
            "Human labels are joined to images by the image's number in the original training set: an integer, or a "
            'record id such as "train_00123". Images stored under other names, or test images, have no human label. '
            f"Received: {texts[matches.index(None)]!r}."
        )
    return np.array([int(match[1]) for match in matches], dtype="int64")


def _legacy_pickle(file):
    """A bare pickle, or PyTorch's format before 1.6: magic number, protocol, system, then the object."""
    found = _Unpickler(file).load()
    if found == _TORCH_MAGIC:
        for _ in range(3):
            found = _Unpickler(file).load()
    return found


def _numbers(value):
    value = np.asarray(value.values if isinstance(value, _Array) else value)
    if not np.issubdtype(value.dtype, np.integer):
        raise ValueError(f"labels of type {value.dtype}")
    return value


class _Type:
    """Stands in for numpy.dtype: integers only."""

    def __init__(self, text, *_):
        if not _NUMBER.fullmatch(text):
            raise pickle.UnpicklingError(f"an array of type {text!r}")
        self.text, self.order = text, "="

    def __setstate__(self, state):
        self.order = state[1]

    def real(self):
        return np.dtype(self.text).newbyteorder(self.order)


class _Array:
    """Stands in for numpy.ndarray, filled from shape, type and bytes."""

    def __setstate__(self, state):
        _, shape, kind, fortran, raw = state
        self.values = np.frombuffer(raw, kind.real()).reshape(shape, order="F" if fortran else "C")


def _array(*_):
    return _Array()


def _number(kind, raw):
    return int(np.frombuffer(raw, kind.real())[0])


def _bytes(text, encoding):
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text in {encoding!r}")
    return text.encode("latin1")


class _Unpickler(pickle.Unpickler):
    """Knows numpy's arrays of integers, by stand-ins, and refuses every other name: nothing in the file can run."""

    KNOWN = {
        **{(f"numpy.{core}.multiarray", "_reconstruct"): _array for core in ("core", "_core")},
        **{(f"numpy.{core}.multiarray", "scalar"): _number for core in ("core", "_core")},
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Type,
        ("_codecs", "encode"): _bytes,
    }

    def find_class(self, module, name):
        if (module, name) not in self.KNOWN:
            raise pickle.UnpicklingError(f"its pickle asks for {module}.{name}, which a label file does not need")
        return self.KNOWN[module, name]

    def persistent_load(self, pid):
        raise pickle.UnpicklingError("it holds PyTorch tensors instead of numpy arrays")
