"""What a report says of several runs side by side: of the losses of a comparison, and of the seeds of a recipe."""

import pathlib
import re
from dataclasses import dataclass

import numpy as np

from keras_robust.diagnostics.pages import Html, element
from keras_robust.diagnostics.report import figures
from keras_robust.diagnostics.report.figures import percent
from keras_robust.diagnostics.report.sections import anchor, parts, result_of, state
from keras_robust.diagnostics.runs import LoggedRun, log_names, open_run
from keras_robust.measures import ESTIMATED, headings, over_seeds

_SEED = re.compile(r"-?seed-?[0-9]+$")


@dataclass(frozen=True)
class Group:
    """Runs that differ by their seed alone.

    Attributes:
        label: what they are called.
        runs: seed by seed.
        results: what was measured on each.
    """

    label: str
    runs: list[LoggedRun]
    results: list[dict]

    def row(self) -> dict:
        """Means and standard deviations over the seeds."""
        return over_seeds(self.results)


def groups_of(folder: pathlib.Path) -> list[Group]:
    """The runs of a folder that holds several, those of one loss together, the best first.

    Best is the accuracy on clean labels that is estimated from noisy ones where all have it, else that on clean test
    labels after the last epoch.
    """
    runs = {name: open_run(folder, name) for name in log_names(folder)}
    stems = {}
    for name, run in runs.items():
        stems.setdefault(_SEED.sub("", name), []).append(run)
    labels = [str(first.label or stem) for stem, (first, *_) in stems.items()]
    if len(set(labels)) < len(labels):
        labels = list(stems)
    groups = [
        Group(label or "all runs", found, [result_of(run) for run in found])
        for label, found in zip(labels, stems.values(), strict=True)
    ]
    rows = {group.label: group.row() for group in groups}
    first = ESTIMATED if all(row.get(ESTIMATED) is not None for row in rows.values()) else "last"
    return sorted(groups, key=lambda group: -(rows[group.label].get(first) or 0.0))


def waiting(folder: pathlib.Path) -> list[str]:
    """Runs that have begun and logged no epoch yet."""
    begun = {path.parent.name for path in folder.glob("*/settings.json")}
    return sorted(begun - set(log_names(folder)))


def summary(groups: list[Group]) -> Html:
    """The table: a row a loss, mean and standard deviation over its seeds."""
    results = [result for group in groups for result in group.results]
    names = [name for name in headings(results) if any(result.get(name) is not None for result in results)]
    titles = {name: " ".join(headings(results)[name].split()) for name in names}
    # What is shown as blocks on a phone is still a table for those who hear it.
    head = [element("th", title, scope="col", role="columnheader") for title in ("", "seeds", *titles.values())]
    rows = []
    for group in groups:
        row = group.row()
        cells = [element("th", group.label, scope="row", role="rowheader"), _cell("seeds", len(group.runs))]
        cells += [_cell(titles[name], _mean(row, name)) for name in names]
        rows.append(element("tr", *cells, role="row"))
    head = element("thead", element("tr", *head, role="row"), role="rowgroup")
    table = element("table", head, element("tbody", *rows, role="rowgroup"), class_="summary", role="table")
    return element("div", table, class_="wide", role="region", aria_label="Measures", tabindex=0)


def _cell(title, value):
    return element("td", value, data_label=title, role="cell")


def _mean(row, name):
    if row.get(name) is None:
        return "-"
    if name == ESTIMATED:
        low, high = (percent(row[f"{name}_{side}"]) for side in ("low", "high"))
        return f"{percent(row[name])} ({low} to {high})"
    return f"{100 * row[name]:.1f} ± {100 * row[f'{name}_std']:.1f}%"


def curves(groups: list[Group]) -> Html:
    """Test accuracy and memorized labels by epoch; of seeds that differ in it, the epochs that all have."""
    known = {group.label: [run.accuracy for run in group.runs if run.accuracy is not None] for group in groups}
    known = {label: [found[: min(map(len, runs))] for found in runs] for label, runs in known.items() if runs}
    pictures = [figures.accuracy(known).html()] if known else []
    memorized = {group.label: _memorized(group.runs) for group in groups}
    if memorized := {label: found for label, found in memorized.items() if found}:
        pictures.append(figures.memorized(memorized).html())
    if not pictures:
        return element("p", "Neither a test accuracy nor clean labels are known.", class_="note")
    return element("div", *pictures, class_="plots")


def _memorized(runs):
    """Logged epochs, counted from 1, and the mean share of memorized labels; None where nobody knows of them."""
    if any(run.log.clean is None or not run.log.wrong.any() for run in runs):
        return None
    epochs = min((run.log.epochs for run in runs), key=len)
    shares = np.mean([run.log.memorized()[: len(epochs)] for run in runs], axis=0)
    return np.array(epochs) + 1, shares


def each(groups: list[Group], given: dict, n: int) -> Html:
    """All runs by themselves, to be opened."""
    shown = []
    for group in groups:
        for run, result in zip(group.runs, group.results, strict=True):
            seed = run.settings.get("seed")
            name = run.name if seed is None else f"{group.label}, seed {seed}"
            last = None if result.get("last") is None else f"{percent(result['last'])} after the last epoch"
            facts = ", ".join(filter(None, (state(run), last)))
            title = element("summary", element("h3", name), element("span", facts, class_="facts"))
            inside = parts(run, given, n, 4, f"{anchor(run.name, '')}-")
            shown.append(element("details", title, inside))
    return Html("".join(shown))
