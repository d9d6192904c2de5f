"""One log of those that several processes wrote."""

import numpy as np

from keras_robust.checks import refuse
from keras_robust.weight_log import WeightLog, epoch_file, logged_epochs, told_of_shape, write_epoch


def merged_log(paths, into, overwrite: bool = False) -> WeightLog:
    """One log of the logs that the processes of one run wrote, each of the samples that it saw.

    Under PyTorch's DistributedDataParallel every process has a log of its own. A sample that several of them saw in an
    epoch, as one that fills the last batch, keeps its last visit.

    Args:
        paths: folders of the logs, which hold the same epochs and numbers of samples.
        into: folder of the new log.
        overwrite: whether a log that is there already is replaced.

    Raises:
        FileNotFoundError: if a folder holds no epoch.
        ValueError: for logs of different epochs or sizes, and for a log that is there already.

    Example: one process saw samples 0 and 1, the other sample 2.

    >>> records = np.zeros(3, keras_robust.weight_log.RECORD)
    >>> for rank, seen in enumerate(([True, True, False], [False, False, True])):
    ...     records["label"] = np.where(seen, [5, 6, 7], -1)
    ...     keras_robust.weight_log.write_epoch(tmp_path / f"rank{rank}", 0, records)
    >>> log = keras_robust.diagnostics.merged_log([tmp_path / "rank0", tmp_path / "rank1"], tmp_path / "both")
    >>> log.labels.tolist()
    [5, 6, 7]
    """
    logs = [WeightLog(path) for path in paths]
    if not logs:
        refuse("merged_log", "paths", "at least one folder of a weight log", paths)
    first = logs[0]
    for log in logs[1:]:
        if (log.epochs, log.num_samples, log.positions) != (first.epochs, first.num_samples, first.positions):
            told = told_of_shape((first.num_samples, *first.positions))
            raise ValueError(
                f"{first.path} and {log.path} are not of one run: epochs {first.epochs} of {told}, "
                f"epochs {log.epochs} of {told_of_shape((log.num_samples, *log.positions))}."
            )
    if logged_epochs(into) and not overwrite:
        raise ValueError(f"{into} holds a log already. Give merged_log a new folder, or overwrite=True.")
    for epoch in first.epochs:
        merged = np.array(first.epoch(epoch))
        for log in logs[1:]:
            records = log.epoch(epoch)
            later = (records["label"] >= 0) & ((merged["label"] < 0) | (records["step"] > merged["step"]))
            merged[later] = records[later]
        write_epoch(into, epoch, merged.reshape(first.num_samples, *first.positions))
    for epoch in set(logged_epochs(into)) - set(first.epochs):
        epoch_file(into, epoch).unlink()
    return WeightLog(into)
