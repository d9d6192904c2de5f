"""The log of every training sample's margin, weight and loss: its files, and what can be read from them.

A log is a folder with one file an epoch, `epoch-00007.npy`, an array of `RECORD` with one entry for each sample, by
sample number, (samples,); or with one for each position of each sample, (samples, positions...). A file appears whole
or not at all, and is read without being loaded.
"""

import hashlib
import math
import pathlib
import re
import warnings
from typing import NamedTuple

import numpy as np

from keras_robust.checks import Interval, refuse
from keras_robust.files import DAMAGE, whole

# What is known of a sample in an epoch. One that was not seen has NaN and -1; so has what is not known.
RECORD = np.dtype(
    [
        ("margin", "<f4"),  # logit margin of the given label
        ("weight", "<f4"),  # implicit weight
        ("loss", "<f4"),
        ("learning_rate", "<f4"),  # at the step that saw it
        ("label", "<i4"),  # the given label
        ("clean", "<i4"),
        ("predicted", "<i4"),
        ("step", "<i4"),  # of the epoch; -1 where the sample was looked at after it
    ]
)


class Detection(NamedTuple):
    """How well low mean margins find wrong labels.

    Attributes:
        precision: share of truly wrong labels among the n most suspect, n being the true number of wrong labels.
        auroc: probability that a wrong label is more suspect than a clean one.
    """

    precision: float
    auroc: float


