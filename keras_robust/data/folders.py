"""Data sets in folders on disk, in their official layouts: which files there are and what they are labeled.

Images are never all in memory; the labels are. All files are looked for when a data set is loaded, by listing each
folder once, and nothing is left out in silence: what does not fit is an error that names the file.
"""

import os
import pathlib
import re
from dataclasses import dataclass

import numpy as np

_ALL = 1000  # classes of ILSVRC 2012 and of WebVision 1.0
SIDE = 64
RECORD = np.dtype([("id", "V4"), ("label", "V4"), ("pixels", np.uint8, (3, SIDE, SIDE))])


@dataclass(frozen=True)
class Files:
    """Images in files of their own."""

    paths: list


@dataclass(frozen=True)
class Records:
    """Images of 64 x 64 pixels in files of fixed-length records."""

    files: list
    shape = (SIDE, SIDE, 3)

    def read(self, positions) -> np.ndarray:
        """Those images, (n, 64, 64, 3), uint8, by their positions in all files one after the other."""
        maps = [np.memmap(path, RECORD, "r") for path in self.files]
        ends = np.cumsum([len(records) for records in maps])
        images = np.empty((len(positions), SIDE, SIDE, 3), np.uint8)
        for place, position in enumerate(positions):
            file = int(np.searchsorted(ends, position, side="right"))
            record = maps[file][position - ends[file]]
            images[place] = record["pixels"].transpose(1, 2, 0)
        return images


@dataclass(frozen=True)
class Folder:
    """A data set on disk: class ids (n,), int32, and where the images are; None without images to train on."""

    class_names: tuple
    x_train: Files | Records | None
    y_train: np.ndarray | None
    x_test: Files | Records
    y_test: np.ndarray


def _webvision(row, data_dir, _) -> Folder:
    """WebVision 1.0, the images that Google found, tested on the validation images; the first of its classes.

    Layout: info/train_filelist_google.txt ("google/q0001/NAME.jpg 0"), google/, info/val_filelist.txt
    ("val000001.jpg 412"), val_images_256/ (or val_images/), info/synsets.txt for the names of the classes.

    Reference: Li et al. 2017. Classes 0 to 49 alone are the "mini" setting of Jiang et al. 2018.
    """
    K, root = row.num_classes, _root(row, data_dir, "info/train_filelist_google.txt")
    small = root / "val_images_256"
    validation = small if small.is_dir() or not (root / "val_images").is_dir() else root / "val_images"
    names = [name for _, name in _synsets(root / "info" / "synsets.txt", K)] or row.class_names
    train = _listed(root / "info" / "train_filelist_google.txt", root, K)
    return Folder(tuple(names), *train, *_listed(root / "info" / "val_filelist.txt", validation, K))


def _ilsvrc12(row, data_dir, _) -> Folder:
    """The 50,000 validation images of ILSVRC 2012, to test on; the first of its classes, in WebVision's order.

    Layout: val/ with a folder for each synset ("val/n01440764/NAME.JPEG"), the order of whose names is that of the
    classes; or val/ with all images, and val.txt ("NAME.JPEG 65", as Caffe has it). WebVision's synsets.txt, beside
    val/ or in webvision/info/ beside the data set, names the classes; where it is, folders of other synsets may be
    missing. The ids in ILSVRC2012_validation_ground_truth.txt are in another order and of no use here.

    Reference: Russakovsky et al. 2015.
    """
    K, root = row.num_classes, _root(row, data_dir, "val")
    beside = root.parent / "webvision" / "info" / "synsets.txt"
    known = _synsets(root / "synsets.txt" if (root / "synsets.txt").is_file() else beside, K)
    names = tuple(name for _, name in known)
    if (root / "val.txt").is_file():
        return Folder(names or row.class_names, None, None, *_listed(root / "val.txt", root / "val", K))
    synsets = [synset for synset, _ in known]
    if not synsets:
        synsets = sorted(path.name for path in (root / "val").iterdir() if path.is_dir())
        if len(synsets) != _ALL:
            raise ValueError(
                f"{root / 'val'} must hold {_ALL:,} folders, one for each synset. It holds {len(synsets):,}. Put "
                f"WebVision's synsets.txt beside it to use some of them, or val.txt with a label for each image."
            )
        synsets = synsets[:K]
    return Folder(names or tuple(synsets), None, None, *_in_folders(root / "val", synsets))


