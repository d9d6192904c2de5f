"""The verbs that train: compare, backdoor, run, retrain; and recipes, the list of what to run."""

import re

import keras
from rich.console import Console

from keras_robust.cli.arguments import (
    add_data_arguments,
    add_pipeline_argument,
    add_run_arguments,
    dataset,
    noise,
    setting,
    values_of,
)

DEMO_LOSSES = ("CE", "GCE", "NCEandRCE", "ANLCE", "DAL")


def add_compare(verbs):
    verb = verbs.add_parser("compare", help="train several losses on one data set with wrong labels")
    add_data_arguments(verb)
    verb.add_argument("--images", metavar="FOLDER", help="your own images, FOLDER/class/image.png, labels as they are")
    verb.add_argument("--class-names", nargs="+", metavar="NAME", help="in the order of the folders of --images")
    verb.add_argument("--image-size", type=int, metavar="PIXELS", help="of --images (default: theirs, 8 to 64)")
    verb.add_argument("--network", help="for --images (default: by their size)")
    told = "rank by noisy held-out labels, a share of all (default: 0; with --images 0.2)"
    verb.add_argument("--validation", type=float, metavar="SHARE", help=told)
    _add_training_arguments(verb, DEMO_LOSSES, "; with --images 1")
    verb.set_defaults(seeds=None)
    verb.set_defaults(run=_compare)


def _add_training_arguments(verb, losses, seeds=""):
    verb.add_argument("--losses", nargs="+", default=losses, help='"ANLCE", "GCE(q=0.5)", "2 * CE() + MAE()"')
    verb.add_argument("--epochs", type=int, default=60)
    verb.add_argument("--seeds", type=int, default=3, help=f"how many seeds (default: 3{seeds})")
    add_pipeline_argument(verb)
    verb.add_argument("--out", help="folder of the results; called again, it resumes (default: one under runs/)")


def _compare(options) -> int:
    from keras_robust import comparison

    console, own = Console(), options.images is not None
    for name in () if own else ("class_names", "image_size", "network"):
        if getattr(options, name) is not None:
            raise ValueError(f"--{name.replace('_', '-')} goes with --images, a folder of your own.")
    row, labels, data_dir = _own(options, console) if own else (dataset(options), noise(options), options.data_dir)
    name, drawn = (row.name, "as-given") if own else (row, (labels or "none").replace(":", "-"))
    out = options.out or _named("compare", name, options, drawn)
    shared = {"data_dir": data_dir, "console": console, "pipeline": options.pipeline}
    shared["validation"] = (0.2 if own else 0.0) if options.validation is None else options.validation
    seeds = (1 if own else 3) if options.seeds is None else options.seeds
    result = comparison.compare(out, row, labels, options.losses, options.epochs, seeds, **shared)
    console.print(result.table(console.width))
    console.print(f"Written to {out}: table.csv, runs.csv, accuracy.png, and a folder for each run", soft_wrap=True)
    return 0


def _own(options, console):
    """The data set of --images, the noise that is drawn for it, none, and its folder; says what it is."""
    from keras_robust.data import own_images

    for name in ("dataset", "noise", "data_dir"):
        if getattr(options, name) is not None:
            raise ValueError(
                f"--{name.replace('_', '-')} does not go with --images: the images of a folder of your own are taken "
                "with the labels that they have."
            )
    row = own_images(options.images, options.class_names, options.image_size, options.network)
    told = f"{row.train_size:,} images of {row.num_classes} classes in {options.images}"
    side = row.recipes[0].size
    console.print(f"{told}, brought to {side} x {side} pixels, for {row.network}", markup=False, highlight=False)
    return row, None, options.images


def _named(verb, name, options, what):
    """The folder of a comparison that was given none."""
    name = re.sub(r"[^\w.+-]+", "-", name)
    return f"runs/{verb}-{name}-{what}-{options.epochs}-epochs-{keras.backend.backend()}"


def add_backdoor(verbs):
    verb = verbs.add_parser("backdoor", help="train several losses on images with a trigger, and attack them with it")
    verb.add_argument("--dataset", default="digits", help="data set (default: digits)")
    verb.add_argument("--trigger", nargs="+", default=["local"], help="local, global or both (default: local)")
    verb.add_argument("--n", type=int, default=100, help="how many training images carry it (default: 100)")
    verb.add_argument("--target", type=int, default=0, help="the class that they are labeled as (default: 0)")
    verb.add_argument("--data-dir", help="folder of the data set (the digits need none)")
    _add_training_arguments(verb, ("CE", "GCE", "DAL"))
    verb.set_defaults(run=_backdoor)


