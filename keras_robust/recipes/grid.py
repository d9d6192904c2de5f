"""Recipes side by side, each on several seeds: one folder, one table, one picture."""

import pathlib
import statistics
from dataclasses import dataclass, field, replace

import keras
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from keras_robust.checks import refuse
from keras_robust.diagnostics.runs import log_name
from keras_robust.measures import ESTIMATED, WORDS, headings, over_seeds
from keras_robust.recipes.planning import Conditions
from keras_robust.recipes.schema import Recipe
from keras_robust.training import train_all
from keras_robust.training.folder import read_history, write_rows
from keras_robust.training.judging import Judged, with_one_transition

#: What a table has columns for, the first ones first.
_SHOWN = (
    "last",
    ESTIMATED,
    "attack",
    "chosen",
    "validation",
    "memorized",
    "precision",
    "auroc",
    "mean_of_last_ten",
    "corrected",
    "best",
)
# Columns below which a table with a column for each number cannot be read; what a number takes, the seconds, a text.
_NARROW, _NUMBER, _SECONDS, _TEXT = 60, 13, 10, 12


@dataclass(frozen=True)
class Entry:
    """One recipe of a grid.

    Attributes:
        label: how it is called.
        recipe: as it is trained.
        told: what tells it from the others, {"loss": "CE()"} or {"alpha": 0.1}.
        results: seed -> what `measure` gives.
    """

    label: str
    recipe: Recipe
    told: dict
    results: dict = field(default_factory=dict)

    def folder(self, seed: int) -> str:
        """The name of the folder of a run."""
        return log_name(self.label, seed)


