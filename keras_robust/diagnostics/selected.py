"""What an algorithm that selects samples went on to learn from."""

import warnings
from typing import NamedTuple

import keras
import numpy as np

from keras_robust.checks import Interval, refuse


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


def selection(selected, given, clean=None, network: int = 0) -> Selection:
    """What a selection of samples keeps of each class, and how many of its labels are right.

    An algorithm that selects easy samples may lose a whole class; only this table shows it. A trained one is asked
    itself, and samples that it has not seen, or that do not count, are left out of the table:

    - `ELR`, `SelfAdaptive`: samples whose label is the class that the memory holds to be the most likely;
    - `SmallLoss`, `CoTeaching`, `CoTeachingPlus`, `JoCoR`, given `num_samples`: those kept at their last visit;
    - `NLNL`: those that its present stage learns from;
    - `DivideMix`: those that keep their label, after the warm-up.

    Args:
        selected: whether each sample was selected, boolean (n,), or an algorithm that was trained.
        given: class ids of the labels (n,), by number of the sample.
        clean: the true class ids (n,), negative where one is not known; None: nobody knows any.
        network: of an algorithm whose networks learn on selections of their own, the first (0) or the second (1).

    Raises:
        ValueError: for arrays of different lengths, or a selection that is not boolean; for an algorithm that selects
            nothing, or has not yet.

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
    given = _ids("given", given)
    clean = None if clean is None else _ids("clean", clean)
    if clean is not None and clean.shape != given.shape:
        refuse("selection", "clean", f"of shape {given.shape}, one for each label", f"shape {clean.shape}")
    if isinstance(selected, keras.Model):
        selected, seen = _of_algorithm(selected, given, network)
        selected, given, clean = selected[seen], given[seen], None if clean is None else clean[seen]
    selected = np.asarray(selected)
    if selected.dtype != bool or selected.shape != given.shape:
        rule = f"boolean of shape {given.shape}, one for each label"
        refuse("selection", "selected", rule, f"{selected.dtype} of shape {selected.shape}")
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


def _of_algorithm(algorithm, given, network):
    """Which samples it selects, and which it has seen, (n,)."""
    if not hasattr(algorithm, "kept"):
        rule = "boolean, one for each label, or an algorithm that selects: ELR, SmallLoss, CoTeaching, DivideMix, ..."
        refuse("selection", "selected", rule, type(algorithm).__name__)
    if given.shape != (algorithm.num_samples,) and algorithm.num_samples is not None:
        rule = f"of shape ({algorithm.num_samples},), one for each sample of {type(algorithm).__name__}"
        refuse("selection", "given", rule, f"shape {given.shape}")
    kept, seen = algorithm.kept(given)
    if not seen.any():
        refuse("selection", "selected", "an algorithm that has seen samples: train it first", type(algorithm).__name__)
    network = Interval(0, kept.shape[1] - 1, integer=True).check("selection", "network", network)
    return kept[:, network], seen


def _ids(name, values):
    values = np.asarray(values)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        refuse("selection", name, "class ids of shape (n,)", f"{values.dtype} of shape {values.shape}")
    return values.astype("int64")


def _ratio(part, whole):
    return float(part / whole) if whole else float("nan")