def _clothing1m(row, data_dir, _) -> Folder:
    """Clothing1M: trained on the million noisy labels, tested on the clean test labels.

    Layout: noisy_train_key_list.txt and clean_test_key_list.txt ("images/0/00/NAME.jpg"), noisy_label_kv.txt and
    clean_label_kv.txt ("images/0/00/NAME.jpg 3"), images/, category_names_eng.txt for the names of the classes.

    Reference: Xiao et al. 2015.
    """
    K, root = row.num_classes, _root(row, data_dir, "noisy_train_key_list.txt")
    names = root / "category_names_eng.txt"
    class_names = tuple(_lines(names)) if names.is_file() else row.class_names
    if len(class_names) != K:
        raise ValueError(f"{names} must name {K} classes. It names {len(class_names)}.")
    train = _keyed(root, "noisy_train_key_list.txt", "noisy_label_kv.txt", K)
    return Folder(class_names, *train, *_keyed(root, "clean_test_key_list.txt", "clean_label_kv.txt", K))


def _animal10n(row, data_dir, _) -> Folder:
    """ANIMAL-10N, as images or in its binary version.

    Layout: training/ and testing/ with images LABEL_NUMBER.jpg, in the order of their numbers; or data_batch_1.bin,
    data_batch_2.bin, ... and test_batch.bin with records of 4 bytes id, 4 bytes label, 3 x 64 x 64 bytes pixels.

    Reference: Song et al. 2019.
    """
    K, root = row.num_classes, _root(row, data_dir, "training", "data_batch_1.bin")
    if (root / "training").is_dir():
        return Folder(row.class_names, *_named(root / "training", K), *_named(root / "testing", K))
    train = _binary(_numbered_batches(root), K)
    return Folder(row.class_names, *train, *_binary([root / "test_batch.bin"], K))


#: Endings of the files that Keras' `image_dataset_from_directory` takes for images.
IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")


def image_files(folder) -> tuple[list[str], np.ndarray | None, list[str]]:
    """The images of a user's folder, in the order of `keras.utils.image_dataset_from_directory(..., shuffle=False)`.

    Each folder in it is a class, in the order of their names, with all the images in it and below; images beside them
    belong to none and are left out. A folder without folders holds images without classes, in the order of their names.

    Args:
        folder: the folder.

    Returns:
        Their paths; their class ids (n,), int32, or None; the names of the classes.

    Raises:
        FileNotFoundError: if there is no folder, or no image in it.
    """
    folder = os.fspath(folder)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"There is no folder {folder}.")
    inside = sorted(name for name in os.listdir(folder) if os.path.isdir(f"{folder}/{name}"))
    names, paths, labels = [name for name in inside if not name.startswith(".")], [], []
    for label, name in enumerate(names or [""]):
        found = []
        for root, _, files in sorted(os.walk(os.path.join(folder, name))):
            found += [os.path.join(root, file) for file in sorted(files) if file.lower().endswith(IMAGES)]
        paths += found
        labels += [label] * len(found)
    if not paths:
        raise FileNotFoundError(f"There is no image in {folder} ({', '.join(IMAGES)}).")
    return paths, np.array(labels, "int32") if names else None, names


ON_DISK = {"webvision": _webvision, "ilsvrc12": _ilsvrc12, "clothing1m": _clothing1m, "animal10n": _animal10n}
"""What reads data sets in folders, (row, data_dir, download) -> Folder, as the catalog calls it."""


def _root(row, data_dir, *markers):
    """The folder that holds a data set: `data_dir` itself or one of the data set's name in it."""
    name = row.stored
    if data_dir is None:
        raise ValueError(f"{row.name} is read from disk: pass the folder that holds it as `data_dir`.")
    folder = pathlib.Path(data_dir).expanduser()
    for root in (folder, folder / name):
        if any((root / marker).exists() for marker in markers):
            return root
    raise FileNotFoundError(f"{folder} holds no {name}: there is no {' or '.join(markers)} in it, or in {name}/ in it.")


def _lines(path):
    if not path.is_file():
        raise FileNotFoundError(f"There is no {path}.")
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip()]


def _pairs(path, num_classes):
    """Names and labels of a list of lines "NAME LABEL", checked."""
    lines = _lines(path)
    names, labels = [], np.empty(len(lines), "int32")
    for number, line in enumerate(lines):
        name, _, label = line.replace("\t", " ").rpartition(" ")
        if not name or not re.fullmatch(r"\d{1,9}", label) or int(label) >= num_classes:
            raise ValueError(f"{path}: expected a file and a label in [0, {num_classes}). Received: {line!r}.")
        names.append(name.strip())
        labels[number] = int(label)
    return names, labels


def _synsets(path, num_classes):
    """Synsets of WebVision's first classes, each with the first of its names; none without the file."""
    if not path.is_file():
        return []
    split = [line.partition(" ") for line in _lines(path)]
    if len(split) < num_classes:
        raise ValueError(f"{path} must name {num_classes} classes. It names {len(split)}.")
    return [(synset, names.partition(",")[0].strip() or synset) for synset, _, names in split[:num_classes]]


