"""The labels of a run, corrected: in a file, and in class folders."""

import pathlib
from typing import NamedTuple

import numpy as np

from keras_robust.checks import at_least, refuse
from keras_robust.data.image_folders import LISTING
from keras_robust.diagnostics.class_folders import Copied, check_new, copy_corrected
from keras_robust.diagnostics.corrections import Corrected, Corrections, as_corrections, refuse_existing
from keras_robust.diagnostics.review_size import review_count
from keras_robust.diagnostics.runs import LoggedRun, as_run
from keras_robust.diagnostics.suspects import suspect_table


class Cleaned(NamedTuple):
    """What `clean_labels` wrote. `print` shows what changed.

    Attributes:
        corrected: the labels, and which samples to leave out.
        path: of the file.
        wrong: shares of wrong labels before and after, of the samples that stay; None where nobody knows.
        copied: what was copied into class folders, or None.
    """

    corrected: Corrected
    path: pathlib.Path
    wrong: tuple[float, float] | None
    copied: Copied | None = None

    def __str__(self):
        lines = [self.corrected.report]
        if self.wrong is not None:
            lines.append("wrong labels: {:.2%} before, {:.2%} after".format(*self.wrong))
        lines.append(f"Written to {self.path}: labels, drop")
        return "\n".join(lines if self.copied is None else [*lines, str(self.copied)])


class Believed(NamedTuple):
    """What `take_believed` wrote. `print` says it.

    Attributes:
        corrections: the believed labels.
        path: of the file.
        precision: the share of wrong labels that is expected among them, as `review_count` has it.
    """

    corrections: Corrections
    path: pathlib.Path
    precision: float

    def __str__(self):
        return (
            f"Written to {self.path}: what the model believes of the {len(self.corrections):,} most suspect, as "
            f"corrections, without a reviewer; {self.precision:.0%} of them are expected to be wrong"
        )


def take_believed(run: LoggedRun, folder, n: int | None = None) -> Believed:
    """Writes believed.csv: corrections that take the model at its word, without a reviewer.

    A person who looks decides better; but what can be known of a data set at once, this shows.

    Args:
        run: what `open_run` opened, or its folder.
        folder: where to write, made where it is missing; a believed.csv that is there is replaced.
        n: for how many suspects; None: `review_count`, those that are likelier wrong than right.

    Returns:
        `Believed`; `Corrections.read(path)` reads the file, and so do `clean_labels` and `recipes.retrain`.

    Raises:
        ValueError: if no sample has a margin that is a number. ImportError: without scikit-learn.

    Example:

    >>> from keras_robust.weight_log import RECORD, write_epoch
    >>> records = np.zeros(50, RECORD)
    >>> records["predicted"], records["margin"] = np.arange(50) < 10, np.linspace(-1, 1, 50) + 4
    >>> records["margin"][:10] -= 8
    >>> write_epoch(tmp_path, 0, records)
    >>> run = keras_robust.diagnostics.open_run(tmp_path)
    >>> print(keras_robust.diagnostics.take_believed(run, tmp_path))
    Written to ...believed.csv: what the model believes of the 10 most suspect, ... 100% of them are expected ...
    """
    run, n = as_run(run), at_least(0, integer=True, optional=True).check("take_believed", "n", n)
    found = review_count(run.log)
    n = found.count if n is None else n
    corrections = Corrections.of_suspects(suspect_table(run.log, n))
    path = pathlib.Path(folder) / "believed.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    expected = float(found.precision[min(n, len(found.precision)) - 1]) if n else 0.0
    return Believed(corrections, corrections.write(path, overwrite=True), expected)


def clean_labels(
    run: LoggedRun, corrections, out=None, overwrite: bool = False, folders=None, data_dir=None
) -> Cleaned:
    """Applies corrections to the labels of a run, and writes them to a file of numpy's.

    Args:
        run: what `open_run` opened, or its folder.
        corrections: `Corrections`, or the path of corrections.csv.
        out: path of the file; None: corrected.npz in the run's folder.
        overwrite: whether a file that is there is replaced.
        folders: a new folder, into which a user's own images are copied, each into the class folder of its corrected
            label, those that are dropped left out; None: nothing is copied. The originals stay as they are.
        data_dir: the folder that holds these images now; None: the run's own.

    Returns:
        `Cleaned`. `Corrected.load(path)` reads the file, and so does `numpy.load`: "labels" (n,), "drop" (n,).

    Raises:
        ValueError: for corrections of another data set, a damaged file, or a log of positions.
        FileExistsError: if the file is there, or the folder and not empty.
        FileNotFoundError: if an image is missing that is to be copied.

    Example:

    >>> from keras_robust.weight_log import RECORD, write_epoch
    >>> records = np.zeros(3, RECORD)
    >>> records["label"], records["clean"] = [0, 1, 1], -1
    >>> write_epoch(tmp_path, 0, records)
    >>> run = keras_robust.diagnostics.open_run(tmp_path)
    >>> decided = keras_robust.diagnostics.Corrections([1], [1], [0], ["fix"])
    >>> print(keras_robust.diagnostics.clean_labels(run, decided))
    3 labels, 1 reviewed: 0 kept, 1 fixed, 0 dropped
    fixed: 1 -> 0 (1)
    Written to ...corrected.npz: labels, drop
    """
    run = as_run(run)
    if run.log.positions:
        rule = "of a log with one record a sample, for a correction is one of a sample"
        refuse("clean", "run", rule, f"one of positions {run.log.positions}, {run.log.path}")
    before, path = run.labels(), pathlib.Path(run.folder / "corrected.npz" if out is None else out)
    corrected = as_corrections(corrections).apply(before, None if run.class_names is None else len(run.class_names))
    images = None
    if folders is not None:
        images = run.images(data_dir)
        if images is None:
            rule = f"None for a run that was not trained on a folder of images ({run.folder} has no {LISTING})"
            refuse("clean", "folders", rule, str(folders))
        check_new(folders, images)
    refuse_existing(path, overwrite)
    copied = None if images is None else copy_corrected(images, corrected, folders)
    path.parent.mkdir(parents=True, exist_ok=True)
    corrected.save(path, overwrite)
    return Cleaned(corrected, path, wrong_shares(run.log.clean, before, corrected), copied)


def wrong_shares(clean, before, corrected: Corrected) -> tuple[float, float] | None:
    """Shares of wrong labels before and after a correction; None where the clean ones are not known, or all are left
    out."""
    if clean is None:
        return None
    known = (clean >= 0) & (before >= 0)
    left = known & ~corrected.drop
    if not left.any():
        return None
    shares = (np.mean(before[known] != clean[known]), np.mean(corrected.labels[left] != clean[left]))
    return tuple(map(float, shares))
