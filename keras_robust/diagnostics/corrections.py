"""What a reviewer decided about suspect labels: a small table that is written, read back and applied."""

import csv
import os
import pathlib
import re
from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from keras_robust.checks import refuse
from keras_robust.data.own_labels import of_one_hot
from keras_robust.files import whole
from keras_robust.noise import storage
from keras_robust.sample_numbers import LARGEST_INDEX

COLUMNS = ("sample", "given", "corrected", "decision")
DECISIONS = ("keep", "fix", "drop")
_NUMBER = re.compile(r"[0-9]{1,10}")
# Changes that the report names.
_NAMED = 5


class Corrected(NamedTuple):
    """Labels after corrections.

    Attributes:
        labels: all labels (n,), corrected where that was decided; (n, K) where they were given so.
        drop: boolean (n,), true for a sample to leave out.
        report: what was decided and what changed, in words.
    """

    labels: np.ndarray
    drop: np.ndarray
    report: str

    def save(self, path, overwrite: bool = False) -> pathlib.Path:
        """Writes a npz file without pickle, arrays "labels" and "drop", under exactly this path.

        Raises:
            FileExistsError: if it is there, unless `overwrite`.

        Example:

        >>> labels = np.array([3, 4, 5])
        >>> corrections = keras_robust.diagnostics.Corrections([1], [4], [3], ["fix"])
        >>> path = corrections.apply(labels).save(tmp_path / "corrected.npz")
        >>> keras_robust.diagnostics.Corrected.load(path).labels.tolist(), np.load(path)["drop"].tolist()
        ([3, 3, 5], [False, False, False])
        """
        refuse_existing(path, overwrite)
        return storage.write(path, {"labels": self.labels, "drop": self.drop}, {"report": self.report})

    @classmethod
    def load(cls, path) -> "Corrected":
        """Reads what `save` wrote.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: naming the file, if it is damaged, or no file of corrected labels.
        """
        arrays, facts = storage.read(path)
        try:
            found = cls(**arrays, report=facts["report"])
            fits = found.drop.dtype == bool and found.drop.shape == found.labels.shape[:1]
        except (TypeError, KeyError):
            fits = False
        if not fits or not isinstance(found.report, str) or found.labels.dtype.kind not in "iuf":
            raise ValueError(f"{path} is not a file of corrected labels: it must hold labels (n,) and drop (n,).")
        return found


