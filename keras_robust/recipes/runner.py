"""Running a recipe: training that resumes where it stopped, and a table beside the paper's."""

import pathlib
import re

import keras
import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from keras_robust.checks import OneOf, at_least, missing, refuse
from keras_robust.diagnostics import open_run, pictures, plots
from keras_robust.files import whole
from keras_robust.noise import NoisyLabels
from keras_robust.recipes.find import get
from keras_robust.recipes.folder import HistoryFile, claim, read_json, write_json
from keras_robust.recipes.report import Report, measure
from keras_robust.recipes.scales import SCALES, Scale, method, task
from keras_robust.recipes.schema import Recipe
from keras_robust.trainer import Checkpoint, environment, train
from keras_robust.weight_log import RECORD

LARGEST_LOG = 2**30  # bytes of a run's weight log; where all epochs are more, every second or third is logged


def run(
    recipe: str | Recipe,
    seeds=None,
    data_dir=None,
    scale: str = "full",
    folder=None,
    changes: dict | None = None,
    console: Console | None = None,
) -> Report:
    """Trains a recipe, once for each seed, and compares with the paper's accuracy.

    A run that was stopped or killed resumes from its last whole epoch when it is called again: with the same
    order of samples, augmentation, rates and log as if nothing had happened. A run that is done is read, not repeated.

    Each seed has a folder, `folder`/seed-SEED: settings.json (the recipe as it was run, versions, machine),
    history.csv, labels.npz and noise.txt (the wrong labels), weights (the log of every sample, for
    `diagnostics.WeightLog`), curves.png, model.keras, result.json. The table is in `folder`/results.csv and
    results.json.

    Args:
        recipe: a recipe or its name.
        seeds: whole numbers, each decides labels, weights, orders and augmentation of a run; None: the recipe's seed.
        data_dir: folder of the data set, as `data.load` takes it.
        scale: "full"; "quick": a tenth of the images, a quarter of the epochs; "smoke": two steps on generated images.
        folder: where results go; None: runs/ and the name of the recipe and the scale.
        changes: settings of the recipe to be replaced, such as those that it lacks.
        console: where progress goes; the terminal by default.

    Raises:
        ValueError: for an unknown recipe or scale, or a recipe that lacks settings or asks for what is not there yet.
        TypeError: for an unknown setting.
        FileExistsError: if the folder holds another run.
        TimeoutError: if another process is running in the folder.
        FileNotFoundError, ImportError: where the data, or what reads them, is missing.

    Example:

    >>> name, quiet = "anl/mnist/symmetric:0.8/anl-ce", Console(quiet=True)
    >>> report = keras_robust.recipes.run(name, scale="smoke", folder=tmp_path / "run", console=quiet)
    >>> sorted(report.results[1])[:4]
    ['auroc', 'best', 'corrected', 'epochs']
    """
    recipe = get(recipe) if isinstance(recipe, str) else recipe
    size = SCALES[OneOf(tuple(SCALES)).check("run", "scale", scale)]
    changed = recipe.changed(**changes or {})
    known = size.shortened(changed) if size.rehearsal else changed
    if obstacles := known.obstacles:
        hint = "; `changes` gives what it lacks" if known.missing else ""
        refuse("run", "recipe", f"one that can be run: {'; '.join(obstacles)}{hint}", recipe.name)
    if isinstance(seeds, int):
        refuse("run", "seeds", "a list of them, one run for each", seeds)
    seeds = [recipe.seed] if seeds is None else [at_least(0, integer=True).check("run", "seeds", s) for s in seeds]
    if not seeds or len(set(seeds)) < len(seeds):
        refuse("run", "seeds", "at least one whole number, none of them twice", seeds)
    planned = known if size.rehearsal else size.shortened(changed)
    # Before the folder is made: it would be one of a run that nobody can make.
    if planned.build_loss().reduction is None:
        refuse("run", "reduction", "one that makes a number of a batch, for a loss to train on", None)
    planned.callbacks()
    folder = pathlib.Path(folder or f"runs/{re.sub('[^a-z0-9.+-]+', '-', recipe.name)}-{scale}")
    folder.mkdir(parents=True, exist_ok=True)
    settings = _settings(planned, scale, data_dir)
    console = console or Console()
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with _alone(folder), Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        claim(folder, settings)
        results = {}
        for seed in seeds:
            claim(folder / f"seed-{seed}", settings | {"seed": seed})
            results[seed] = _run(planned, size, seed, data_dir, folder / f"seed-{seed}", progress, console)
    report = Report(recipe, folder, _remarks(recipe, changed, planned, size), results)
    report.save()
    return report


