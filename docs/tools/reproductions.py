"""Writes the page of all recipes: python docs/tools/reproductions.py [docs/reference/reproductions.md]."""

import pathlib
import re
import sys

from keras_robust.measures import HEADINGS
from keras_robust.recipes import PAPERS, RECIPES, Recipe
from keras_robust.recipes.obtained import OBTAINED, RUNS
from keras_robust.recipes.table import BY_NAME

INTRODUCTION = """# Reproductions

The papers' settings as this package has them: `keras_robust.recipes`, {count} recipes. A recipe is found by its fields,
`recipes.find(paper="anl", dataset="cifar10")`, or by its name, `recipes.get("anl/cifar10/symmetric:0.4/anl-ce")`:
paper, data set, noise and loss, as in the tables below ("clean" or "real" where no noise is drawn), and a fifth part
where these do not tell rows apart.

Every number that the papers print of a training stands in a recipe: {cells} cells, in {verified} recipes. A cell below
is the first test accuracy that is printed, in percent, then what is printed besides of other test images, and the
success rate of a backdoor. A dash is a
recipe whose accuracy no paper prints. Numbers in bold are our own runs.

Weight decay is PyTorch's coupled one, over all weights. "exact noise" flips floor(n_i T_ij) labels of class i to j.
"Contested" is what other sources say, and where a row leaves the code that it follows. {refused} recipes cannot be run,
each for the reason that stands below its table.

This page is generated: `python docs/tools/reproductions.py`.
"""
OWN = """Test accuracy, %: after the last epoch; the mean of the last ten; the best, which none could have picked
without the test labels; a dash where only the first was kept. Then the shares of the wrong training labels where the
model says the wrong label, and the clean one; and how well low mean margins find the wrong labels. "quick" is a tenth
of the images for a quarter of the epochs: it shows who memorizes, and compares with no paper.
"""
_MEASURED = {name: " ".join(heading.split()) for name, heading in HEADINGS.items() if name != "precision"}
_NUMBER = re.compile(r"\b\d+(?:\.\d+)?(?:e-\d+)?\b")
_ACCURACY = re.compile(r"accuracy: ([\d.]+(?: ± [\d.]+)?) in ([^,]+)")
# In the order in which they are told; the rest of a recipe is in the tables or says nothing to a reader.
_TOLD = {
    "network": "{}",
    "pretrained": "from weights of {}",
    "initializer": "kernels {}",
    "optimizer": "{}",
    "epochs": "{} epochs",
    "batch_size": "batches of {}",
    "learning_rate": "learning rate {:g}",
    "schedule": "{}",
    "end_rate": "down to {:g}",
    "decay": "times {:g}",
    "boundaries": "at epochs {}",
    "momentum": "momentum {:g}",
    "nesterov": "Nesterov",
    "weight_decay": "weight decay {:g}",
    "clip_norm": "gradient norm at most {:g}",
    "l1": "L1 {:g}",
    "augmentation": "augmentation {}",
    "exact_noise": "exact noise",
    "moving": "`{}`",
}


def page(recipes: tuple[Recipe, ...] = RECIPES) -> str:
    """The page as Markdown.

    Example:

    >>> print(page().partition(".")[0].splitlines()[0])
    # Reproductions
    """
    counts = {
        "count": len(recipes),
        "cells": sum(len(recipe.printed) for recipe in recipes),
        "verified": sum(bool(recipe.printed) for recipe in recipes),
        "refused": sum(not recipe.runnable for recipe in recipes),
    }
    parts = [INTRODUCTION.format(**counts), *_own(RUNS)]
    sections = {}
    for recipe in recipes:
        sections.setdefault(recipe.paper, {}).setdefault(recipe.dataset, []).append(recipe)
    for paper, datasets in sections.items():
        parts.append(f"## {paper}\n\n{PAPERS[paper]}.\n")
        parts += [_section(dataset, rows) for dataset, rows in datasets.items()]
    return "\n".join(parts)


def main(arguments: list[str]) -> None:
    """Writes the page."""
    path = pathlib.Path(arguments[0] if arguments else "docs/reference/reproductions.md")
    path.write_text(page(), encoding="utf-8")
    print(f"Written: {path}")


def _own(runs):
    """The section of our own runs, a table for each scale and machine."""
    if not runs:
        return []
    lines = ["## Our own runs", "", OWN]
    for scale, setup in dict.fromkeys((run.scale, run.setup) for run in runs):
        lines += [f"Scale {scale}: {setup}.", "", _line(["recipe", "seeds", "paper", *_MEASURED.values()])]
        lines += [_line(["---"] * 2 + ["---:"] * (1 + len(_MEASURED)))]
        for run in (run for run in runs if (run.scale, run.setup) == (scale, setup)):
            paper = (run.scale == "full" and BY_NAME[run.recipe].expected) or "-"
            cells = (run.cell(name) or "-" for name in _MEASURED)
            lines.append(_line([run.recipe, ", ".join(map(str, run.seeds)), *map(str, (paper, *cells))]))
        lines.append("")
    return ["\n".join(lines)]


