"""The page of all recipes: python -m keras_robust.recipes.document [docs/reproductions.md]."""

import pathlib
import sys

from keras_robust.noise.grammar import parse
from keras_robust.recipes.grid import UNVERIFIED
from keras_robust.recipes.obtained import OBTAINED, RUNS
from keras_robust.recipes.schema import PAPERS, Recipe
from keras_robust.recipes.table import BY_NAME, RECIPES

INTRODUCTION = """# Reproductions

The papers' settings as this package has them: `keras_robust.recipes`, {count} recipes. A recipe is found by its fields,
`recipes.find(paper="anl", dataset="cifar10")`, or by its name, `recipes.get("anl/cifar10/symmetric:0.4/anl-ce")`:
paper, data set, noise and loss, as in the tables below ("clean" or "real" where no noise is drawn).

Cells are test accuracies of the last epoch in percent, as the papers or their authors printed them, read in the source
that is named. {verified} recipes have one. A dash is a recipe whose printed accuracy could not be verified here:
nothing is quoted from memory. {obtained}

Weight decay is PyTorch's coupled one, over all weights. "exact noise" flips floor(n_i T_ij) labels of class i to j.
"Contested" is what other sources say, and where a row leaves the code that it follows.

This page is generated: `python -m keras_robust.recipes.document`.
"""
OWN = """Test accuracy, %: after the last epoch, as the papers print it; the mean of the last ten; the best, which none
could have picked without the test labels. Then the shares of the wrong training labels where the model says the wrong
label, and the clean one; and how well low mean margins find the wrong labels. "quick" is a tenth of the images for a
quarter of the epochs: it shows who memorizes, and compares with no paper.
"""
_MEASURED = {
    "last": "last epoch",
    "mean_of_last_ten": "mean of last ten",
    "best": "best",
    "memorized": "memorized",
    "corrected": "seen through",
    "auroc": "AUROC of suspects",
}
# In the order in which they are told; the rest of a recipe is in the tables or says nothing to a reader.
_TOLD = {
    "network": "{}",
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
        "verified": sum(recipe.verified for recipe in recipes),
        "obtained": "Numbers in bold are our own runs." if OBTAINED else "No run of our own is recorded yet.",
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
    path = pathlib.Path(arguments[0] if arguments else "docs/reproductions.md")
    path.write_text(page(), encoding="utf-8")
    print(f"Written: {path}")


def _own(runs):
    """The section of our own runs, a table for each scale."""
    if not runs:
        return []
    lines = ["## Our own runs", "", OWN]
    for scale in dict.fromkeys(run.scale for run in runs):
        lines += [f"Scale {scale}:", "", _line(["recipe", "seeds", "paper", *_MEASURED.values()])]
        lines += [_line(["---"] * 2 + ["---:"] * (1 + len(_MEASURED)))]
        here = [run for run in runs if run.scale == scale]
        for run in here:
            paper = (run.scale == "full" and BY_NAME[run.recipe].expected) or "-"
            cells = (run.cell(name) for name in _MEASURED)
            lines.append(_line([run.recipe, ", ".join(map(str, run.seeds)), *map(str, (paper, *cells))]))
        lines += ["", *_listed("Made with", _distinct(run.setup for run in here))]
    return ["\n".join(lines)]


def _section(dataset, recipes):
    lines = [f"### {recipes[0].paper} / {dataset}", ""]
    shared = _shared(recipes)
    if told := _settings(recipes[-1], shared):
        lines += [f"All rows: {told}.", ""]
    for noises, rows in _blocks(recipes):
        lines += _table(noises, rows, _TOLD.keys() - shared)
    if missing := sorted({name for recipe in recipes for name in recipe.missing}):
        lines += [f"Missing, so that these rows cannot be run as they are: {', '.join(missing)}.", ""]
    lines += _listed("Sources", _distinct(recipe.source.removesuffix(f"; {UNVERIFIED}") for recipe in recipes))
    lines += _listed("Tables", _distinct(_origin(recipe) for recipe in recipes if recipe.verified))
    lines += _listed("Contested", _contested(recipes))
    return "\n".join(lines)


def _blocks(recipes):
    """Losses that stand in one table: those with the same settings at the same noises of one kind."""
    rows = {}
    for recipe in recipes:
        key = (
            _kind(recipe.noise),
            recipe.label,
            recipe.loss,
            *(getattr(recipe, name) for name in _TOLD if name != "exact_noise"),
        )
        rows.setdefault(key, {})[recipe.noise] = recipe
    blocks = {}
    for row in rows.values():
        blocks.setdefault(tuple(row), []).append(row)
    return blocks.items()


def _kind(noise):
    return parse(noise).kind if noise else "symmetric"


def _table(noises, rows, untold):
    lasts = [list(row.values())[-1] for row in rows]
    here = _shared(lasts) & untold
    told = _settings(lasts[0], here)
    lines = [f"With {told}:", ""] if told else []
    names = [noise or ("clean labels" if len(noises) > 1 else "accuracy") for noise in noises]
    lines += [_line(["loss", *names, "written as"]), _line(["---", *("---:" for _ in noises), "---"])]
    for row, last in zip(rows, lasts, strict=True):
        besides = _settings(last, untold - here)
        written = f"`{last.loss}`" + (f"; {besides}" if besides else "")
        lines.append(_line([last.label, *(_cell(recipe) for recipe in row.values()), written]))
    return [*lines, ""]


def _shared(recipes):
    """Names of the settings in which recipes do not differ; clean labels have no say in how noise is drawn."""
    noisy = [recipe for recipe in recipes if recipe.noise] or recipes
    return {
        name for name in _TOLD if len({getattr(r, name) for r in (noisy if name == "exact_noise" else recipes)}) == 1
    }


def _cell(recipe):
    printed = str(recipe.expected) if recipe.verified else "-"
    own = OBTAINED.get(recipe.name)
    return f"{printed} **{own}**" if own else printed


def _settings(recipe, names):
    told = []
    for name in (name for name in _TOLD if name in names):
        value = getattr(recipe, name)
        if isinstance(value, tuple):
            value = ", ".join(map(str, value))
        if value not in (None, "", False) and not (name in ("end_rate", "l1") and value == 0):
            told.append(_TOLD[name].format(value))
    return ", ".join(told)


def _origin(recipe):
    runs = "" if recipe.expected.runs is None else f"; runs: {recipe.expected.runs}"
    return f"{recipe.table} ({recipe.expected.source}{runs})"


def _contested(recipes):
    """Each note once, with the losses that it is about if it is not about all."""
    labels = {recipe.label for recipe in recipes}
    about = {}
    for recipe in recipes:
        for note in recipe.contested:
            about.setdefault(note, {})[recipe.label] = None
    return [note if about[note].keys() == labels else f"{', '.join(about[note])}: {note}" for note in about]


def _listed(title, items):
    return [f"{title}:", "", *(f"- {item}" for item in items), ""] if items else []


def _distinct(items):
    return list(dict.fromkeys(items))


def _line(cells):
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main(sys.argv[1:])