def _run(recipe, size, seed, data_dir, folder, progress, console):
    checkpoint = Checkpoint(folder)
    if (folder / "result.json").exists():
        checkpoint.clear()
        return read_json(folder / "result.json")
    learned = task(recipe, size, seed, data_dir, first_epoch=checkpoint.epoch)
    _keep_labels(learned.labels, folder, console)
    history = HistoryFile(folder, done=checkpoint.epoch)
    every = -(-recipe.epochs * learned.num_samples * RECORD.itemsize // LARGEST_LOG)
    bar = _Bar(progress, f"{recipe.label} seed {seed}", recipe.epochs, len(learned.train["x"]))
    model, _, logger = train(learned, method(recipe), seed, folder / "weights", [history, bar], checkpoint, every=every)
    with whole(folder / "model.keras") as draft:
        model.save(draft)
    with whole(folder / "curves.png") as draft:
        _picture(folder, recipe).savefig(draft)
    result = measure(history.rows, logger.log())
    write_json(folder / "result.json", result)
    checkpoint.clear()
    return result


def _picture(folder, recipe):
    """What became of clean and of wrong labels, or, where nobody knows which are wrong, the test accuracy."""
    done = open_run(folder)
    if done.log.clean is not None:
        return pictures.memorization(done)
    return plots.accuracy_curves({recipe.label: done.accuracy}, title=recipe.name).figure


def _settings(recipe, scale, data_dir):
    untold = ("seed", "printed", "contested", "source", "missing")
    told = {name: value for name, value in recipe.to_dict().items() if name not in untold}
    return {
        "recipe": recipe.name,
        "scale": scale,
        **told,
        "data_dir": None if data_dir is None else str(data_dir),
        **environment(),
    }


def _keep_labels(labels, folder, console):
    """Writes the wrong labels, or finds that they are those with which the run began."""
    if labels is None:
        return
    file = folder / "labels.npz"
    if not file.exists():
        labels.save(file)
        (folder / "noise.txt").write_text(labels.report() + "\n")
        console.print(labels.report(), highlight=False, markup=False)
    elif not np.array_equal(NoisyLabels.load(file).noisy, labels.noisy):
        raise ValueError(
            f"{file} holds other labels than those drawn now: the data set is not what the run began with."
        )


def _alone(folder):
    """Holds the folder against other processes; a process that dies lets go of it."""
    try:
        from filelock import FileLock, Timeout
    except ImportError as error:
        raise missing("Recipes are run with filelock", "recipes") from error
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        return lock.acquire()
    except Timeout:
        raise TimeoutError(f"Another process is running in {folder}.") from None


def _remarks(recipe, changed, planned, size: Scale):
    remarks = []
    if size.rehearsal:
        remarks.append("a rehearsal: two steps on generated images")
    elif size != Scale():
        images = f"{size.fraction:.0%} of the images"
        remarks.append(f"{planned.epochs} of {changed.epochs} epochs on {images}: no comparison with the paper")
    different = (name for name in changed.to_dict() if getattr(changed, name) != getattr(recipe, name))
    if told := [f"{name}={getattr(changed, name)!r}" for name in different if name != "missing"]:
        remarks.append(f"changed: {', '.join(told)}")
    return tuple(remarks)


class _Bar(keras.callbacks.Callback):
    """Moves a bar along with the steps, and writes the newest accuracies beside it."""

    def __init__(self, progress, name, epochs, steps):
        super().__init__()
        self.progress, self.name, self.steps, self.epoch = progress, escape(name), steps, 0
        self.bar = progress.add_task(self.name, total=epochs * steps)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self.progress.update(self.bar, completed=self.epoch * self.steps + batch + 1)

    def on_epoch_end(self, epoch, logs=None):
        self.progress.update(
            self.bar,
            description=f"{self.name}, epoch {epoch + 1}: test accuracy {logs['val_accuracy']:.2%}",
            completed=(epoch + 1) * self.steps,
        )