@dataclass(frozen=True)
class Grid:
    """Results of recipes on several seeds; the files of each run are in a folder of its own, in `folder`.

    Attributes:
        title: data set and noise.
        entries: the recipes.
        remarks: what else is to be known.
        backend: that they were trained on.
    """

    folder: pathlib.Path
    title: str
    entries: tuple[Entry, ...]
    remarks: tuple[str, ...] = ()
    backend: str = field(default_factory=keras.backend.backend)

    def rows(self) -> list[dict]:
        """One row a recipe: means and standard deviations over the seeds; accuracies and shares in [0, 1]."""
        return [entry.told | over_seeds(entry.results.values()) for entry in self.entries]

    def table(self, width: int = 80) -> Table:
        """The rows as a table for a terminal of so many columns.

        It has as many numbers as there is place for; all are in table.csv. On a narrow terminal they stand under each
        recipe.
        """
        results = [result for entry in self.entries for result in entry.results.values()]
        seeds, epochs = len(self.entries[0].results), int(results[0]["epochs"])
        wrong = [result["wrong"] for result in results]
        untold = None in wrong or not {"noise", "dataset"}.isdisjoint(self.entries[0].told)
        rate = "" if untold else f": {statistics.fmean(wrong):.1%} of the training labels are wrong"
        caption = f"%, last of {epochs} epochs, mean ± std of {seeds} seed(s), backend {self.backend}"
        table = Table(title=escape(f"{self.title}{rate}"), caption=escape("\n".join((caption, *self.remarks))))
        if width < _NARROW:
            return self._narrow(table, headings(results))
        texts = (
            max(len(name), *(len(str(entry.told[name])) for entry in self.entries)) for name in self.entries[0].told
        )
        rest = width - _SECONDS - sum(min(longest, _TEXT) + 3 for longest in texts)
        known = headings(results)
        shown = [name for name in _SHOWN if name in known][: max(1, rest // _NUMBER)]
        for name in self.entries[0].told:
            table.add_column(name)
        for heading in (heading for name, heading in known.items() if name in shown):
            table.add_column(heading, justify="right")
        table.add_column("seconds\na run", justify="right")
        for entry, row in zip(self.entries, self.rows(), strict=True):
            told = (escape(str(value)) for value in entry.told.values())
            shares = (_share(row, name) for name in known if name in shown)
            table.add_row(*told, *shares, f"{row['seconds']:.1f}")
        return table

    def _narrow(self, table, known):
        table.add_column(" ".join(self.entries[0].told), overflow="fold")
        table.add_column("", justify="right", no_wrap=True)
        for entry, row in zip(self.entries, self.rows(), strict=True):
            table.add_row(f"[bold]{escape(entry.label)}[/bold]", "")
            for name, heading in known.items():
                table.add_row(f" {' '.join(heading.split())}", _share(row, name))
            table.add_row(" seconds a run", f"{row['seconds']:.1f}", end_section=True)
        return table

    def ranked(self) -> "Grid":
        """The recipes by the accuracy on clean labels that is estimated from noisy ones, the best first.

        A remark names those whose interval reaches the best estimate: noisy labels do not tell these apart.
        """
        rows = self.rows()
        if any(row.get(ESTIMATED) is None for row in rows):
            return self
        order = sorted(range(len(rows)), key=lambda place: -rows[place][ESTIMATED])
        first, *others = (rows[place] for place in order)
        near = [row for row in others if row[f"{ESTIMATED}_high"] >= first[ESTIMATED]]
        told = ", ".join(" ".join(str(row[name]) for name in self.entries[0].told) for row in near)
        words = "ranked by the accuracy on clean labels estimated from noisy held-out ones (95% interval)"
        remark = f"{words}; not told apart from the first: {told or 'none'}"
        entries = tuple(self.entries[place] for place in order)
        return replace(self, entries=entries, remarks=(*self.remarks, remark))

    def accuracies(self) -> dict[str, list]:
        """Label -> test accuracy after each epoch, for each seed."""
        return {entry.label: [self._accuracy(entry, seed) for seed in entry.results] for entry in self.entries}

    def save(self) -> None:
        """Writes table.csv, and runs.csv with one line an epoch."""
        write_rows(self.folder / "table.csv", self.rows())
        measured = "held_out_agreement" if self.entries[0].recipe.row.untested else "test_accuracy"
        epochs = [
            entry.told | {"seed": seed, "epoch": number, measured: accuracy}
            for entry in self.entries
            for seed in entry.results
            for number, accuracy in enumerate(self._accuracy(entry, seed), start=1)
        ]
        write_rows(self.folder / "runs.csv", epochs)

    def _accuracy(self, entry, seed):
        history = read_history(self.folder / entry.folder(seed) / "history.csv")
        return [row["val_accuracy"] for row in history]


def train_grid(
    folder,
    entries: list[Entry],
    seeds,
    here: Conditions,
    console: Console | None = None,
    varying=(),
    title: str | None = None,
    remarks: tuple[str, ...] = (),
) -> Grid:
    """Trains recipes on all seeds in one folder, which resumes as `run` does.

    Args:
        entries: the recipes, as `here` prepares them.
        varying: settings in which they differ; the folder keeps to the others.
        title: of the table; None: data set and noise.
        remarks: for the table.
    """
    names = [entry.folder(0) for entry in entries]
    if twice := sorted(name for name in set(names) if names.count(name) > 1):
        refuse("train_grid", "entries", "told apart by letters and numbers of their labels", twice)
    first, seeds = entries[0].recipe, list(seeds)
    shared = {name: value for name, value in here.settings(first).items() if name not in varying}
    jobs = [
        here.job(entry.recipe, entry.folder(seed), f"{entry.label} seed {seed}", seed)
        for entry in entries
        for seed in seeds
    ]
    results = iter(train_all(folder, shared, jobs, console))
    for entry in entries:
        entry.results.update((seed, next(results)) for seed in seeds)
    remarks = (*remarks, *_judged_alike(pathlib.Path(folder), entries))
    data = f"{first.row.name}, {first.noise or ('labels as given' if first.wrong_as_given else 'clean labels')}"
    return Grid(pathlib.Path(folder), title or data, tuple(entries), remarks)


def _judged_alike(folder, entries):
    """Has the accuracies that are told from noisy labels of an unknown noise follow from one T; the words on them."""
    runs = {name: (entry, seed) for entry in entries for seed in entry.results if (name := entry.folder(seed))}
    told = {entry.results[seed].get(WORDS) for entry, seed in runs.values()} - {None}
    judged = {name: Judged.load(folder / name) for name in runs}
    if not told or None in judged.values() or all(one.known for one in judged.values()):
        return sorted(told)
    found, words = with_one_transition(judged)
    for name, (entry, seed) in runs.items():
        entry.results[seed] |= found[name]
    return [words]


def _share(row, name):
    mean = row.get(name)
    if mean is None:
        return "-"
    if name == ESTIMATED:
        return f"{100 * mean:.1f}\n{100 * row[f'{name}_low']:.1f} to {100 * row[f'{name}_high']:.1f}"
    return f"{100 * mean:.1f} ± {100 * row[f'{name}_std']:.1f}"
