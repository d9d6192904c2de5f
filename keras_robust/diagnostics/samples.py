"""What samples look like to people, by their numbers: pictures, texts, the files that they come from."""

import base64
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_robust.checks import missing, refuse
from keras_robust.data import Gallery, gallery
from keras_robust.data.decoding import opened
from keras_robust.data.folders import RECORD, Files, Records, image_files
from keras_robust.diagnostics.plots.pixels import as_images, white_of
from keras_robust.diagnostics.runs import LoggedRun

#: Pixels of the longer side of a thumbnail, and how many bytes it may have: 10,000 cards of a page stay below 60 MB.
SIDE, LARGEST = 96, 3600
# Images of so few pixels are kept as they are: JPEG would blur them.
_TINY = 32
_QUALITIES = (82, 70, 55, 40, 25)
_LONGEST_TEXT = 1000  # characters on a page
_IMAGES = "an array of images, a list of paths or a folder"


@dataclass(frozen=True)
class Samples:
    """A user's own samples, each by its number.

    Attributes:
        images: an array, `Files` or `Records`; None without pictures.
        white: the number that stands for white in an array.
        texts: of the samples, or None.
        paths: of their files, or None.
    """

    images: np.ndarray | Files | Records | None = None
    white: float = 255.0
    texts: Sequence[str] | None = None
    paths: Sequence[str] | None = None

    def picture(self, number: int):
        """A Pillow image in gray or color, at most `SIDE` pixels high and wide.

        Raises:
            ValueError: naming the file, if it is not a readable image.
            FileNotFoundError: if it is not there.
        """
        from PIL import ImageOps

        if isinstance(self.images, Files):
            with opened(self.images.paths[number], near=2 * SIDE) as image:
                image = ImageOps.exif_transpose(image)
        else:
            image = _drawn(self._pixels(number), self.white)
        image.thumbnail((SIDE, SIDE))
        return image

    def _pixels(self, number):
        if isinstance(self.images, Records):
            return self.images.read([number])[0]
        return self.images[number]

    def squares(self, numbers) -> np.ndarray:
        """Pictures as (n, `SIDE`, `SIDE`, 3), uint8, their shape kept, or as they are where all have one size."""
        if isinstance(self.images, np.ndarray):
            picked = self.images[np.asarray(numbers, "int64")]
            return np.minimum(picked / self.white, 1.0) if picked.dtype.kind == "f" else picked
        from PIL import ImageOps

        squares = np.empty((len(numbers), SIDE, SIDE, 3), "uint8")
        for place, number in enumerate(numbers):
            squares[place] = np.asarray(ImageOps.pad(self.picture(int(number)).convert("RGB"), (SIDE, SIDE)))
        return squares

    def text(self, number: int) -> str:
        text = self.texts[number]
        return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


def samples_of(owner: str, count: int, images=None, texts=None, paths=None) -> Samples:
    """Samples as people have them, checked: all of a data set, in the order of their numbers.

    Args:
        owner: who asks, for the error.
        count: how many samples there are.
        images: an array (n, height, width) or (n, height, width, channels), uint8, or floats from 0 to 1 or to 255; a
            list of such images; a list of paths; a folder, whose images have the order of `data.folders.image_files`;
            a `Gallery`.
        texts: a list of texts, or a DataFrame, of which each row is shown with the names of its columns.
        paths: of the files; None: those of the images, where they are paths.

    Raises:
        ValueError: for another number of them than of samples, and for images whose white could only be guessed.
        FileNotFoundError: for a folder without images.
    """
    images = _images(owner, images)
    if isinstance(images, Files):
        paths = images.paths if paths is None else paths
    if paths is not None:
        paths = [os.fspath(path) for path in paths]
    texts = None if texts is None else _texts(owner, texts)
    sizes = {"images": _size(images), "texts": texts and len(texts), "paths": paths and len(paths)}
    for name, given in (("images", images), ("texts", texts), ("paths", paths)):
        if given is not None and sizes[name] != count:
            refuse(owner, name, f"one for each of the {count:,} samples of the log", f"{sizes[name]:,} {name}")
    white = white_of(owner, images) if isinstance(images, np.ndarray) else 255.0
    return Samples(images, white, texts, paths)


