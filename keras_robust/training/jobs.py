"""Several runs in one folder: those that are done are read, one that was stopped resumes, the others are trained."""

import pathlib
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from keras_robust.data.image_folders import LISTING
from keras_robust.diagnostics import open_run, pictures, plots
from keras_robust.files import whole
from keras_robust.measures import measure
from keras_robust.noise import NoisyLabels
from keras_robust.training.checkpoint import Checkpoint
from keras_robust.training.folder import HistoryFile, alone, claim, read_json, write_json
from keras_robust.training.trainer import Method, Task, train
from keras_robust.weight_log import RECORD

LARGEST_LOG = 2**30  # bytes of a run's weight log; where all epochs are more, every second or third is logged


@dataclass(frozen=True)
class Job:
    """One run.

    Attributes:
        name: of its folder, inside the folder of all.
        label: what it is called beside its bar and in its picture.
        settings: what its settings.json says.
        task: a function of the number of epochs that are done; it makes what is learned.
        method: how it is learned.
        seed: of weights and, with those of the task, of everything else.
    """

    name: str
    label: str
    settings: dict
    task: Callable[[int], Task]
    method: Method
    seed: int


def train_all(folder, shared: dict, jobs: list[Job], console: Console | None = None) -> list[dict]:
    """Trains all jobs that are not done, and shows their progress.

    A run that was stopped or killed resumes from its last whole epoch. The folder of each holds settings.json,
    history.csv, labels.npz and noise.txt (the wrong labels), weights/ (the log of every sample, for
    `diagnostics.WeightLog`), curves.png, model.keras and result.json; where training images are held out, held_out.npy,
    their positions, and judged.npz, what the model makes of them if their labels are noisy; images.csv, which image
    of a user's own is which sample.

    Args:
        folder: of all jobs.
        shared: settings of all of them, which the folder keeps to.
        console: where the noise and the progress go; the terminal by default.

    Returns:
        What `measure` gives, for each job.

    Raises:
        FileExistsError: if the folder holds other runs.
        TimeoutError: if another process is running in the folder.
    """
    folder, console = pathlib.Path(folder), console or Console()
    folder.mkdir(parents=True, exist_ok=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with alone(folder), Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        claim(folder, shared)
        bars, results = _Bars(progress, len(jobs)), []
        for job in jobs:
            claim(folder / job.name, shared | job.settings | {"seed": job.seed})
            results.append(_result(job, folder / job.name, bars))
            bars.next()
    return results


def _result(job, folder, bars):
    checkpoint = Checkpoint(folder)
    if (folder / "result.json").exists():
        checkpoint.clear()
        return read_json(folder / "result.json")
    learned, epochs = job.task(checkpoint.epoch), job.method.epochs
    _keep_labels(learned.labels, folder, bars)
    if learned.held_out is not None:
        with whole(folder / "held_out.npy") as draft, open(draft, "wb") as file:
            np.save(file, learned.held_out)
    if learned.images is not None:
        learned.images.write(folder / LISTING)
    history = HistoryFile(folder, done=checkpoint.epoch)
    every = -(-epochs * learned.num_samples * RECORD.itemsize // LARGEST_LOG)
    bar = bars.bar(job.label, epochs, len(learned.train["x"]), learned.tested)
    model, _, logger = train(learned, job.method, job.seed, folder / "weights", [history, bar], checkpoint, every=every)
    with whole(folder / "model.keras") as draft:
        model.save(draft)
    with whole(folder / "curves.png") as draft:
        _picture(folder, job.label, learned.tested).savefig(draft)
    result = measure(history.rows, logger.log(), learned.clean_test)
    if learned.judged:
        judged = learned.judged(model)
        judged.save(folder)
        result |= judged.accuracy()
    write_json(folder / "result.json", result)
    checkpoint.clear()
    return result


def _picture(folder, label, tested):
    """What became of clean and of wrong labels, or, where nobody knows which are wrong, the accuracy by epoch."""
    done = open_run(folder)
    if done.log.clean is not None:
        return pictures.memorization(done)
    return plots.accuracy_curves({label: done.accuracy}, title=done.title, measured=tested).figure


def _keep_labels(labels, folder, bars):
    """Writes the wrong labels, or finds that they are those with which the run began."""
    if labels is None:
        return
    file = folder / "labels.npz"
    if not file.exists():
        labels.save(file)
        (folder / "noise.txt").write_text(labels.report() + "\n")
        bars.tell(labels.report())
    elif not np.array_equal(NoisyLabels.load(file).noisy, labels.noisy):
        raise ValueError(
            f"{file} holds other labels than those drawn now: the data set is not what the run began with."
        )


class _Bars:
    """A bar for all runs, where there are several, and one for the run that is going on."""

    def __init__(self, progress, runs):
        self.progress, self.told = progress, False
        self.all = progress.add_task(f"{runs} runs", total=runs) if runs > 1 else None
        self.one = None

    def bar(self, label, epochs, steps, tested):
        self.one = _Bar(self.progress, label, epochs, steps, tested)
        return self.one

    def next(self):
        if self.all is None:
            return
        self.progress.advance(self.all)
        if self.one:
            self.progress.remove_task(self.one.bar)
            self.one = None

    def tell(self, report):
        """Prints the first report; those of other seeds are in their folders."""
        if not self.told:
            self.progress.console.print(report, highlight=False, markup=False)
            self.told = True


class _Bar(keras.callbacks.Callback):
    """Moves a bar along with the steps, and writes the newest accuracy beside it."""

    def __init__(self, progress, label, epochs, steps, tested):
        super().__init__()
        self.tested = tested
        self.progress, self.label, self.steps, self.epoch = progress, escape(label), steps, 0
        self.bar = progress.add_task(self.label, total=epochs * steps)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        # At its end Keras would read the metrics of every step, and so wait for the accelerator.
        self.progress.update(self.bar, completed=self.epoch * self.steps + batch)

    def on_epoch_end(self, epoch, logs=None):
        self.progress.update(
            self.bar,
            description=f"{self.label}, epoch {epoch + 1}: {self.tested} {logs['val_accuracy']:.2%}",
            completed=(epoch + 1) * self.steps,
        )
