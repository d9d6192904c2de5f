"""A user's own images, copied into the class folders that corrected labels put them into."""

import os
import pathlib
import shutil
import tempfile
from typing import NamedTuple

import numpy as np

from keras_robust.checks import refuse
from keras_robust.data.image_folders import Listing
from keras_robust.diagnostics.corrections import Corrected


class Copied(NamedTuple):
    """What `copy_corrected` copied. `print` says it.

    Attributes:
        folder: the new folder.
        images: images in it.
        moved: those of them in another class folder than before.
        renamed: those that have another name there, for theirs was taken.
        dropped: images that were left out.
    """

    folder: pathlib.Path
    images: int
    moved: int
    renamed: int
    dropped: int

    def __str__(self):
        renamed = f" ({self.renamed:,} under another name, for theirs was taken)" if self.renamed else ""
        return (
            f"Copied to {self.folder}: {self.images:,} images, {self.moved:,} of them into another class folder"
            f"{renamed}; {self.dropped:,} dropped"
        )


def check_new(folder, images: Listing) -> pathlib.Path:
    """The folder to copy into, if there is nothing in it and it is not among the images.

    Raises:
        FileExistsError: if it is there and not empty.
        ValueError: if it is the folder of the images, or inside it.
    """
    folder = pathlib.Path(folder).expanduser()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} is there already. Take a new folder; nothing in it is replaced.")
    if folder.resolve().is_relative_to(pathlib.Path(images.root).resolve()):
        refuse("clean", "folders", f"outside of {images.root}, where it would be one more class", str(folder))
    return folder


def copy_corrected(images: Listing, corrected: Corrected, folder) -> Copied:
    """Copies images into class folders by their corrected labels; the originals stay where and as they are.

    Inside its class folder an image keeps its path. Where two would have one path, the one that was there before keeps
    it, and the other is called after its former class too. The new folder is there whole or not at all.

    Args:
        images: which image is which sample.
        corrected: the labels (n,), class ids, -1 for one that stays as it is; and which images are left out.
        folder: a new folder.

    Raises:
        FileExistsError: if it is there and not empty.
        ValueError: if it is among the images; for a class that no folder stands for, or another number of labels.
        FileNotFoundError: naming the first image that is missing.
    """
    folder, K = check_new(folder, images), len(images.folders)
    if len(corrected.labels) != len(images.paths) or corrected.labels.max() >= K:
        rule = f"class ids below {K} of {len(images.paths):,} images"
        refuse("clean", "corrections", rule, f"{len(corrected.labels):,} labels up to {corrected.labels.max()}")
    labels = np.where(corrected.labels >= 0, corrected.labels, images.labels)
    if gone := [path for path in images.files.paths if not os.path.isfile(path)]:
        raise FileNotFoundError(f"{len(gone):,} of {len(images.paths):,} images are missing, the first: {gone[0]}.")
    kept = np.flatnonzero(~corrected.drop)
    moved = labels[kept] != images.labels[kept]
    taken, renamed, targets = set(), 0, {}
    for place in np.append(kept[~moved], kept[moved]).tolist():
        given, _, inside = images.paths[place].partition(os.sep)
        wanted = os.path.join(images.folders[labels[place]], inside)
        targets[place] = target = _free(wanted, given, taken)
        taken.add(target.casefold())
        renamed += target != wanted
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = pathlib.Path(tempfile.mkdtemp(prefix=".draft-", dir=folder.parent))
    try:
        for place, target in targets.items():
            (draft / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(images.files.paths[place], draft / target)
        draft.chmod(0o777 & ~_umask())
        if folder.exists():
            folder.rmdir()
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Copied(folder, len(kept), int(moved.sum()), renamed, int(corrected.drop.sum()))


def _free(wanted, given, taken):
    """A path that is not taken, on disks that do not tell capitals from small letters neither."""
    stem, ending = os.path.splitext(wanted)
    candidate, number = wanted, 0
    while candidate.casefold() in taken:
        number += 1
        candidate = f"{stem} from {given}{f' {number}' if number > 1 else ''}{ending}"
    return candidate


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