class WeightLog:
    """Reads the log that `callbacks.SampleWeightLogger` writes.

    Arrays of one epoch have shape (samples,), by sample number; statistics over epochs take one epoch into memory at a
    time. In a log of positions (pixels, time steps, yes/no outputs) a record is one of a position, and "samples" reads
    records, of which there are `num_records`:

        number of a record = number of the sample * positions + position, positions counted row by row

    `place` takes such numbers apart, and `log.mean_margin().reshape(log.num_samples, *log.positions)` brings them into
    shape. What compares clean and wrong labels needs the clean ones: from the log, or given here.

    Args:
        path: the folder.
        clean: clean class ids (samples,), where the log does not hold them.

    Raises:
        FileNotFoundError: if the folder holds no epoch.
        ValueError: for a damaged file, epochs of different sizes, or clean labels that do not fit.

    Attributes:
        epochs: the logged epochs.
        num_samples: number of samples N.
        positions: shape of the positions of a sample; () in a log with one record a sample.
        num_records: number of records, N times the number of positions.
    """

    def __init__(self, path, clean=None):
        self.path = pathlib.Path(path)
        self.epochs = logged_epochs(self.path)
        if not self.epochs:
            raise FileNotFoundError(f"{self.path} holds no epoch of a weight log (epoch-00000.npy, ...).")
        shape = _read(self.path, self.epochs[0]).shape
        for epoch in self.epochs:
            if (other := _read(self.path, epoch).shape) != shape:
                raise ValueError(
                    f"The epochs in {self.path} are not of one run: {epoch_file('', self.epochs[0])} holds "
                    f"{told_of_shape(shape)}, {epoch_file('', epoch)} holds {told_of_shape(other)}."
                )
        self.num_samples, self.positions, self.num_records = shape[0], shape[1:], math.prod(shape)
        self._clean = clean
        if clean is not None:
            clean = np.asarray(clean)
            if clean.shape not in (shape, (self.num_records,)) or not np.issubdtype(clean.dtype, np.integer):
                refuse("WeightLog", "clean", f"class ids of shape {shape}", clean)
            self._clean = clean.reshape(-1)

    def epoch(self, epoch: int) -> np.ndarray:
        """Records (samples,) of a logged epoch, of dtype `RECORD`, mapped from disk and read-only."""
        if epoch not in self.epochs:
            refuse("WeightLog", "epoch", f"one of the logged epochs, {self.epochs}", epoch)
        return _read(self.path, epoch).reshape(-1)

    def place(self, numbers) -> tuple[np.ndarray, np.ndarray]:
        """Samples (n,) and positions (n, axes) of numbers of records (n,); without positions (n, 0)."""
        numbers = np.asarray(numbers, "int64")
        sample, *position = np.unravel_index(numbers, (self.num_samples, *self.positions))
        return sample, np.array(position, "int64").reshape(len(self.positions), *numbers.shape).T

    def __iter__(self):
        return map(self.epoch, self.epochs)

    def array(self, field: str) -> np.ndarray:
        """One field of all epochs, (epochs, samples): "margin", "weight", "loss", "predicted", ..."""
        if field not in RECORD.names:
            refuse("WeightLog", "field", f"one of {RECORD.names}", field)
        return np.stack([records[field] for records in self])

    def checksum(self) -> str:
        """What tells this log from any other: a digest of its records, 16 hexadecimal digits."""
        digest = hashlib.sha256()
        for epoch, records in zip(self.epochs, self, strict=True):
            digest.update(f"{epoch}:{len(records)};".encode())
            digest.update(np.ascontiguousarray(records))
        return digest.hexdigest()[:16]

    @property
    def labels(self) -> np.ndarray:
        """Given class ids (samples,); -1 for a sample that was never seen."""
        return self._latest("label")

    @property
    def clean(self) -> np.ndarray | None:
        """Clean class ids (samples,); None if nobody knows them."""
        if self._clean is not None:
            return self._clean
        clean = self._latest("clean")
        return clean if np.any(clean >= 0) else None

    @property
    def wrong(self) -> np.ndarray:
        """Boolean (samples,): the samples that were given a wrong label."""
        clean, labels = self.clean, self.labels
        if clean is None:
            raise ValueError(
                f"The log at {self.path} holds no clean labels, so nothing is known about which are wrong. Where you "
                "know them, give them: WeightLog(path, clean=...)."
            )
        return (labels != clean) & (labels >= 0) & (clean >= 0)

    def mean_margin(self) -> np.ndarray:
        """Mean margin (samples,) over the logged epochs that saw the sample; NaN for one that was never seen."""
        total, seen = np.zeros(self.num_records), np.zeros(self.num_records, "int64")
        for records in self:
            known = records["label"] >= 0
            total[known] += records["margin"][known]
            seen += known
        return np.divide(total, seen, out=np.full(len(total), np.nan), where=seen > 0)

    def suspects(self, n: int | None = None) -> np.ndarray:
        """Numbers of the n samples whose label is most likely wrong, the most suspect first; None: all samples.

        The measure is the mean margin. The weight would not do: it vanishes for well-learned samples too.
        """
        n = Interval(0, self.num_records, integer=True, optional=True).check("suspects", "n", n)
        return np.argsort(self.mean_margin(), kind="stable")[:n]

    def detection(self) -> Detection:
        """How well `suspects` finds the labels that are wrong; NaN if none or all are.

        Raises:
            ValueError: if clean labels are not known.
        """
        wrong, margins = self.wrong, self.mean_margin()
        order = np.argsort(margins, kind="stable")
        order = order[self.labels[order] >= 0]
        count, found = int(wrong.sum()), wrong[order]
        if count in (0, len(order)):
            return Detection(np.nan, np.nan)
        ranks = mean_ranks(margins[order])
        clean_count = len(order) - count
        above = ranks[~found].sum() - clean_count * (clean_count + 1) / 2
        return Detection(float(found[:count].mean()), float(above / (count * clean_count)))

    def alpha(self, cumulative: bool = False) -> np.ndarray:
        """Effective learning rate (steps,): alpha_t = eta_t times the mean implicit weight of the samples of step t.

        A log of looks after each epoch has one entry an epoch.

        Reference: Ou & Zhang 2023; as printed there it lacks the weight. They draw the cumulative one.

        Args:
            cumulative: whether to give the mean over all samples up to step t,
                sum_{s <= t} eta_s w_s |B_s| / sum_{s <= t} |B_s|, w_s the mean weight of the batch B_s.
        """
        totals, counts = [], []
        for records in self:
            known = records[records["label"] >= 0]
            step = np.maximum(known["step"], 0)
            count = np.bincount(step)
            total = np.bincount(step, known["weight"].astype("float64") * known["learning_rate"])
            totals.append(total[count > 0])
            counts.append(count[count > 0])
        totals, counts = np.concatenate(totals), np.concatenate(counts)
        return np.cumsum(totals) / np.cumsum(counts) if cumulative else totals / counts

    def mean_weights(self) -> tuple[float, float]:
        """Mean implicit weights of samples with clean and with wrong labels, each step weighted by its learning rate.

        Reference: Ou & Zhang 2023.

        Raises:
            ValueError: if clean labels are not known.
        """
        wrong, weighted, rates = self.wrong, np.zeros(2), np.zeros(2)
        for records in self:
            for side, samples in enumerate((~wrong, wrong)):
                known = records[samples & (records["label"] >= 0)]
                rate = known["learning_rate"].astype("float64")
                weighted[side] += np.sum(rate * known["weight"])
                rates[side] += np.sum(rate)
        with np.errstate(invalid="ignore"):
            clean, noisy = weighted / rates
        return float(clean), float(noisy)

    def snr(self) -> float:
        """Mean weight of samples with clean labels over that of samples with wrong labels; see `mean_weights`."""
        clean, wrong = self.mean_weights()
        return clean / wrong if wrong else float("inf")

    def clean_accuracy(self) -> np.ndarray:
        """Share (epochs,) of the samples with clean labels for which the label is predicted."""
        return self._share(lambda records, wrong: ~wrong, "label")

    def memorized(self) -> np.ndarray:
        """Share (epochs,) of the samples with wrong labels for which the wrong label is predicted."""
        return self._share(lambda records, wrong: wrong, "label")

    def corrected(self) -> np.ndarray:
        """Share (epochs,) of the samples with wrong labels for which the clean label is predicted."""
        return self._share(lambda records, wrong: wrong, "clean")

    def _share(self, side, field):
        wrong, target = self.wrong, {"label": self.labels, "clean": self.clean}[field]
        shares = []
        for records in self:
            counted = side(records, wrong) & (records["label"] >= 0)
            hits = np.count_nonzero(records["predicted"][counted] == target[counted])
            shares.append(hits / counted.sum() if counted.any() else np.nan)
        return np.array(shares)

    def _latest(self, field):
        values = np.full(self.num_records, -1, "int32")
        for records in self:
            known = records[field] >= 0
            values[known] = records[field][known]
        return values