def samples_of_run(
    owner: str, run: LoggedRun, images=None, texts=None, paths=None, class_names=None, dataset=None, data_dir=None
):
    """The samples of a run and the names of its classes: what is given, or else what the run says of its data set.

    Args:
        owner: who asks, for the error.
        run: the run.
        images, texts, paths: as `samples_of` takes them.
        class_names: as `names_by_id` takes them; None: those of the data set, of the run's own images,
            or of the folders of `images`.
        dataset: name of the data set; None: the run's own where nothing is given, "none": no data set.
        data_dir: its folder; None: the run's own.

    Returns:
        `Samples`, and names as they were given or found; None where there are none.

    Raises:
        ValueError: for a data set that is not the run's, or that is unknown, and as `samples_of`.
        FileNotFoundError: if the data set is not there.
    """
    given = any(one is not None for one in (images, texts, paths))
    class_names = run.class_names if class_names is None else class_names
    if dataset is None and not given and (listing := run.images(data_dir)) is not None:
        if not os.path.isdir(listing.root):
            told = "Where are they now (`data_dir`, --data-dir)?"
            raise FileNotFoundError(f"The images of the run in {run.folder} are not in {listing.root} any more. {told}")
        images, dataset = listing.files, "none"
    elif dataset is None and not given:
        dataset = None if run.class_names else run.settings.get("dataset")
    if dataset not in (None, "none") and images is None:
        images = gallery(dataset, run.settings.get("data_dir") if data_dir is None else data_dir)
        if images.size != run.log.num_samples:
            raise ValueError(
                f"The log in {run.log.path} holds {run.log.num_samples:,} samples, and {dataset} has {images.size:,} "
                "training images: they do not belong together."
            )
    if class_names is None and isinstance(images, Gallery):
        class_names = images.class_names
    elif isinstance(images, str | os.PathLike):
        found, _, folders = image_files(images)
        images, class_names = Files(found), (folders or None) if class_names is None else class_names
    return samples_of(owner, run.log.num_samples, images, texts, paths), class_names


def data_url(picture) -> str:
    """A picture as a data URL of at most `LARGEST` bytes before its encoding: PNG for tiny ones, JPEG for others."""
    if max(picture.size) <= _TINY:
        return _url(_encoded(picture, "PNG", optimize=True), "png")
    while True:
        for quality in _QUALITIES:
            content = _encoded(picture, "JPEG", quality=quality)
            if len(content) <= LARGEST:
                return _url(content, "jpeg")
        picture = picture.resize([max(1, side * 3 // 4) for side in picture.size])


def _encoded(picture, kind, **settings):
    file = io.BytesIO()
    picture.save(file, kind, **settings)
    return file.getvalue()


def _url(content, kind):
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _images(owner, images):
    if images is None or isinstance(images, Files | Records):
        return images
    if isinstance(images, Gallery):
        return images.source
    if isinstance(images, str | os.PathLike):
        return Files(image_files(images)[0])
    if not isinstance(images, np.ndarray) and not hasattr(images, "__len__"):
        refuse(owner, "images", _IMAGES, type(images).__name__)
    if len(images) and all(isinstance(one, str | os.PathLike) for one in images):
        return Files([os.fspath(one) for one in images])
    return as_images(owner, images)


def _size(images):
    if isinstance(images, Files):
        return len(images.paths)
    if isinstance(images, Records):
        return sum(len(np.memmap(path, "uint8", "r")) for path in images.files) // RECORD.itemsize
    return None if images is None else len(images)


def _texts(owner, texts):
    if hasattr(texts, "columns") and hasattr(texts, "itertuples"):
        names = [str(name) for name in texts.columns]
        rows = texts.itertuples(index=False, name=None)
        return ["\n".join(f"{name}: {value}" for name, value in zip(names, row, strict=True)) for row in rows]
    if isinstance(texts, str | bytes) or not hasattr(texts, "__len__"):
        refuse(owner, "texts", "a list of texts, or a DataFrame", texts)
    return [text.decode(errors="replace") if isinstance(text, bytes) else str(text) for text in texts]


def _drawn(pixels, white):
    """A Pillow image of an array (height, width) or (height, width, channels)."""
    try:
        from PIL import Image
    except ImportError as error:
        raise missing("Thumbnails are made with Pillow", "data") from error
    levels = pixels if pixels.dtype == np.uint8 else np.clip(np.round(pixels * (255.0 / white)), 0, 255).astype("uint8")
    if levels.ndim == 3 and levels.shape[-1] == 1:
        levels = levels[..., 0]
    image = Image.fromarray(levels)
    if image.mode != "RGBA":
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
