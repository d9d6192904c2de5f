"""What a folder of results holds: the log of every sample, and what is known of the data beside it."""

import csv
import json
import os
import pathlib
import re
from dataclasses import dataclass

import numpy as np

from keras_robust.checks import refuse
from keras_robust.data.image_folders import LISTING, Listing
from keras_robust.noise import NoisyLabels
from keras_robust.weight_log import WeightLog, logged_epochs


@dataclass(frozen=True)
class LoggedRun:
    """One training run, by its weight log and what its folder says of it.

    Attributes:
        folder: the folder of the run.
        name: name of the log among several in the folder; "" where there is one.
        log: the log, with clean labels where the log or the folder has them.
        settings: what settings.json says; empty without one.
        history: the rows of history.csv, one an epoch, numbers by name; empty without one.
    """

    folder: pathlib.Path
    name: str
    log: WeightLog
    settings: dict
    history: tuple[dict, ...] = ()

    @property
    def accuracy(self) -> np.ndarray | None:
        """Test accuracy after each epoch, (epochs,); None where the history does not say."""
        if not self.history or "val_accuracy" not in self.history[0]:
            return None
        return np.array([row["val_accuracy"] for row in self.history])

    @property
    def label(self) -> str | None:
        """What the run was trained with, its algorithm included; None where nobody knows."""
        return self.settings.get("label") or self.settings.get("loss")

    @property
    def title(self) -> str:
        """Data set, noise and loss in a line, as far as they are known."""
        return ", ".join(str(part) for part in (self.data, self.name or self.label) if part)

    @property
    def data(self) -> str:
        """Data set and noise, as far as they are known."""
        told = [self.settings.get(key) for key in ("dataset", "noise")]
        return ", ".join(one["name"] if isinstance(one, dict) else str(one) for one in told if one)

    @property
    def class_names(self) -> tuple | None:
        """Names of the classes of a user's own data set; None for one of the catalog, or an unknown one."""
        dataset = self.settings.get("dataset")
        return tuple(dataset["classes"]) if isinstance(dataset, dict) else None

    def images(self, root=None) -> Listing | None:
        """Which of a user's own images is which sample; None where the folder of the run does not say.

        Args:
            root: the folder that holds them now; None: the one that they were in.

        Raises:
            ValueError: for a damaged file.
        """
        file = self.folder / LISTING
        root = self.settings.get("data_dir") if root is None else root
        return Listing.read(file, root) if file.is_file() and root is not None else None

    def labels(self) -> np.ndarray:
        """Class ids (n,) that the samples were given, -1 for one that is known neither from labels.npz nor the log."""
        file = self.folder / "labels.npz"
        return NoisyLabels.load(file).noisy if file.is_file() else self.log.labels


def log_name(label: str, seed: int) -> str:
    """What the folder of a run is called in one that holds several.

    Example:

    >>> log_name("ANLCE(alpha=5, beta=5)", 0)
    'ANLCE-alpha-5-beta-5-seed0'
    """
    plain = re.sub("[^A-Za-z0-9.]+", "-", label.replace("=-", "=minus-"))
    return f"{plain.strip('-')}-seed{seed}"


def log_names(folder) -> list[str]:
    """Names of the runs of a folder that may hold several; none where there is one without a name.

    Example:

    >>> from keras_robust.weight_log import RECORD, write_epoch
    >>> write_epoch(tmp_path / "CE-seed0" / "weights", 0, np.zeros(5, RECORD))
    >>> keras_robust.diagnostics.log_names(tmp_path)
    ['CE-seed0']
    """
    return list(_several(pathlib.Path(folder)))