def _section(dataset, recipes):
    lines = [f"### {recipes[0].paper} / {dataset}", ""]
    shared = _shared(recipes)
    if told := _settings(recipes[-1], shared):
        lines += [f"All rows: {told}.", ""]
    for noises, rows in _blocks(recipes):
        lines += _table(noises, rows, _TOLD.keys() - shared)
    lines += _listed("Not to be run as they are", _by_label(recipes, lambda recipe: map(_in_short, recipe.obstacles)))
    lines += _listed("Sources", _by_label(recipes, lambda recipe: [recipe.source]))
    lines += _listed("Contested", _by_label(recipes, lambda recipe: recipe.contested))
    return "\n".join(lines)


def _blocks(recipes):
    """Losses that stand in one table: those with the same settings at the same noises of one kind."""
    rows = {}
    for recipe in recipes:
        settings = (getattr(recipe, name) for name in _TOLD if name != "exact_noise")
        written = _NUMBER.sub("", f"{recipe.loss} {recipe.algorithm}")
        key = (_kind(recipe), recipe.label, recipe.variant, written, *settings)
        rows.setdefault(key, {})[_noise(recipe)] = recipe
    blocks = {}
    for row in rows.values():
        first = next(iter(row.values()))
        key = (first.network, first.epochs, first.schedule, first.optimizer)
        blocks.setdefault((tuple(row), key), []).append(row)
    return [(noises, block) for (noises, _), block in blocks.items()]


def _noise(recipe):
    return recipe.name.split("/")[2]


def _kind(recipe):
    return re.split("[:+.]", _noise(recipe).replace("clean", "symmetric"))[0]


def _table(noises, rows, untold):
    lasts = [list(row.values())[-1] for row in rows]
    here = _shared(lasts) & untold
    told = _settings(lasts[0], here)
    lines = [f"With {told}:", ""] if told else []
    names = [{"clean": "clean labels", "real": "accuracy"}.get(noise, noise) for noise in noises]
    lines += [_line(["loss", *names, "written as"]), _line(["---", *("---:" for _ in noises), "---"])]
    for row, last in zip(rows, lasts, strict=True):
        texts = [_written([recipe.loss for recipe in row.values()]), _written([one.algorithm for one in row.values()])]
        written = "; ".join(filter(None, (*texts, _settings(last, untold - here))))
        label = f"{last.label} ({last.variant})" if last.variant else last.label
        lines.append(_line([label, *(_cell(recipe) for recipe in row.values()), written or "-"]))
    return [*lines, ""]


def _written(texts):
    """A text, or several that differ in numbers: once, with the numbers column by column."""
    if texts[0] is None:
        return ""
    pieces = list(zip(*map(_NUMBER.split, texts), strict=True))
    numbers = list(zip(*map(_NUMBER.findall, texts), strict=True))
    moving = [", ".join(column) for column in numbers if len(set(column)) > 1]
    shown = (column[0] if len(set(column)) == 1 else "…" for column in [*numbers, ("",)])
    text = "".join(piece[0] + number for piece, number in zip(pieces, shown, strict=True))
    return f"`{text}`" + "".join(f", column by column {column}" for column in moving)


def _shared(recipes):
    """Names of the settings in which recipes do not differ; clean labels have no say in how noise is drawn."""
    noisy = [recipe for recipe in recipes if recipe.noise] or recipes
    return {
        name for name in _TOLD if len({getattr(r, name) for r in (noisy if name == "exact_noise" else recipes)}) == 1
    }


def _cell(recipe):
    """The accuracy that is expected, those of other test images, and our own."""
    told, seen = [], set()
    for cell in recipe.printed:
        kind = cell.metric.partition(" accuracy")[0].removeprefix("final ")
        if cell.of_test and cell.value is not None and (cell.evaluated_on, kind) not in seen:
            where = "" if cell.evaluated_on == recipe.dataset else f" on {cell.evaluated_on}"
            told.append(f"{cell}{where}{' (top-5)' if 'top-5' in kind else ''}")
            seen.add((cell.evaluated_on, kind))
    if recipe.expected_attack:
        told.append(f"attack {recipe.expected_attack}")
    own = OBTAINED.get(recipe.name)
    return ", ".join(told or ["-"]) + (f" **{own}**" if own else "")


def _settings(recipe, names):
    told = []
    for name in (name for name in _TOLD if name in names):
        value = getattr(recipe, name)
        if isinstance(value, tuple):
            value = ", ".join(map(str, value))
        if value not in (None, "", False, "sgd") and not (name in ("end_rate", "l1") and value == 0):
            told.append(_TOLD[name].format(value))
    return ", ".join(told)


def _by_label(recipes, notes):
    """Each note once, with the losses that it is about if it is not about all; accuracies, by where they are from."""
    labels = {recipe.label for recipe in recipes}
    about, accuracies = {}, {}
    for recipe in recipes:
        place = f"{recipe.label} at {_noise(recipe)}"
        for note in notes(recipe):
            if found := _ACCURACY.fullmatch(note):
                accuracies.setdefault(found[2], []).append(f"{place} {found[1]}")
            else:
                about.setdefault(note, {})[place if note.startswith("accuracy:") else recipe.label] = None
    told = [note if labels <= about[note].keys() else f"{', '.join(about[note])}: {note}" for note in about]
    return told + [f"accuracies in {where}: {', '.join(cells)}" for where, cells in accuracies.items()]


def _in_short(obstacle):
    """An obstacle without the value of the setting, which is in the table."""
    return re.sub("^(\\w+)=.*: ", r"\1: ", obstacle)


def _listed(title, items):
    return [f"{title}:", "", *(f"- {item}" for item in items), ""] if items else []


def _line(cells):
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main(sys.argv[1:])
