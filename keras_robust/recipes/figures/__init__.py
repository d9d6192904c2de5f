"""The papers' figures that show training, from runs that are there or from runs that are made for them."""

import pathlib
import textwrap

from rich.console import Console

from keras_robust.checks import refuse
from keras_robust.diagnostics.figures import FIGURES
from keras_robust.recipes.figures.curves import Curve, Plan, plan, planned
from keras_robust.recipes.figures.drawings import DRAWINGS
from keras_robust.recipes.figures.fitting import NAMED, NAMES, differences, fitted
from keras_robust.recipes.grid import Entry, train_grid
from keras_robust.recipes.planning import Conditions, checked_seeds
from keras_robust.recipes.schema import FIELDS

FROM_RUNS = tuple(planned())
"""Names of the figures that are drawn from runs."""


def draw_figure(name: str, runs):
    """Draws a paper's figure from the folders of runs, and returns it to be saved.

    A run is drawn as the curve with whose recipe it agrees in the settings that tell the figure's curves apart: loss,
    penalty, schedule. It may be on other data, of fewer epochs or another network; the figure then says so. Curves
    without a run are left out, which it says too. Several runs of one curve are seeds.

    Args:
        name: a name of `FROM_RUNS`.
        runs: folders of runs, or of several runs each, as `recipes.run`, `recipes.sweep` and `compare` leave them.

    Raises:
        ValueError: for an unknown figure, or one that cannot be drawn; for a folder without any run that fits, with the
            recipes that do.
        FileNotFoundError: for a folder without runs.

    Example:

    >>> name, quiet = "anl/mnist/symmetric:0.8/ce", Console(quiet=True)
    >>> report = keras_robust.recipes.run(name, scale="smoke", folder=tmp_path / "run", console=quiet)
    >>> figure = keras_robust.recipes.figures.draw_figure("dal/4", [report.folder])
    >>> figure.axes[0].get_title().splitlines()
    ['mnist, symmetric:0.8', 'CE']
    """
    return _drawn(_plan(name), runs)


def train_figure(
    name: str,
    scale: str = "full",
    seeds=None,
    data_dir=None,
    folder=None,
    changes: dict | None = None,
    console: Console | None = None,
    pipeline: str | None = None,
):
    """Trains the runs of a paper's figure, all that can be run, and draws it.

    What was stopped resumes when it is called again, and runs that are done are read. The folder of each run is one of
    `recipes.run`.

    Args:
        name: a name of `FROM_RUNS`.
        scale, seeds, data_dir, console, pipeline: as in `recipes.run`.
        folder: of all runs; None: runs/figure- and the name and the scale.
        changes: settings of all recipes to be replaced: {"dataset": "digits", "network": "cnn2", "augmentation": None,
            "epochs": 20} makes a figure of the digits.

    Raises:
        ValueError: for an unknown figure, one that cannot be drawn, or one none of whose recipes can be run.
        FileExistsError: if the folder holds other runs.

    Example:

    >>> options = {"folder": tmp_path / "runs", "console": Console(quiet=True)}
    >>> changes = {"dataset": "digits", "network": "cnn2", "augmentation": None}
    >>> figure = keras_robust.recipes.figures.train_figure("curriculum/1", "smoke", changes=changes, **options)
    >>> [len(ax.lines) for ax in figure.axes]
    [2, 2]
    """
    wanted, here = _plan(name, changes), Conditions(scale, data_dir, pipeline)
    recipes, refused = {}, []
    for curve in wanted.curves:
        try:
            recipe = here.prepared("figure", curve.recipe)
        except ValueError as error:
            refused.append(error)
            continue
        key = tuple((field, str(getattr(recipe, field))) for field in FIELDS if field not in NAMES)
        recipes.setdefault(key, (" ".join((recipe.name.partition("/")[2], curve.panel, curve.label)), recipe))
    if not recipes:
        raise refused[0]
    labels = [label for label, _ in recipes.values()]
    entries = [
        Entry(label if labels.count(label) < 2 else f"{label} {place}", recipe, {"curve": label})
        for place, (label, recipe) in enumerate(recipes.values())
    ]
    first = entries[0].recipe
    varying = [name for name in FIELDS if any(getattr(e.recipe, name) != getattr(first, name) for e in entries)]
    folder = pathlib.Path(folder or f"runs/figure-{name.replace('/', '-')}-{scale}")
    seeds = checked_seeds("figure", first, seeds)
    train_grid(folder, entries, seeds, here, console, varying=("recipe", *varying), title=name)
    return _drawn(wanted, [folder])


def figure_listing() -> str:
    """All figures in lines: the name, whether it is drawn, drawn from runs, or not drawn, and the caption.

    Example:

    >>> print(keras_robust.recipes.figures.figure_listing().splitlines()[1])
    anl/2                  from 10 runs  accuracy on test data, on right and on wrong training labels, of five losses
    """
    return "\n".join(f"{name:<22} {_state(name):<13} {known.caption}" for name, known in FIGURES.items())


def how_to_draw(name: str) -> str:
    """How a figure of training is drawn from the command line, or why it is not.

    Example:

    >>> print(how_to_draw("dal/4"))
    dal/4 is drawn from runs: --runs FOLDER ..., or --scale full, quick or smoke to train them: dal/cifar100/...
    """
    wanted = plan(name)
    if wanted.reason:
        return f"{name} is not drawn: {wanted.reason}."
    named = f"{'; '.join(map(str, wanted.curves[:NAMED]))}{'; ...' if len(wanted.curves) > NAMED else ''}"
    return f"{name} is drawn from runs: --runs FOLDER ..., or --scale full, quick or smoke to train them: {named}."


# Characters of the small print in an inch of a figure.
_SMALL = 15


def _state(name):
    if name not in FROM_RUNS:
        return "drawn"
    wanted = plan(name)
    return "not drawn" if wanted.reason else f"from {len(wanted.curves)} runs"


def _plan(name, changes=None):
    if name in FIGURES and name not in FROM_RUNS:
        refuse("figure", "runs", f"left out: {name} needs none, `diagnostics.figures.figure` draws it", name)
    wanted = plan(name, changes)
    if wanted.reason:
        raise ValueError(how_to_draw(name))
    return wanted


def _drawn(wanted, runs):
    found = fitted(wanted, runs)
    panels = {", ".join(filter(None, panel)): curves for panel, curves in found.items()}
    figure = DRAWINGS[wanted.drawing](panels)
    drawn = {id(curve) for curves in found.values() for curve, _ in curves}
    lacking = [curve for curve in wanted.curves if id(curve) not in drawn]
    told = [f"{FIGURES[wanted.name].reference}: {FIGURES[wanted.name].caption}"]
    if other := differences(found):
        told.append(f"not the paper's: {'; '.join(other)}")
    if lacking:
        names = ", ".join(dict.fromkeys(" ".join(filter(None, (curve.panel, curve.label))) for curve in lacking))
        told.append(f"without {len(lacking)} of {len(wanted.curves)} curves: {textwrap.shorten(names, 90)}")
    if wanted.note:
        told.append(wanted.note)
    width = int(_SMALL * figure.get_size_inches()[0])
    figure.suptitle("\n".join(line for one in told for line in textwrap.wrap(one, width)), fontsize="small")
    return figure


__all__ = ["FROM_RUNS", "Curve", "Plan", "draw_figure", "figure_listing", "how_to_draw", "plan", "train_figure"]
