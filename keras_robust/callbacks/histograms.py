"""Margins and weights of samples as histograms in TensorBoard."""

import itertools
import os
import pathlib
import socket
import time

import keras
import numpy as np

#: Columns of a log that are written.
FIELDS = ("margin", "weight")
#: What the run of these histograms is called beside Keras' own "train" and "validation".
RUN = "samples"
_FILES = itertools.count()


class Histograms:
    """Writes the histograms of one training run for TensorBoard, epoch by epoch.

    Needs the package tensorboard and not TensorFlow. A run that goes on has TensorBoard forget what was written of the
    epochs that are trained again.

    Args:
        folder: what is `log_dir` of `keras.callbacks.TensorBoard`; the events are in a folder of their own in it.
        first: the first epoch, counted from 0.
        output: of a model with several outputs, the one that is written.

    Raises:
        ImportError: without tensorboard.
    """

    def __init__(self, folder, first: int = 0, output: str | None = None):
        try:
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
            from tensorboard.plugins.histogram.summary_v2 import histogram_pb
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError as error:
            raise ImportError("Histograms for TensorBoard are written with it: pip install tensorboard.") from error
        folder = pathlib.Path(folder) / (RUN if output is None else f"{RUN}-{output}")
        folder.mkdir(parents=True, exist_ok=True)
        self._event, self._histogram, self._writer = Event, histogram_pb, RecordWriter
        # TensorBoard reads the files of a folder in the order of their names.
        begun = f"{time.time_ns() / 1e9:017.6f}"
        self._file = folder / f"events.out.tfevents.{begun}.{socket.gethostname()}.{os.getpid()}.{next(_FILES)}"
        self._write(
            {"file_version": "brain.Event:2"}, {"step": first, "session_log": SessionLog(status=SessionLog.START)}
        )

    def write(self, epoch: int, records: np.ndarray) -> None:
        """Writes an epoch of a log, those with clean and with wrong labels apart where clean ones are known.

        Margins and weights that are no numbers are left out, and so is a histogram of none.
        """
        groups, found = groups_of(records), []
        for field, (name, members) in itertools.product(FIELDS, groups.items()):
            values = records[field][members]
            values = values[np.isfinite(values)]
            if values.size:
                found.append({"step": epoch, "summary": self._histogram(f"{field}/{name}", values)})
        self._write(*found)

    def _write(self, *events):
        # Opened anew for each epoch: training that is broken off leaves no open file.
        with open(self._file, "ab") as file:
            records, now = self._writer(file), time.time()
            for content in events:
                records.write(self._event(wall_time=now, **content).SerializeToString())


def groups_of(records: np.ndarray) -> dict[str, np.ndarray]:
    """Which samples that were seen, booleans (samples,), are "clean", "wrong" or "unknown"; "all" where nobody knows.

    Example:

    >>> records = np.zeros(3, keras_robust.weight_log.RECORD)
    >>> records["label"], records["clean"] = [0, 1, -1], [0, 0, 0]
    >>> {name: members.tolist() for name, members in groups_of(records).items()}
    {'clean': [True, False, False], 'wrong': [False, True, False], 'unknown': [False, False, False]}
    """
    seen, known = records["label"] >= 0, records["clean"] >= 0
    if not known.any():
        return {"all": seen}
    right = records["label"] == records["clean"]
    return {"clean": seen & known & right, "wrong": seen & known & ~right, "unknown": seen & ~known}


def folder_beside(callbacks) -> str | None:
    """The folder of the `keras.callbacks.TensorBoard` among callbacks, or None; one that is not on this machine is left
    out."""
    boards = (str(one.log_dir) for one in callbacks if isinstance(one, keras.callbacks.TensorBoard))
    return next((folder for folder in boards if "://" not in folder), None)
