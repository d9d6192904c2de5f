"""Running a recipe: training that resumes where it stopped, and a table beside the paper's."""

import pathlib

from rich.console import Console

from keras_robust.recipes.find import get
from keras_robust.recipes.planning import Conditions, checked_seeds, default_folder
from keras_robust.recipes.report import Report
from keras_robust.recipes.schema import Recipe
from keras_robust.training import train_all


def run(
    recipe: str | Recipe,
    seeds=None,
    data_dir=None,
    scale: str = "full",
    folder=None,
    changes: dict | None = None,
    console: Console | None = None,
    pipeline: str | None = None,
    pretrained=None,
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
        pipeline: "tf.data" or "device", as `data.load` takes it; the digits take "device" by themselves.
        pretrained: file of weights that training starts from, as `models.load_pretrained` reads it: all layers but the
            classifier. Recipes that start from weights need one, apart from a rehearsal.

    Raises:
        ValueError: for an unknown recipe or scale, a recipe that lacks settings or asks for what is not there yet, or
            weights that do not fit.
        TypeError: for an unknown setting.
        FileExistsError: if the folder holds another run.
        TimeoutError: if another process is running in the folder.
        FileNotFoundError, ImportError: where the data, or what reads them, is missing.

    Example:

    >>> name, quiet = "anl/mnist/symmetric:0.8/anl-ce", Console(quiet=True)
    >>> report = keras_robust.recipes.run(name, scale="smoke", folder=tmp_path / "run", console=quiet)
    >>> sorted(report.results[1])[:4]
    ['attack', 'auroc', 'best', 'chosen']
    """
    recipe = get(recipe) if isinstance(recipe, str) else recipe
    changed = recipe.changed(**changes or {})
    here = Conditions(scale, data_dir, pipeline, pretrained)
    planned, seeds = here.prepared("run", changed), checked_seeds("run", recipe, seeds)
    folder = pathlib.Path(folder or default_folder(recipe, scale))
    jobs = [here.job(planned, f"seed-{seed}", f"{recipe.label} seed {seed}", seed) for seed in seeds]
    results = train_all(folder, here.settings(planned), jobs, console)
    report = Report(recipe, folder, here.remarks(recipe, changed, planned), dict(zip(seeds, results, strict=True)))
    report.save()
    return report