def _listed(path, folder, num_classes):
    """The files that a list of "NAME LABEL" names, of the first `num_classes` of 1,000 classes."""
    names, labels = _pairs(path, _ALL)
    kept = labels < num_classes
    return _files(path, folder, [name for name, keep in zip(names, kept, strict=True) if keep], labels[kept])


def _keyed(root, keys, values, num_classes):
    """The files that a list of names holds, labeled by a second list that may hold more."""
    names, labels = _pairs(root / values, num_classes)
    known = dict(zip(names, labels.tolist(), strict=True))
    differ = [name for name, label in zip(names, labels.tolist(), strict=True) if known[name] != label]
    if differ:
        raise ValueError(f"{root / values} gives {differ[0]} two labels.")
    wanted = _lines(root / keys)
    unlabeled = [name for name in wanted if name not in known]
    if unlabeled:
        raise ValueError(
            f"{root / values} has no label for {len(unlabeled):,} of the {len(wanted):,} images that {keys} names, "
            f"the first: {unlabeled[0]}."
        )
    return _files(root / keys, root, wanted, np.array([known[name] for name in wanted], "int32"))


def _files(listing, folder, names, labels):
    """Those files, if all are there."""
    if not names:
        raise ValueError(f"{listing} names no images.")
    listed, missing = {}, []
    for name in names:
        parent, _, file = name.rpartition("/")
        if parent not in listed:
            inside = folder / parent
            listed[parent] = set(os.listdir(inside)) if inside.is_dir() else set()
        if file not in listed[parent]:
            missing.append(name)
    if missing:
        raise FileNotFoundError(
            f"{len(missing):,} of the {len(names):,} images that {listing} names are missing, the first: "
            f"{folder / missing[0]}."
        )
    return Files([f"{folder}/{name}" for name in names]), labels


def _in_folders(folder, synsets):
    """The images of some classes, each in a folder of its own, class by class in the order of their names."""
    paths, labels = [], []
    for label, synset in enumerate(synsets):
        inside = folder / synset
        names = sorted(os.listdir(inside)) if inside.is_dir() else []
        if not names:
            raise FileNotFoundError(f"There are no images in {inside}.")
        for name in names:
            if not re.fullmatch(r".+\.jpe?g", name, flags=re.IGNORECASE):
                raise ValueError(f"{inside / name} is not called NAME.JPEG.")
        paths += [f"{inside}/{name}" for name in names]
        labels += [label] * len(names)
    return Files(paths), np.array(labels, "int32")


def _named(folder, num_classes):
    """The images LABEL_NUMBER.jpg of a folder, in the order of their numbers."""
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no {folder}.")
    found = []
    for name in os.listdir(folder):
        match = re.fullmatch(r"(\d+)_(\d+)\.jpe?g", name, flags=re.IGNORECASE)
        if match is None or int(match[1]) >= num_classes:
            raise ValueError(f"{folder / name} is not called LABEL_NUMBER.jpg with a label in [0, {num_classes}).")
        found.append((int(match[2]), name, int(match[1])))
    if not found:
        raise ValueError(f"{folder} holds no images.")
    found.sort()
    return Files([f"{folder}/{name}" for _, name, _ in found]), np.array([label for *_, label in found], "int32")


def _numbered_batches(root):
    found = {int(path.stem.removeprefix("data_batch_")): path for path in root.glob("data_batch_*.bin")}
    for number in range(1, max(found) + 1):
        if number not in found:
            raise FileNotFoundError(f"There is no {root / f'data_batch_{number}.bin'}.")
    return [found[number] for number in sorted(found)]


def _binary(files, num_classes):
    labels = []
    for path in files:
        if not path.is_file():
            raise FileNotFoundError(f"There is no {path}.")
        size = path.stat().st_size
        if size == 0 or size % RECORD.itemsize:
            raise ValueError(f"{path} has {size:,} bytes, which are not whole records of {RECORD.itemsize:,} bytes.")
        raw = np.ascontiguousarray(np.memmap(path, RECORD, "r")["label"])
        # SELFIE's reader takes the first byte for the highest.
        orders = (raw.view(">u4"), raw.view("<u4"))
        read = next((found for found in orders if found.max() < num_classes), None)
        if read is None:
            record = int(np.argmax(orders[0] >= num_classes))
            raise ValueError(
                f"{path}: labels must lie in [0, {num_classes}). Record {record} has {int(orders[0][record])}."
            )
        labels.append(read.astype("int32"))
    return Records(list(files)), np.concatenate(labels)
