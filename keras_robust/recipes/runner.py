"""Running a recipe: training that resumes where it stopped, and a table beside the paper's."""

import pathlib
import re

from rich.console import Console

from keras_robust.checks import OneOf, at_least, refuse
from keras_robust.recipes.find import get
from keras_robust.recipes.report import Report
from keras_robust.recipes.scales import SCALES, Scale, method, pipeline_of, task
from keras_robust.recipes.schema import Recipe
from keras_robust.training import Job, train_all
from keras_robust.training.folder import environment


def run(
    recipe: str | Recipe,
    seeds=None,
    data_dir=None,
    scale: str = "full",
    folder=None,
    changes: dict | None = None,
    console: Console | None = None,
    pipeline: str | None = None,
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
    changed = recipe.changed(**changes or {})
    planned, seeds = prepared("run", changed, scale), checked_seeds("run", recipe, seeds)
    folder = pathlib.Path(folder or default_folder(recipe, scale))
    shared = settings(planned, scale, data_dir, pipeline)
    jobs = [
        job(planned, f"seed-{seed}", f"{recipe.label} seed {seed}", scale, seed, data_dir, pipeline) for seed in seeds
    ]
    results = train_all(folder, shared, jobs, console)
    report = Report(recipe, folder, remarks(recipe, changed, planned, scale), dict(zip(seeds, results, strict=True)))
    report.save()
    return report


def prepared(owner: str, recipe: Recipe, scale: str) -> Recipe:
    """The recipe as it is trained at a scale, and can be.

    What cannot be trained is refused here, before there is a folder that would be one of a run that nobody can make.
    """
    size = SCALES[OneOf(tuple(SCALES)).check(owner, "scale", scale)]
    known = size.shortened(recipe) if size.rehearsal else recipe
    if obstacles := known.obstacles:
        hint = "; `changes` gives what it lacks" if known.missing else ""
        refuse(owner, "recipe", f"one that can be run: {'; '.join(obstacles)}{hint}", recipe.name)
    if known.build_loss().reduction is None:
        refuse(owner, "reduction", "one that makes a number of a batch, for a loss to train on", None)
    known.callbacks()
    return known if size.rehearsal else size.shortened(recipe)


def checked_seeds(owner: str, recipe: Recipe, seeds) -> list[int]:
    """The seeds, or the recipe's own."""
    if isinstance(seeds, int):
        refuse(owner, "seeds", "a list of them, one run for each", seeds)
    seeds = [recipe.seed] if seeds is None else [at_least(0, integer=True).check(owner, "seeds", s) for s in seeds]
    if not seeds or len(set(seeds)) < len(seeds):
        refuse(owner, "seeds", "at least one whole number, none of them twice", seeds)
    return seeds


def default_folder(recipe: Recipe, scale: str) -> str:
    return f"runs/{re.sub('[^a-z0-9.+-]+', '-', recipe.name)}-{scale}"


def settings(recipe: Recipe, scale: str, data_dir, pipeline: str | None) -> dict:
    """What settings.json says of a run."""
    untold = ("seed", "printed", "contested", "source", "missing")
    told = {name: value for name, value in recipe.to_dict().items() if name not in untold}
    where = None if data_dir is None else str(pathlib.Path(data_dir).expanduser().absolute())
    made = {"pipeline": pipeline_of(recipe, pipeline), "data_dir": where}
    return {"recipe": recipe.name, "scale": scale, **told, **made, **environment()}


def job(recipe: Recipe, name: str, label: str, scale: str, seed: int, data_dir, pipeline: str | None) -> Job:
    """The run of a prepared recipe with a seed, in a folder of this name."""
    return Job(
        name=name,
        label=label,
        settings=settings(recipe, scale, data_dir, pipeline),
        task=lambda done: task(recipe, SCALES[scale], seed, data_dir, pipeline, first_epoch=done),
        method=method(recipe),
        seed=seed,
    )


def remarks(recipe: Recipe, changed: Recipe, planned: Recipe, scale: str) -> tuple[str, ...]:
    """In what runs leave the recipe: by changes, which `changed` has, and by the scale, as `planned` has it."""
    told, size = [], SCALES[scale]
    if size.rehearsal:
        told.append("a rehearsal: two steps on generated images")
    elif size != Scale():
        images = f"{size.fraction:.0%} of the images"
        told.append(f"{planned.epochs} of {changed.epochs} epochs on {images}: no comparison with the paper")
    different = (name for name in changed.to_dict() if getattr(changed, name) != getattr(recipe, name))
    if settings := [f"{name}={getattr(changed, name)!r}" for name in different if name != "missing"]:
        told.append(f"changed: {', '.join(settings)}")
    return tuple(told)
