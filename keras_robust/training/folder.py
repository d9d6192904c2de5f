"""The folder of a run: whose it is, and its history, epoch by epoch."""

import csv
import json
import pathlib
import platform
import time

import keras

from keras_robust.checks import missing, refuse
from keras_robust.files import whole
from keras_robust.training.precision import float32_products
from keras_robust.version import __version__

SETTINGS = "settings.json"
# What may change between two parts of a run.
FREE = ("data_dir", "machine")


def environment() -> dict:
    """What a run is made with, for its settings: versions, backend and machine."""
    return {
        "versions": {
            "keras_robust": __version__,
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
            "python": platform.python_version(),
        },
        "machine": f"{platform.system()} {platform.machine()}",
        "float32_products": float32_products(),
    }


def alone(folder):
    """Holds the folder against other processes; a process that dies lets go of it.

    Raises:
        TimeoutError: if another process holds it.
    """
    try:
        from filelock import FileLock, Timeout
    except ImportError as error:
        raise missing("Runs keep their folder with filelock", "recipes") from error
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        return lock.acquire()
    except Timeout:
        raise TimeoutError(f"Another process is running in {folder}.") from None


def claim(folder: pathlib.Path, settings: dict) -> None:
    """Makes a folder the one of a run with these settings, or finds that it is.

    Raises:
        FileExistsError: if the folder holds another run, or other files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / SETTINGS
    if not file.exists():
        if found := sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")):
            raise FileExistsError(f"{folder} holds {', '.join(found[:5])}, which no run left. Take another.")
        write_json(file, settings)
        return
    there = read_json(file)
    before, now = ({name: value for name, value in one.items() if name not in FREE} for one in (there, settings))
    if told := "; ".join(_differing(before, now)):
        raise FileExistsError(f"{folder} holds a run with other settings ({told}). Take another folder for this one.")


def _differing(there, now, inside=""):
    """What differs between settings, those inside of settings included, in words."""
    for name in sorted(there.keys() | now.keys()):
        one, other = there.get(name), now.get(name)
        if isinstance(one, list) and isinstance(other, list) and all(isinstance(part, dict) for part in one + other):
            one, other = dict(enumerate(one)), dict(enumerate(other))
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _differing(one, other, f"{inside}{name}.")
        elif one != other:
            yield f"{inside}{name}: {one!r} there, {other!r} now"


def read_json(path) -> dict:
    """The content of a file that `write_json` wrote.

    Raises:
        ValueError: naming the file, if it is damaged.
    """
    try:
        return json.loads(pathlib.Path(path).read_text())
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}. Remove its folder to start that run over.") from None


def write_json(path, content: dict) -> None:
    with whole(path) as draft:
        draft.write_text(json.dumps(content, indent=2) + "\n")


class HistoryFile(keras.callbacks.Callback):
    """Writes what Keras logs, the epoch counted from 1 and its seconds into a table, history.csv, one row an epoch.

    Args:
        folder: folder of the run.
        done: number of epochs that are done; rows of later ones are dropped.
    """

    def __init__(self, folder, done: int = 0):
        super().__init__()
        self.file = pathlib.Path(folder) / "history.csv"
        self.rows = read_history(self.file)[:done] if done else []
        if len(self.rows) < done:
            raise ValueError(f"{self.file} holds {len(self.rows)} of {done} epochs. Remove its folder to start over.")

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch + 1, **{name: float(value) for name, value in logs.items()}}
        self.rows.append(row | {"seconds": time.perf_counter() - self._start})
        write_rows(self.file, self.rows)


def write_rows(path, rows: list[dict]) -> None:
    """Writes a table, with the names of the first row as its head."""
    with whole(path) as draft, open(draft, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def read_history(path) -> list[dict]:
    """Rows of a history.csv, numbers as numbers."""
    try:
        with open(path, newline="") as file:
            rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    except (ValueError, TypeError) as error:
        refuse("read_history", "path", f"a table of numbers ({error})", str(path))
    return [row | {"epoch": int(row["epoch"])} for row in rows]