def open_run(folder, log: str | None = None) -> LoggedRun:
    """Opens the folder of a training run, one that holds several, or a weight log by itself.

    - a run: weights/ with the log; beside it settings.json, labels.npz and history.csv where they are known.
    - several: a folder of a run for each seed of a recipe, and for each loss of a comparison.
    - a folder with epoch-00000.npy, ...: what `callbacks.SampleWeightLogger` wrote.

    Args:
        folder: the folder.
        log: which of several runs, by the name of its folder.

    Raises:
        FileNotFoundError: if the folder holds no log.
        ValueError: with the names of several runs, if none of them is named; for a damaged file, or one of another run.

    Example:

    >>> from keras_robust.weight_log import RECORD, write_epoch
    >>> write_epoch(tmp_path / "weights", 0, np.zeros(5, RECORD))
    >>> run = keras_robust.diagnostics.open_run(tmp_path)
    >>> run.log.num_samples, run.settings
    (5, {})
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}.")
    name, folder, path = _find_log(folder, log)
    settings = folder / "settings.json"
    settings = by_name(settings, "the settings of a run") if settings.is_file() else {}
    log = _with_clean_labels(WeightLog(path), folder / "labels.npz")
    return LoggedRun(folder, name, log, settings, _history(folder / "history.csv"))


def as_run(log_or_run) -> LoggedRun:
    """A run of what people have: what `open_run` opened, a `WeightLog`, or the folder of either.

    Example:

    >>> from keras_robust.weight_log import RECORD, write_epoch
    >>> write_epoch(tmp_path, 0, np.zeros(5, RECORD))
    >>> as_run(WeightLog(tmp_path)).title
    ''
    """
    if isinstance(log_or_run, LoggedRun):
        return log_or_run
    if isinstance(log_or_run, WeightLog):
        return LoggedRun(log_or_run.path, "", log_or_run, {})
    if isinstance(log_or_run, str | os.PathLike):
        return open_run(log_or_run)
    refuse("as_run", "log_or_run", "a WeightLog, what open_run opened, or a folder", log_or_run)


def _find_log(folder, wanted):
    """The name of the run, "" for the only one, its folder, and that of its log."""
    alone = [path for path in (folder, folder / "weights") if logged_epochs(path)]
    if alone:
        if wanted is not None:
            refuse("open_run", "log", f"None: {folder} holds one log", wanted)
        return "", folder, alone[0]
    found = _several(folder)
    if not found:
        raise FileNotFoundError(
            f"{folder} holds no weight log: neither epoch-00000.npy, ... nor weights/ with them. A run leaves one with "
            "callbacks.SampleWeightLogger, or by `keras-robust compare`."
        )
    if wanted is None and len(found) == 1:
        (wanted,) = found
    if wanted not in found:
        which = f"and none of them is {wanted!r}" if wanted else "so that one must be named (`log`, or --log)"
        raise ValueError(f"{folder} holds several runs, {which}. Its runs: {', '.join(found)}.")
    return wanted, found[wanted], found[wanted] / "weights"


def _several(folder):
    return {path.parent.name: path.parent for path in sorted(folder.glob("*/weights")) if logged_epochs(path)}


def by_name(path: pathlib.Path, what: str) -> dict:
    """What a JSON file holds by name.

    Args:
        path: of the file.
        what: it holds, for the error.

    Raises:
        ValueError: naming the file, if it is damaged or holds something else.
    """
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}.") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} is damaged: it must hold {what} by name.")
    return content


def _with_clean_labels(log, path):
    """The log, with the clean labels of a file of labels where it has none of its own."""
    if not path.is_file():
        return log
    labels, seen = NoisyLabels.load(path), log.labels
    if len(labels.noisy) != len(seen) or np.any((labels.noisy != seen) & (seen >= 0)):
        raise ValueError(f"{path} and the log in {log.path} are not of one run: their labels differ.")
    return log if log.clean is not None else WeightLog(log.path, labels.clean)


def _history(path):
    """The rows of a table with one line an epoch; of an epoch that was written twice, as by a run that resumed, the
    later line counts."""
    rows = {}
    for row in _table(path, "epoch"):
        try:
            rows[int(row["epoch"])] = {name: _number(name, value) for name, value in row.items()}
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path} is damaged: {error}.") from None
    return tuple(rows[epoch] for epoch in sorted(rows))


def _number(name, value):
    """A number of a table; what others write for nothing, NA, is NaN, but not where an accuracy should be."""
    try:
        return float(value)
    except (TypeError, ValueError):
        if name in ("epoch", "val_accuracy"):
            raise
        return float("nan")


def _table(path, *columns):
    if not path.is_file():
        return []
    try:
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path} is damaged: {error}.") from None
    if rows and not set(columns) <= rows[0].keys():
        raise ValueError(f"{path} is damaged: it must have the columns {', '.join(columns)}.")
    return rows
