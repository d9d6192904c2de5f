"""What a page tells of each suspect: picture or text, given and believed label, margin over the epochs."""

from dataclasses import dataclass

import numpy as np

from keras_robust.class_names import names_by_id
from keras_robust.diagnostics.runs import LoggedRun
from keras_robust.diagnostics.samples import Samples, data_url
from keras_robust.diagnostics.suspects import Suspect, suspect_table
from keras_robust.weight_log import WeightLog

# Points of the small curve of a card.
_POINTS = 60
# Pictures of fewer pixels a side are drawn in squares.
_SMALL = 48


@dataclass(frozen=True)
class Cards:
    """The most suspect samples of a run, the most suspect first.

    Attributes:
        suspects: what is known of each.
        names: of all classes, by id.
        curves: margins (suspects, points) over the epochs, at most 60 of them; NaN where a sample was not seen.
        range: the lowest and the highest margin of all curves and 0, between which they are drawn.
        images: a data URL of each, or None without pictures.
        small: whether the picture of each has few pixels, or None.
        texts: of each, or None.
        paths: of each, or None.
    """

    suspects: list[Suspect]
    names: list[str]
    curves: np.ndarray
    range: tuple[float, float]
    images: list[str] | None
    small: list[bool] | None
    texts: list[str] | None
    paths: list[str] | None


def cards_of(owner: str, run: LoggedRun, shown: Samples, names, n: int | None) -> Cards:
    """The n most suspect samples of a run.

    Args:
        owner: who asks, for the error.
        run: the run.
        shown: its samples.
        names: of its classes, as `names_by_id` takes them; None: their ids.
        n: how many at most; None: all.

    Raises:
        ValueError: for fewer names than classes, or a file that is not an image.
    """
    log = run.log
    classes = 1 + max(int(records[field].max(initial=-1)) for records in log for field in ("label", "predicted"))
    names = names_by_id(owner, range(classes) if names is None else names, classes, more=True)
    suspects = suspect_table(log, n, names)
    numbers = [one.sample for one in suspects]
    curves = _curves(log, numbers)
    finite = np.append(curves[np.isfinite(curves)], 0.0)
    pictures = None if shown.images is None else [shown.picture(number) for number in numbers]
    return Cards(
        suspects,
        names,
        curves,
        (float(finite.min()), float(finite.max())),
        None if pictures is None else [data_url(picture) for picture in pictures],
        None if pictures is None else [max(picture.size) < _SMALL for picture in pictures],
        None if shown.texts is None else [shown.text(number) for number in numbers],
        None if shown.paths is None else [shown.paths[number] for number in numbers],
    )


def _curves(log: WeightLog, numbers):
    places = np.unique(np.linspace(0, len(log.epochs) - 1, min(_POINTS, len(log.epochs))).round().astype(int))
    epochs = [log.epoch(log.epochs[place])[numbers] for place in places]
    curves = [np.where(records["label"] >= 0, records["margin"], np.nan) for records in epochs]
    return np.stack(curves, axis=1).astype("float64")