def mean_ranks(values) -> np.ndarray:
    """Ranks of values (n,), from 1 for the smallest; ties share their mean rank."""
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(sizes) - (sizes - 1) / 2)[group]


def logged_epochs(path) -> list[int]:
    """Epochs of which a folder holds the records, in order; a folder that is not there holds none.

    Raises:
        ValueError: naming a file that is called as an epoch is, without a number.
    """
    epochs = []
    for file in pathlib.Path(path).glob("epoch-*.npy"):
        if not re.fullmatch("epoch-[0-9]{5,}", file.stem):
            raise ValueError(f"{file} is not an epoch of a weight log: those are called epoch-00000.npy, and so on.")
        epochs.append(int(file.stem.removeprefix("epoch-")))
    return sorted(epochs)


def write_epoch(path, epoch: int, records: np.ndarray) -> None:
    """Writes the records of an epoch, (samples,) or (samples, positions...): a reader sees all of them or nothing."""
    path = pathlib.Path(path)
    path.mkdir(parents=True, exist_ok=True)
    with whole(epoch_file(path, epoch)) as draft:
        np.save(draft, records, allow_pickle=False)


def drop_epochs(path, first: int) -> None:
    """Removes the records of `first` and later epochs."""
    for epoch in logged_epochs(path):
        if epoch >= first:
            epoch_file(path, epoch).unlink()


def epoch_file(path, epoch: int) -> pathlib.Path:
    """The file of an epoch in the folder of a log."""
    return pathlib.Path(path) / f"epoch-{epoch:05d}.npy"


def told_of_shape(shape: tuple) -> str:
    """(samples, positions...) in words."""
    return f"{shape[0]} samples" + (f" with positions {shape[1:]}" if shape[1:] else "")


def _read(path, epoch):
    file = epoch_file(path, epoch)
    # Not np.load, which takes archives too, and leaves a damaged one open.
    with open(file, "rb") as start:
        if start.read(len(np.lib.format.MAGIC_PREFIX)) != np.lib.format.MAGIC_PREFIX:
            raise ValueError(f"{file} is damaged, or no array of numpy's.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a damaged header says
            records = np.lib.format.open_memmap(file, mode="r")
    except DAMAGE as error:
        raise ValueError(f"{file} is damaged: {error}") from None
    if records.dtype != RECORD or records.ndim < 1 or not records.flags.c_contiguous:
        raise ValueError(f"{file} is not an epoch of a weight log: dtype {records.dtype}, shape {records.shape}.")
    return records
