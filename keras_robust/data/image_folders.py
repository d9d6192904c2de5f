"""A user's own images: a folder with a folder for each class, as a data set like any other."""

import csv
import functools
import hashlib
import os
import pathlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from keras_robust.catalog import Dataset, ImageRecipe
from keras_robust.checks import at_least, refuse
from keras_robust.class_names import names_by_id
from keras_robust.data.decoding import Cut, size_of
from keras_robust.data.folders import Files, Folder, image_files
from keras_robust.data.sources import Arrays
from keras_robust.files import whole

#: The file in which a run keeps which image is which sample.
LISTING = "images.csv"
#: Bytes of images, cut to size, that are kept in memory; more are read from their files in every epoch.
LARGEST = 2**31
# Images that are looked at to choose a size, and those that mean and deviation are taken from, evenly over all.
_SIZED, _MEASURED = 500, 200
# What larger images are brought to, unless a size is asked for; smaller ones than `_SMALLEST` are enlarged.
_SMALLEST, _LARGE = 8, 64
# Networks by the size below which they are taken.
_NETWORKS = ((24, "cnn2"), (32, "cnn4"), (64, "cnn8"))
_NAMED = 5  # files that an error names
_COLUMNS = ("sample", "path", "label", "folder")


@dataclass(frozen=True)
class Listing:
    """Which image is which sample, in the order of `data.folders.image_files`.

    Attributes:
        root: the folder.
        paths: of the images, in it.
        labels: class ids (n,), int32: the number of the folder that an image lies in.
        folders: names of these folders, one a class.
    """

    root: str
    paths: list
    labels: np.ndarray
    folders: list

    @property
    def files(self) -> Files:
        return Files([os.path.join(self.root, path) for path in self.paths])

    def digest(self) -> str:
        """A number of the images and where they lie, by which another folder, or a changed one, is known."""
        told = "\0".join(self.paths).encode(errors="surrogateescape")
        return f"{len(self.paths):,} images, {hashlib.sha256(told).hexdigest()[:16]}"

    def write(self, path) -> None:
        """Writes a table: sample, path, label (class id), folder."""
        with whole(path) as draft, open(draft, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            writer = csv.writer(file)
            writer.writerow(_COLUMNS)
            for sample, (image, label) in enumerate(zip(self.paths, self.labels.tolist(), strict=True)):
                writer.writerow((sample, image, label, self.folders[label]))

    @classmethod
    def read(cls, path, root) -> "Listing":
        """Reads what `write` wrote, of images that lie in `root` now.

        Raises:
            ValueError: naming the file, if it is damaged.
        """
        try:
            with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
                head, *rows = csv.reader(file, strict=True)
            samples, images, labels, folders = zip(*rows, strict=True)
            labels = np.array(labels, "int32")
            named = dict(zip(labels.tolist(), folders, strict=True))
            if tuple(head) != _COLUMNS or list(map(int, samples)) != list(range(len(rows))):
                raise ValueError("not the columns, or not the order, that it was written with")
            return cls(os.fspath(root), list(images), labels, [named[label] for label in range(len(named))])
        except (ValueError, KeyError, csv.Error) as error:
            raise ValueError(f"{path} is damaged: {error}.") from None


def listed(folder) -> Listing:
    """The images of a folder with a folder for each class.

    Raises:
        FileNotFoundError: if there is no folder, or no image in it.
        ValueError: for a folder without class folders, with a single one, or with one that holds no image.
    """
    folder = os.path.abspath(os.path.expanduser(os.fspath(folder)))
    paths, labels, folders = image_files(folder)
    rule = "a folder with a folder of images for each class, FOLDER/class/image.png, at least two"
    if labels is None:
        refuse("own_images", "folder", rule, f"{folder}, whose {len(paths):,} images lie in no class folder")
    if len(folders) < 2:
        refuse("own_images", "folder", rule, f"{folder}, with the single class folder {folders[0]!r}")
    if missing := np.setdiff1d(np.arange(len(folders)), labels).tolist():
        told = _few([folders[label] for label in missing])
        refuse("own_images", "folder", rule, f"{folder}, where there is no image in: {told}")
    return Listing(folder, [os.path.relpath(path, folder) for path in paths], labels, folders)


def own_images(folder, class_names=None, image_size: int | None = None, network: str | None = None) -> Dataset:
    """A data set of a user's own images, for `compare`, recipes and `data.load` in place of a name.

    Each folder in `folder` is a class, with all the images in it and below (BMP, GIF, JPEG, PNG); images beside these
    folders belong to no class and are left out. Labels are taken as they are; nobody knows which are wrong. There are
    no test images: runs hold out a share of the images with the labels that they have. Pass `folder` as `data_dir`
    where the row is used.

    Images are brought to one size, the shorter side scaled and the square in the middle cut out, in three colors, and
    normalized with the mean and the deviation of some of them. Up to 2 GiB of them are kept in memory.

    Args:
        folder: the folder.
        class_names: names of the classes, in the order of their folders' names; None: these names.
        image_size: pixels of a side, at least 4; None: the median shorter side, from 8 to 64.
        network: a name of `models`; None: "cnn2" below 24 pixels, "cnn4" below 32, "cnn8" below 64, else "resnet18".

    Raises:
        FileNotFoundError: if there is no folder, or no image in it.
        ValueError: for a folder without class folders, with a single one, or with one that holds no image; for an image
            that cannot be read; for names that do not fit.
        ImportError: without Pillow.

    Example:

    >>> from PIL import Image
    >>> for name in ("cats/1.png", "dogs/1.png", "dogs/2.png"):
    ...     (tmp_path / "pets" / name).parent.mkdir(parents=True, exist_ok=True)
    ...     Image.new("RGB", (20, 16)).save(tmp_path / "pets" / name)
    >>> row = keras_robust.data.own_images(tmp_path / "pets")
    >>> row.name, row.classes, row.train_size, row.network, row.recipes[0].size
    ('pets', ('cats', 'dogs'), 3, 'cnn2', 16)
    """
    found = listed(folder)
    names = [_shown(name) for name in found.folders]
    if class_names is not None:
        names = names_by_id("own_images", class_names, len(names))
    size = at_least(4, integer=True, optional=True).check("own_images", "image_size", image_size)
    size = _usual_size(found) if size is None else size
    plain = ImageRecipe("own", (0.0,) * 3, (1.0,) * 3, "", resize=size, size=size)
    pixels = _pixels(Files([found.files.paths[place] for place in _spread(len(found.paths), _MEASURED)]), plain)
    mean, std = (getattr(pixels, name)((0, 1, 2), "float64") / 255.0 for name in ("mean", "std"))
    mean, std = (tuple(round(float(value), 3) for value in values) for values in (mean, std))
    std = tuple(value or 1.0 for value in std)  # images of one color
    return Dataset(
        name=_shown(os.path.basename(found.root)) or "images",
        classes=tuple(names),
        train_size=len(found.paths),
        test_size=0,
        reader="images",
        recipes=(ImageRecipe("own", mean, std, "mean and deviation of the images", resize=size, size=size),),
        wrong_as_given=True,
        network=network or next((name for below, name in _NETWORKS if size < below), "resnet18"),
        files=found.digest(),
    )


def read_images(row: Dataset, data_dir, _) -> Arrays | Folder:
    """The images of a row that `own_images` made: in memory, where they fit, and otherwise where they are.

    Raises:
        ValueError: without a folder, for one that holds other images than the row was made of, and for images that
            cannot be read, all of them named at once.
    """
    if data_dir is None:
        raise ValueError(f"{row.name} is read from disk: pass the folder that holds its images as `data_dir`.")
    found = listed(data_dir)
    if found.digest() != row.files:
        raise ValueError(
            f"{found.root} does not hold the images that this data set was made of ({found.digest()} there, "
            f"{row.files} wanted): files were added, removed or moved."
        )
    recipe, none = row.recipes[0], np.empty(0, "int32")
    if len(found.paths) * 3 * recipe.size**2 > LARGEST:
        return Folder(row.class_names, found.files, found.labels, Files([]), none)
    images = _in_memory(tuple(found.files.paths), recipe)
    return Arrays(row.name, images, found.labels, images[:0], none, row.class_names)


def refuse_changed(listing, folder) -> None:
    """Finds that a folder holds the images that a run began with, as its images.csv has them.

    Raises:
        ValueError: naming what was added and what is gone.
    """
    now = listed(folder)
    before = Listing.read(listing, now.root)
    if now.paths == before.paths:
        return
    changes = (("added", set(now.paths) - set(before.paths)), ("gone", set(before.paths) - set(now.paths)))
    told = "; ".join(f"{len(paths):,} {word}: {_few(sorted(paths))}" for word, paths in changes if paths)
    raise ValueError(
        f"{now.root} is not as it was when the run in {pathlib.Path(listing).parent} began ({told}). Bring it back as "
        "it was, or start a new run in another folder."
    )


def _usual_size(found):
    paths = found.files.paths
    sides = [min(size_of(paths[place])) for place in _spread(len(paths), _SIZED)]
    return int(np.clip(round(float(np.median(sides))), _SMALLEST, _LARGE))


def _spread(count, most):
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


@functools.lru_cache(maxsize=1)
def _in_memory(paths, recipe):
    """All images; those of the folder that was read last are kept, for the next run of a comparison."""
    images = _pixels(Files(list(paths)), recipe)
    images.flags.writeable = False
    return images


def _pixels(files, recipe):
    """Images (n, size, size, 3), uint8."""
    cut, unreadable = Cut(files, recipe, training=False), []
    images = np.empty((len(files.paths), *cut.shape), "uint8")

    def read(place):
        try:
            images[place] = cut.image(place, (0,))
        except (ValueError, FileNotFoundError) as error:
            unreadable.append((place, str(error)))

    with ThreadPoolExecutor() as pool:
        list(pool.map(read, range(len(files.paths))))
    if unreadable:
        named = "; ".join(reason for _, reason in sorted(unreadable)[:_NAMED])
        more = f"; and {len(unreadable) - _NAMED:,} more" if len(unreadable) > _NAMED else ""
        raise ValueError(
            f"{len(unreadable):,} of {len(files.paths):,} images cannot be read: {named}{more}. Take them out of the "
            "folder, or mend them."
        )
    return images


def _few(names):
    shown = ", ".join(map(_shown, names[:_NAMED]))
    return f"{shown}, and {len(names) - _NAMED:,} more" if len(names) > _NAMED else shown


def _shown(name):
    """A name that can be printed: bytes that are no text become question marks."""
    return os.fsencode(name).decode("utf-8", "replace")


__all__ = ["LARGEST", "LISTING", "Listing", "listed", "own_images", "read_images", "refuse_changed"]
