"""The labels of a run, corrected and written to a file."""

import pathlib
from typing import NamedTuple

import numpy as np

from keras_robust.diagnostics.corrections import Corrected, as_corrections
from keras_robust.diagnostics.runs import LoggedRun


class Cleaned(NamedTuple):
    """What `clean_labels` wrote. `print` shows what changed.

    Attributes:
        corrected: the labels, and which samples to leave out.
        path: of the file.
        wrong: shares of wrong labels before and after, of the samples that stay; None where nobody knows.
    """

    corrected: Corrected
    path: pathlib.Path
    wrong: tuple[float, float] | None

    def __str__(self):
        lines = [self.corrected.report]
        if self.wrong is not None:
            lines.append("wrong labels: {:.2%} before, {:.2%} after".format(*self.wrong))
        return "\n".join([*lines, f"Written to {self.path}: labels, drop"])


def clean_labels(run: LoggedRun, corrections, out=None, overwrite: bool = False) -> Cleaned:
    """Applies corrections to the labels of a run, and writes them to a file of numpy's.

    Args:
        run: what `open_run` opened.
        corrections: `Corrections`, or the path of corrections.csv.
        out: path of the file; None: corrected.npz in the run's folder.
        overwrite: whether a file that is there is replaced.

    Returns:
        `Cleaned`. `Corrected.load(path)` reads the file, and so does `numpy.load`: "labels" (n,), "drop" (n,).

    Raises:
        ValueError: for corrections of another data set, or a damaged file.
        FileExistsError: if the file is there.

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
    before, path = run.labels(), pathlib.Path(run.folder / "corrected.npz" if out is None else out)
    corrected = as_corrections(corrections).apply(before)
    path.parent.mkdir(parents=True, exist_ok=True)
    corrected.save(path, overwrite)
    return Cleaned(corrected, path, wrong_shares(run.log.clean, before, corrected))


def wrong_shares(clean, before, corrected: Corrected) -> tuple[float, float] | None:
    """Shares of wrong labels before and after a correction; None where the clean ones are not known."""
    if clean is None:
        return None
    known = (clean >= 0) & (before >= 0)
    left = known & ~corrected.drop
    shares = (np.mean(before[known] != clean[known]), np.mean(corrected.labels[left] != clean[left]))
    return tuple(map(float, shares))