def _backdoor(options) -> int:
    from keras_robust import comparison

    console, out = (
        Console(),
        options.out or _named("backdoor", options.dataset, options, "-".join((*options.trigger, str(options.n)))),
    )
    shared = {"data_dir": options.data_dir, "console": console, "poisoned": options.n, "target": options.target}
    shared["pipeline"] = options.pipeline
    result = comparison.compare_backdoors(
        out, options.dataset, options.trigger, options.losses, options.epochs, options.seeds, **shared
    )
    console.print(result.table(console.width))
    console.print(f"Written to {out}: table.csv, runs.csv, and a folder for each run", soft_wrap=True)
    return 0


def add_run(verbs):
    verb = verbs.add_parser("run", help="train a recipe of a paper; called again, it resumes where it stopped")
    verb.add_argument("recipe", help='a name that `keras-robust recipes` lists, "anl/cifar10/symmetric:0.4/anl-ce"')
    verb.add_argument("--seeds", type=int, nargs="+", help="one run for each (default: the recipe's seed)")
    verb.add_argument("--data-dir", help="folder of the data set")
    add_pipeline_argument(verb)
    verb.add_argument("--scale", default="full", help="full, quick (a fortieth of it) or smoke (two steps, no data)")
    verb.add_argument("--set", nargs="+", default=(), metavar="SETTING=VALUE", help="other or missing settings")
    verb.add_argument("--sweep", nargs="+", default=(), metavar="NAME=VALUE,...", help="several values, all combined")
    verb.add_argument("--pretrained", metavar="FILE", help="weights to start from: .weights.h5, .keras, .h5 or .pth")
    verb.add_argument("--out", help="folder of the results (default: one under runs/, by the recipe's name)")
    verb.set_defaults(run=_run)


def _run(options) -> int:
    from keras_robust import recipes

    changes, values, console = dict(map(setting, options.set)), dict(map(values_of, options.sweep)), Console()
    chosen = {name: getattr(options, name) for name in ("seeds", "data_dir", "pipeline", "scale", "pretrained")}
    train = recipes.sweep if values else recipes.run
    report = train(options.recipe, folder=options.out, changes=changes, console=console, **chosen, **values)
    console.print(report.table(console.width))
    console.print(f"Written to {report.folder}", soft_wrap=True)
    return 0


def add_retrain(verbs):
    verb = verbs.add_parser("retrain", help="train a run again on corrected labels: before and after")
    add_run_arguments(verb)
    verb.add_argument("--corrections", required=True, metavar="FILE", help="corrections.csv of the review page")
    verb.add_argument("--name", default="retrained", help="a new folder in the run's own (default: retrained)")
    verb.add_argument("--data-dir", help="folder of the data set (default: the run's own)")
    verb.add_argument("--pretrained", metavar="FILE", help="weights that the run started from")
    verb.set_defaults(run=_retrain)


def _retrain(options) -> int:
    from keras_robust import recipes

    console, chosen = Console(), {name: getattr(options, name) for name in ("log", "name", "data_dir", "pretrained")}
    found = recipes.retrain(options.folder, options.corrections, console=console, **chosen)
    console.print(found.table(console.width))
    console.print(f"Written to {found.folder}", soft_wrap=True)
    return 0


def add_recipes(verbs):
    verb = verbs.add_parser("recipes", help="the papers' settings: names and accuracies")
    verb.add_argument("pattern", nargs="?", default="*", help='part of them, such as "anl/cifar10/*"')
    verb.add_argument("--verified", action="store_true", help="those whose accuracy is printed")
    verb.set_defaults(run=_list_recipes)


def _list_recipes(options) -> int:
    from keras_robust import recipes

    found = recipes.find(name=options.pattern, **({"verified": True} if options.verified else {}))
    if not found:
        raise ValueError(f"No recipe is called {options.pattern!r}; a star stands for anything: 'anl/mnist/*'.")
    Console().print(recipes.listing(found))
    return 0
