"""A recipe with several values of its settings, or of its loss's hyper-parameters: every combination is trained."""

import itertools
import pathlib

import numpy as np
from rich.console import Console

from keras_robust import expressions
from keras_robust.checks import refuse
from keras_robust.diagnostics import plots
from keras_robust.files import whole
from keras_robust.losses.reading import LOSSES
from keras_robust.recipes.find import get
from keras_robust.recipes.grid import Entry, Grid, train_grid
from keras_robust.recipes.moving import CALLBACKS, SCHEDULES
from keras_robust.recipes.planning import Conditions, checked_seeds, default_folder
from keras_robust.recipes.schema import FIELDS, Recipe

# What says which recipe it is, and how its results are read.
_NO_SETTINGS = ("paper", "label", "source", "variant", "seed", "printed", "missing", "contested")


def sweep(
    recipe: str | Recipe,
    seeds=None,
    data_dir=None,
    scale: str = "full",
    folder=None,
    changes: dict | None = None,
    console: Console | None = None,
    pipeline: str | None = None,
    pretrained=None,
    **values,
) -> Grid:
    """Trains a recipe with every combination of the values, once for each seed.

    Each run has a folder of its own in `folder`, as those of `run` have; `folder` has table.csv, runs.csv (one line an
    epoch) and heatmap.png, the test accuracy after the last epoch, or that on held-out images where the recipe has
    some. What was stopped resumes when it is called again, and runs that are done are read: values and seeds may be
    added later. The best of many accuracies on test images is too good: to choose a value, hold images out with
    changes={"validation": 0.1, "validation_labels": "noisy"}.

    Args:
        recipe, seeds, data_dir, scale, changes, console, pipeline, pretrained: as in `run`.
        folder: where results go; None: runs/ and the name of the recipe, the scale and what is swept.
        values: lists of values by name, of a setting (learning_rate), of an argument of the loss (alpha), or of what
            moves it (q_start).

    Raises:
        ValueError: for a name that neither has, values that do not fit or come twice; and as `run`.
        FileExistsError: if the folder holds something else.
        TimeoutError: if another process is running in the folder.

    Example:

    >>> name, options = "anl/mnist/symmetric:0.8/anl-ce", {"scale": "smoke", "console": Console(quiet=True)}
    >>> grid = keras_robust.recipes.sweep(name, folder=tmp_path / "sweep", beta=[1, 5], **options)
    >>> [row["beta"] for row in grid.rows()]
    [1, 5]
    """
    recipe = get(recipe) if isinstance(recipe, str) else recipe
    if not values:
        refuse("sweep", "values", "at least one list of values, by name", values)
    for name, several in values.items():
        repeated = isinstance(several, list | tuple) and any(several.count(value) > 1 for value in several)
        if not isinstance(several, list | tuple) or not several or repeated:
            refuse("sweep", name, "a list of values, none of them twice", several)
    changed = recipe.changed(**changes or {})
    here, entries = Conditions(scale, data_dir, pipeline, pretrained), []
    seeds = checked_seeds("sweep", recipe, seeds)
    for combination in itertools.product(*values.values()):
        told = dict(zip(values, combination, strict=True))
        planned = changed
        for name, value in told.items():
            planned = _with(planned, name, value)
        label = ", ".join(f"{name}={value}" for name, value in told.items())
        entries.append(Entry(label, here.prepared("sweep", planned), told))
    folder = pathlib.Path(folder or f"{default_folder(recipe, scale)}-sweep-{'-'.join(values)}")
    grid = train_grid(
        folder,
        entries,
        seeds,
        here,
        console,
        varying=("recipe", "loss", "moving", "boundaries", "decay", *values),
        title=changed.name,
        remarks=here.remarks(recipe, changed, entries[0].recipe),
    )
    grid.save()
    with whole(folder / "heatmap.png") as draft:
        _heat_map(grid, values).savefig(draft)
    return grid


def _with(recipe, name, value):
    """The recipe with another value of a setting, or of an argument of its loss or of what moves it."""
    if name in FIELDS and name not in _NO_SETTINGS:
        return recipe.changed(**{name: value})
    if any(name in getattr(one, "schedules", ()) for one in recipe.callbacks()):
        refuse("sweep", name, f"something that stays during training; {recipe.moving} moves it", value)
    reasons = []
    for field, known in (("loss", LOSSES), ("moving", CALLBACKS | SCHEDULES)):
        text = getattr(recipe, field)
        try:
            if text is not None:
                return recipe.changed(**{field: expressions.replaced(text, name, value, known)})
        except expressions.ExpressionError as error:
            reasons.append(str(error))
    settings = ", ".join(field for field in FIELDS if field not in _NO_SETTINGS)
    refuse("sweep", name, f"an argument of the loss or one of {settings} ({'; '.join(reasons)})", value)


def _heat_map(grid, values):
    """The accuracies, the last name from left to right, combinations of the others from top to bottom."""
    *others, last = values
    rows = [", ".join(f"{n}={v}" for n, v in zip(others, row, strict=True)) for row in _combinations(values, others)]
    measured, label = [row["last"] for row in grid.rows()], {}
    if None not in (held_out := [row.get("validation") for row in grid.rows()]):
        measured, label = held_out, {"label": "accuracy on held-out images (%)"}
    accuracies = np.array(measured).reshape(len(rows), len(values[last]))
    ax = plots.heat_map(accuracies, rows, [str(value) for value in values[last]], title=grid.title, **label)
    ax.set_xlabel(last)
    return ax.figure


def _combinations(values, names):
    return itertools.product(*(values[name] for name in names))
