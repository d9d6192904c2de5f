"""The comparison: every loss on every seed, then a table, a picture and files."""

import csv
import json
import pathlib
import statistics
from dataclasses import asdict, dataclass, field

import keras
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from keras_robust.checks import Interval, refuse
from keras_robust.comparison.contenders import Contender, contender
from keras_robust.comparison.tasks import task
from keras_robust.comparison.training import Run, Training, train
from keras_robust.diagnostics import plots
from keras_robust.diagnostics.runs import log_name
from keras_robust.noise import NoisyLabels
from keras_robust.trainer import environment

# Columns below which a table with a column for each number cannot be read.
_NARROW = 60


@dataclass
class Comparison:
    """Results of a comparison, loss by loss and run by run; their files are in `folder`."""

    folder: pathlib.Path
    dataset: str
    noise: str | None
    training: Training
    data_dir: str | None = None
    labels: list[NoisyLabels] = field(default_factory=list)
    runs: dict[Contender, list[Run]] = field(default_factory=dict)

    MEASURES = {
        "last": lambda run: run.last,
        "best": lambda run: run.best,
        "memorized": lambda run: run.memorized,
        "precision": lambda run: run.detection.precision,
        "auroc": lambda run: run.detection.auroc,
    }
    HEADINGS = {
        "last": "test\naccuracy",
        "memorized": "wrong\nlabels\nmemorized",
        "precision": "suspects\ntruly\nwrong",
        "auroc": "AUROC of\nsuspects",
    }
    HEADER = ("loss", *(column for name in MEASURES for column in (name, f"{name}_std")), "seconds")

    def rows(self) -> list[dict]:
        """One row a loss: means and standard deviations over the seeds; accuracies and shares in [0, 1]."""
        table = []
        for one, runs in self.runs.items():
            row = [one.label]
            for measure in self.MEASURES.values():
                row += _mean_std(map(measure, runs))
            row.append(statistics.fmean(run.seconds for run in runs))
            table.append(dict(zip(self.HEADER, row, strict=True)))
        return table

    def table(self, width: int = 80) -> Table:
        """The rows as a table for a terminal of so many columns; on a narrow one the numbers stand under each loss."""
        rate = statistics.fmean(labels.rate for labels in self.labels)
        table = Table(
            title=f"{self.dataset}, {self.noise or 'clean labels'}: {rate:.1%} of the training labels are wrong",
            caption=f"%, last of {self.training.epochs} epochs, mean ± std of {len(self.labels)} seed(s), "
            f"backend {keras.backend.backend()}",
        )
        if width < _NARROW:
            return self._narrow(table)
        table.add_column("loss")
        for heading in self.HEADINGS.values():
            table.add_column(heading, justify="right")
        table.add_column("seconds\na run", justify="right")
        for row in self.rows():
            shares = (f"{100 * row[key]:.1f} ± {100 * row[key + '_std']:.1f}" for key in self.HEADINGS)
            table.add_row(escape(row["loss"]), *shares, f"{row['seconds']:.1f}")
        return table

    def _narrow(self, table):
        table.add_column("loss", overflow="fold")
        table.add_column("", justify="right", no_wrap=True)
        for row in self.rows():
            table.add_row(f"[bold]{escape(row['loss'])}[/bold]", "")
            for key, heading in self.HEADINGS.items():
                mean, std = 100 * row[key], 100 * row[f"{key}_std"]
                table.add_row(f" {' '.join(heading.split())}", f"{mean:.1f} ± {std:.1f}")
            table.add_row(" seconds a run", f"{row['seconds']:.1f}", end_section=True)
        return table

    def weight_log(self, one: Contender, seed: int) -> pathlib.Path:
        """Folder of the weight log of a run."""
        return self.folder / "weights" / log_name(one.label, seed)

    def save(self) -> None:
        """Writes table.csv, runs.csv (one line an epoch), accuracy.png, settings.json, and the labels of each seed."""
        folder = self.folder
        for seed, labels in enumerate(self.labels):
            labels.save(folder / f"labels-seed{seed}.npz")
        (folder / "noise.txt").write_text("\n\n".join(labels.report() for labels in self.labels) + "\n")
        with open(folder / "table.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, self.HEADER)
            writer.writeheader()
            writer.writerows(self.rows())
        with open(folder / "runs.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("loss", "seed", "epoch", "test_accuracy"))
            for one, runs in self.runs.items():
                for run in runs:
                    writer.writerows(
                        (one.label, run.seed, epoch, a) for epoch, a in enumerate(run.test_accuracy, start=1)
                    )
        settings = {
            "dataset": self.dataset,
            "noise": self.noise,
            "data_dir": self.data_dir,
            "realized_rates": [labels.rate for labels in self.labels],
            "training": asdict(self.training),
            "losses": [asdict(one) for one in self.runs],
            **environment(),
        }
        (folder / "settings.json").write_text(json.dumps(settings, indent=2) + "\n")
        curves = {one.label: [run.test_accuracy for run in runs] for one, runs in self.runs.items()}
        title = f"{self.dataset}, {self.noise or 'clean labels'}"
        plots.accuracy_curves(curves, title=title).figure.savefig(folder / "accuracy.png")


def compare(
    folder,
    dataset: str = "digits",
    noise: str | None = "symmetric:0.4",
    losses=("CE", "GCE", "NCEandRCE", "ANLCE", "DAL"),
    epochs: int = 60,
    seeds: int = 3,
    data_dir=None,
    console: Console | None = None,
) -> Comparison:
    """Trains every loss on the same wrong labels, once for each seed, and shows its progress.

    How well a loss tells wrong labels from clean ones is measured on the log of every sample's margin, kept in
    `folder`/weights: among as many samples of lowest mean margin as there are wrong labels, the share that is truly
    wrong; and the area under the ROC curve.

    Args:
        folder: a new folder for all results.
        dataset: name of a data set whose clean labels are known: "digits", "mnist", "cifar10", "cifar10n", ...
        noise: a noise string such as "symmetric:0.4"; None for clean labels. Seed s draws its own labels.
        losses: losses as `contender` reads them.
        epochs: epochs of each run, at least 1.
        seeds: number of seeds, at least 1; they are 0, 1, ...
        data_dir: folder of the data set, as `data.load` takes it.
        console: where the noise and the progress go; the terminal by default.

    Raises:
        ValueError: for an unknown data set, noise or loss, or a loss named twice.
        FileExistsError: if the folder is there already.
    """
    epochs = Interval(1, integer=True).check("compare", "epochs", epochs)
    seeds = Interval(1, integer=True).check("compare", "seeds", seeds)
    contenders = [contender(text) for text in losses]
    if not contenders or len(set(contenders)) < len(contenders):
        refuse("compare", "losses", "at least one loss, none of them twice", list(losses))
    console = console or Console()
    tasks = [task(dataset, noise, seed, data_dir) for seed in range(seeds)]
    training = Training(epochs=epochs)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    stored = None if data_dir is None else str(pathlib.Path(data_dir).expanduser().absolute())
    result = Comparison(folder, dataset, noise, training, stored, [one.labels for one in tasks])
    console.print(tasks[0].labels.report(), highlight=False, markup=False)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        for one in contenders:
            bar = progress.add_task(escape(one.label), total=seeds * epochs)
            tick = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs, bar=bar: progress.advance(bar))
            result.runs[one] = [
                train(one, learned, training, seed, result.weight_log(one, seed), callbacks=[tick])
                for seed, learned in enumerate(tasks)
            ]
    result.save()
    return result


def _mean_std(values) -> tuple[float, float]:
    values = list(values)
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0