@dataclass(frozen=True, eq=False)
class Corrections:
    """Decisions about labels, one a sample; a sample about which nothing was decided is not there.

    The review page writes them as corrections.csv, and so does `write`: columns sample, given, corrected, decision, the
    first three numbers. Further columns may stand beside them.

    Attributes:
        sample: numbers of samples (m,), each once.
        given: class ids (m,) that they had.
        corrected: class ids (m,) that they get; for "keep" and "drop" the given ones.
        decision: texts (m,): "keep": the label is right. "fix": it becomes `corrected`. "drop": the sample is left out.

    Raises:
        ValueError: for columns of different lengths, numbers that are no ids, a sample that comes twice, or a decision
            that is none.

    Example:

    >>> corrections = keras_robust.diagnostics.Corrections([7, 2], [1, 0], [3, 0], ["fix", "drop"])
    >>> path = corrections.write(tmp_path / "corrections.csv")
    >>> labels, drop, report = keras_robust.diagnostics.Corrections.read(path).apply(np.arange(8) % 2)
    >>> labels.tolist(), np.flatnonzero(drop).tolist()
    ([0, 1, 0, 1, 0, 1, 0, 3], [2])
    >>> print(report)
    8 labels, 2 reviewed: 0 kept, 1 fixed, 1 dropped
    fixed: 1 -> 3 (1)
    """

    sample: np.ndarray
    given: np.ndarray
    corrected: np.ndarray
    decision: np.ndarray

    def __post_init__(self):
        columns = [np.asarray(getattr(self, name)) for name in COLUMNS]
        if len({column.shape for column in columns}) > 1 or columns[0].ndim != 1:
            shapes = {name: column.shape for name, column in zip(COLUMNS, columns, strict=True)}
            refuse("Corrections", "sample", "a column (m,), as long as the others", shapes)
        rows = []
        for place, row in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
            rows.append(_checked(f"Corrections, entry {place}", *row))
        _refuse_twice("Corrections, entry", range(len(rows)), rows)
        for name, kind, values in zip(COLUMNS, ("int64",) * 3 + (str,), _columns(rows), strict=True):
            object.__setattr__(self, name, np.array(values, kind))

    def __len__(self):
        return len(self.sample)

    @classmethod
    def of_suspects(cls, suspects) -> "Corrections":
        """Takes the model at its word: rows of `suspect_table` get the believed class; where it is the given one, keep.

        For the first look at what a correction would bring. A person who looks at the page decides better.

        Raises:
            ValueError: for suspects that are positions of samples.
        """
        if any(one.position for one in suspects):
            refuse("of_suspects", "suspects", "of a log with one record a sample", "positions of samples")
        known = [one for one in suspects if one.believed >= 0]
        decisions = ["keep" if one.believed == one.given else "fix" for one in known]
        columns = ([getattr(one, name) for one in known] for name in ("sample", "given", "believed"))
        return cls(*columns, decisions)

    @classmethod
    def read(cls, csv) -> "Corrections":
        """Reads corrections.csv.

        Args:
            csv: path of the file, comma-separated, UTF-8.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: naming the file and the row (the head is row 1), for anything but such a table.
        """
        rows, places = [], []
        for place, row in _rows(csv):
            where = f"{csv}, row {place}"
            numbers = [_number(where, *pair) for pair in zip(COLUMNS[:3], row[:3], strict=True)]
            rows.append(_checked(where, *numbers, row[3]))
            places.append(place)
        _refuse_twice(f"{csv}, row", places, rows)
        return cls(*_columns(rows))

    def write(self, path, overwrite: bool = False) -> pathlib.Path:
        """Writes the table that `read` reads.

        Raises:
            FileExistsError: if it is there, unless `overwrite`.
        """
        refuse_existing(path, overwrite)
        path = pathlib.Path(path)
        with whole(path) as draft, open(draft, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(zip(*(getattr(self, name).tolist() for name in COLUMNS), strict=True))
        return path

    def apply(self, labels, num_classes: int | None = None) -> Corrected:
        """The labels with the decisions carried out; the input is left alone.

        Args:
            labels: class ids (n,) or (n, 1), or one-hot rows (n, K), by sample number, as they were reviewed.
            num_classes: K; None: any corrected id is taken where labels are ids.

        Returns:
            `Corrected(labels, drop, report)`; train on `x[~drop], labels[~drop]`.

        Raises:
            ValueError: for labels of another data set, which do not agree with `given`, or a class that is not there.
        """
        ids, one_hot = _as_ids(labels)
        K = one_hot or num_classes
        strange = self.sample >= len(ids)
        strange[~strange] = ids[self.sample[~strange]] != self.given[~strange]
        if strange.any():
            first = int(np.flatnonzero(strange)[0])
            number, told = int(self.sample[first]), int(self.given[first])
            has = f"has the label {ids[number]}" if number < len(ids) else f"is not among {len(ids):,} labels"
            raise ValueError(
                f"These corrections are of another data set, or of labels that changed since: {int(strange.sum()):,} "
                f"of {len(self):,} do not fit. The first: sample {number} was given {told}, and {has}."
            )
        if K is not None and self.corrected.max(initial=0) >= K:
            refuse("apply", "corrected", f"class ids below {K}", int(self.corrected.max()))
        changed, drop = ids.copy(), np.zeros(len(ids), bool)
        if not np.can_cast(np.min_scalar_type(self.corrected.max(initial=0)), changed.dtype):
            changed = changed.astype("int64")
        changed[self.sample], drop[self.sample] = self.corrected, self.decision == "drop"
        report = self._report(ids, changed)
        return Corrected(np.eye(K, dtype=np.asarray(labels).dtype)[changed] if one_hot else changed, drop, report)

    def _report(self, before, after):
        kept, fixed, dropped = (int(np.sum(self.decision == decision)) for decision in DECISIONS)
        lines = [f"{len(before):,} labels, {len(self):,} reviewed: {kept:,} kept, {fixed:,} fixed, {dropped:,} dropped"]
        moved = self.sample[before[self.sample] != after[self.sample]]
        changes = Counter(zip(before[moved].tolist(), after[moved].tolist(), strict=True))
        if changes:
            named = (f"{old} -> {new} ({count:,})" for (old, new), count in changes.most_common(_NAMED))
            lines.append(f"fixed: {', '.join(named)}{', ...' if len(changes) > _NAMED else ''}")
        return "\n".join(lines)


def as_corrections(given) -> Corrections:
    """Corrections, or those that a file holds."""
    if isinstance(given, Corrections):
        return given
    if not isinstance(given, str | os.PathLike):  # `open` would take a number for an open file
        refuse("Corrections", "corrections", "Corrections, or the path of corrections.csv", given)
    return Corrections.read(given)


def _checked(where, sample, given, corrected, decision):
    """The entries of a row, if they make sense together."""
    if decision not in DECISIONS:
        raise ValueError(f"{where}: a decision is one of {', '.join(DECISIONS)}. Received: {str(decision)[:40]!r}.")
    if decision == "drop" or corrected is None:
        if decision == "fix":
            raise ValueError(f"{where}: a fix needs the corrected class id.")
        corrected = given
    for name, value in zip(COLUMNS, (sample, given, corrected), strict=False):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST_INDEX:
            raise ValueError(f"{where}: {name} must be a whole number from 0 to {LARGEST_INDEX}. Received: {value!r}.")
    if decision == "keep" and corrected != given:
        raise ValueError(f"{where}: it keeps the label {given}, and says that the corrected one is {corrected}.")
    return sample, given, corrected, decision


def _number(where, name, text):
    """The number that a field holds; None for an empty one, which only `corrected` may be, and where it is -1."""
    text = text.strip()
    if name == "corrected" and text in ("", "-1"):
        return None
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{where}: {name} must be a whole number from 0 to {LARGEST_INDEX}. Received: {text[:40]!r}.")
    return int(text)


def _rows(path):
    """Number and the four fields of each row of a table."""
    place = 1
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            head = [name.strip().lower() for name in next(reader, [])]
            if not set(COLUMNS) <= set(head) or len(set(head)) < len(head):
                raise ValueError(f"the columns must be {','.join(COLUMNS)}, with commas, each once")
            columns = [head.index(name) for name in COLUMNS]
            for place, row in enumerate(reader, start=2):
                if not row:
                    continue
                if len(row) != len(head):
                    raise ValueError(f"{len(row)} fields where the head has {len(head)}")
                fields = [row[column] for column in columns]
                yield place, [*fields[:3], fields[3].strip().lower()]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}, row {place} or the one after it: {error}.") from None
    except ValueError as error:
        raise ValueError(f"{path}, row {place}: {error}.") from None


def _refuse_twice(where, places, rows):
    first = {}
    for place, (sample, *_) in zip(places, rows, strict=True):
        if sample in first:
            raise ValueError(f"{where} {place}: sample {sample} stands there already, {where} {first[sample]}.")
        first[sample] = place


def refuse_existing(path, overwrite: bool) -> None:
    """Raises FileExistsError for a file that is there, unless it may be replaced."""
    if pathlib.Path(path).exists() and not overwrite:
        raise FileExistsError(f"{path} is there already. Take another name, or overwrite it (`overwrite`).")


def _columns(rows):
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in COLUMNS]


def _as_ids(labels):
    """Class ids (n,), and K where the labels are one-hot rows."""
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] > 1:
        if (ids := of_one_hot(labels)) is None:
            refuse("apply", "labels", "class ids, or one-hot rows with a single 1", labels)
        return ids, labels.shape[1]
    labels = labels[:, 0] if labels.ndim == 2 else labels
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        refuse("apply", "labels", "integer class ids of shape (n,) or (n, 1), or one-hot rows (n, K)", labels)
    return labels, None
