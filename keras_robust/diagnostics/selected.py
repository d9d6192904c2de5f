"""What an algorithm that selects samples went on to learn from."""

import warnings
from typing import NamedTuple

import numpy as np

from keras_robust.checks import refuse


class Selection(NamedTuple):
    """Counts of a selection by the class of the given label, (K,) each; `print` shows them as a table.

    Attributes:
        given: samples with this label.
        kept: those that were selected.
        right: samples whose label is the clean one, or None where clean labels are not known.
        kept_right: those that were selected, or None.
    """

    given: np.ndarray
    kept: np.ndarray
    right: np.ndarray | None
    kept_right: np.ndarray | None

    @property
    def share(self) -> float:
        """Of all samples, how many were selected."""
        return _ratio(self.kept.sum(), self.given.sum())

    @property
    def precision(self) -> float | None:
        """Share of the selected samples whose label is right; None where nobody knows."""
        return None if self.right is None else _ratio(self.kept_right.sum(), self.kept.sum())

    @property
    def recall(self) -> float | None:
        """Share of the samples with a right label that were selected; None where nobody knows."""
        return None if self.right is None else _ratio(self.kept_right.sum(), self.right.sum())

    @property
    def lost(self) -> list[int]:
        """Classes of which no sample was selected."""
        return np.flatnonzero((self.given > 0) & (self.kept == 0)).tolist()

    def __str__(self):
        known = self.right is not None
        rows = [("class", "given", "kept", "share", *(("precision", "recall") if known else ()))]
        columns = zip(self.given, self.kept, *((self.kept_right, self.right) if known else ()), strict=True)
        for name, (given, kept, *rest) in [*enumerate(columns), ("all", self._total)]:
            ratios = [(kept, given)] + ([(rest[0], kept), (rest[0], rest[1])] if known else [])
            rows.append((str(name), f"{given:,}", f"{kept:,}", *(f"{_ratio(*pair):.1%}" for pair in ratios)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in rows)

    @property
    def _total(self):
        counts = (self.given, self.kept) + (() if self.right is None else (self.kept_right, self.right))
        return tuple(one.sum() for one in counts)


def selection(selected, given, clean=None) -> Selection:
    """What a selection of samples keeps of each class, and how many of its labels are right.

    Such as `DivideMix.labeled[:, 0]`, or the samples that `CoTeaching` found to have small losses. An algorithm that
    selects easy samples may lose a whole class; only this table shows it.

    Args:
        selected: whether each sample was selected, boolean (n,).
        given: class ids of the labels (n,).
        clean: the true class ids (n,), negative where one is not known; None: nobody knows any.

    Raises:
        ValueError: for arrays of different lengths, or a selection that is not boolean.

    Warns:
        UserWarning: for classes of which no sample was selected.

    Example:

    >>> selected = np.array([True, True, False, True])
    >>> print(keras_robust.diagnostics.selection(selected, given=[0, 0, 1, 1], clean=[0, 1, 1, 1]))
    class  given  kept   share  precision  recall
        0      2     2  100.0%      50.0%  100.0%
        1      2     1   50.0%     100.0%   50.0%
      all      4     3   75.0%      66.7%   66.7%
    """
    selected, given = np.asarray(selected), _ids("given", given)
    if selected.dtype != bool or selected.shape != given.shape:
        rule = f"boolean of shape {given.shape}, one for each label"
        refuse("selection", "selected", rule, f"{selected.dtype} of shape {selected.shape}")
    clean = None if clean is None else _ids("clean", clean)
    if clean is not None and clean.shape != given.shape:
        refuse("selection", "clean", f"of shape {given.shape}, one for each label", f"shape {clean.shape}")
    if given.size and given.min() < 0:
        refuse("selection", "given", "class ids of at least 0", given.min().item())

    def count(mask):
        return np.bincount(given[mask], minlength=given.max(initial=-1) + 1)

    right = None if clean is None else clean == given
    found = Selection(
        count(slice(None)),
        count(selected),
        None if right is None else count(right),
        None if right is None else count(selected & right),
    )
    if found.lost:
        warnings.warn(
            f"No sample of the classes {found.lost} was selected: what learns from this selection forgets them.",
            stacklevel=2,
        )
    return found


def _ids(name, values):
    values = np.asarray(values)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        refuse("selection", name, "class ids of shape (n,)", f"{values.dtype} of shape {values.shape}")
    return values.astype("int64")


def _ratio(part, whole):
    return float(part / whole) if whole else float("nan")
