"""The command `keras-robust`: argument parsing only."""

import argparse
import pathlib
import time

import keras
from rich.console import Console

import keras_robust
from keras_robust import expressions

DEMO_LOSSES = ("CE", "GCE", "NCEandRCE", "ANLCE", "DAL")


class OneLineParser(argparse.ArgumentParser):
    """A parser whose errors are one line, as all errors of the command are."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {' '.join(message.split())}; see {self.prog} --help\n")


def parser() -> argparse.ArgumentParser:
    """What reads the command line; docs/command-line.md is made of it."""
    command = OneLineParser("keras-robust", description="Learning from wrong labels with Keras 3.")
    command.add_argument("--version", action="version", version=f"keras-robust {keras_robust.__version__}")
    verbs = command.add_subparsers(required=True, metavar="VERB")
    _add_compare(verbs)
    _add_run(verbs)
    _add_recipes(verbs)
    _add_noise(verbs)
    _add_suspects(verbs)
    _add_plot(verbs)
    _add_figure(verbs)
    _add_logit_bias(verbs)
    return command


def main(arguments=None) -> int:
    """Runs the command and returns its exit status; wrong arguments are one line on stderr and status 2."""
    command = parser()
    options = command.parse_args(arguments)
    try:
        return options.run(options)
    except (ValueError, TypeError, ImportError, OSError) as error:
        command.exit(2, f"keras-robust: {' '.join(str(error).split())}\n")
    except (MemoryError, RecursionError) as error:
        kind = type(error).__name__
        command.exit(2, f"keras-robust: an argument is too large or too long to be read ({kind})\n")
    except KeyboardInterrupt:
        command.exit(130, "keras-robust: stopped\n")


def _add_data_arguments(verb):
    verb.add_argument("--dataset", default="digits", help="data set (default: digits)")
    verb.add_argument("--noise", default="symmetric:0.4", help='for example "symmetric:0.4", or "none"')
    verb.add_argument("--data-dir", help="folder of the data set (the digits need none)")


def _add_compare(verbs):
    verb = verbs.add_parser("compare", help="train several losses on one data set with wrong labels")
    _add_data_arguments(verb)
    verb.add_argument("--losses", nargs="+", default=DEMO_LOSSES, help='"ANLCE", "GCE(q=0.5)", "2 * CE() + MAE()"')
    verb.add_argument("--epochs", type=int, default=60)
    verb.add_argument("--seeds", type=int, default=3, help="how many seeds (default: 3)")
    verb.add_argument("--out", help="folder of the results; called again, it resumes (default: one under runs/)")
    verb.set_defaults(run=_compare)


def _compare(options) -> int:
    from keras_robust import comparison

    noise, console, out = _noise(options), Console(), options.out
    if out is None:
        named = f"{options.dataset}-{options.noise.replace(':', '-')}-{options.epochs}-epochs"
        out = f"runs/compare-{named}-{keras.backend.backend()}"
    result = comparison.compare(
        out, options.dataset, noise, options.losses, options.epochs, options.seeds, options.data_dir, console
    )
    console.print(result.table(console.width))
    console.print(f"Written to {out}: table.csv, runs.csv, accuracy.png, and a folder for each run", soft_wrap=True)
    return 0


def _add_run(verbs):
    verb = verbs.add_parser("run", help="train a recipe of a paper; called again, it resumes where it stopped")
    verb.add_argument("recipe", help='a name that `keras-robust recipes` lists, "anl/cifar10/symmetric:0.4/anl-ce"')
    verb.add_argument("--seeds", type=int, nargs="+", help="one run for each (default: the recipe's seed)")
    verb.add_argument("--data-dir", help="folder of the data set")
    verb.add_argument("--scale", default="full", help="full, quick (a fortieth of it) or smoke (two steps, no data)")
    verb.add_argument("--set", nargs="+", default=(), metavar="SETTING=VALUE", help="other or missing settings")
    verb.add_argument("--sweep", nargs="+", default=(), metavar="NAME=VALUE,...", help="several values, all combined")
    verb.add_argument("--out", help="folder of the results (default: one under runs/, by the recipe's name)")
    verb.set_defaults(run=_run)


def _run(options) -> int:
    from keras_robust import recipes

    changes, console = dict(map(_setting, options.set)), Console()
    chosen = {"data_dir": options.data_dir, "scale": options.scale, "folder": options.out, "changes": changes}
    if options.sweep:
        values = dict(map(_values, options.sweep))
        report = recipes.sweep(options.recipe, options.seeds, console=console, **chosen, **values)
    else:
        report = recipes.run(options.recipe, options.seeds, console=console, **chosen)
    console.print(report.table(console.width))
    console.print(f"Written to {report.folder}", soft_wrap=True)
    return 0


def _setting(text):
    """The name and the value of "epochs=100"."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"Settings are written as SETTING=VALUE, epochs=100. Received: {text!r}.")
    return name, _literal(value)


def _values(text):
    """The name and the values of "alpha=0.1,1,10"."""
    name, values = _setting(text)
    if isinstance(values, str):
        values = [_literal(value) for value in values.split(",")]
    return name, list(values) if isinstance(values, list | tuple) else [values]


def _literal(text):
    try:
        return expressions.literal(text)
    except expressions.ExpressionError:
        return text


def _add_recipes(verbs):
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


def _add_noise(verbs):
    verb = verbs.add_parser("noise", help="wrong labels: their rate and matrix, pictures of both")
    _add_data_arguments(verb)
    verb.add_argument("--seed", type=int, default=0)
    verb.add_argument("--out", help="a new folder for the results (default: one under runs/)")
    verb.set_defaults(run=_report_noise)


def _report_noise(options) -> int:
    from keras_robust.diagnostics import report_noise

    out = _folder("noise", options)
    print(report_noise(out, options.dataset, _noise(options), options.seed, options.data_dir).report())
    print(f"Written to {out}: labels.npz, noise.txt, transition.png, mislabeled.png")
    return 0


def _add_suspects(verbs):
    verb = verbs.add_parser("suspects", help="which labels of a training run are most likely wrong: table and pictures")
    _add_run_arguments(verb)
    verb.add_argument("--top", type=int, default=100, help="how many (default: 100)")
    verb.add_argument("--dataset", help='data set of the images (default: the run\'s own); "none" for the table alone')
    verb.add_argument("--data-dir", help="its folder (default: the run's own)")
    verb.add_argument("--out", help="folder for suspects.csv and suspects.png (default: FOLDER)")
    verb.set_defaults(run=_suspects)


def _add_run_arguments(verb):
    verb.add_argument("folder", metavar="FOLDER", help="folder of a training run, of several, or a weight log")
    verb.add_argument("--log", metavar="NAME", help="which run, of a folder that holds several")


def _suspects(options) -> int:
    from keras_robust import diagnostics

    run = diagnostics.open_run(options.folder, options.log)
    found = diagnostics.write_suspects(run, options.top, options.dataset, options.data_dir, options.out)
    print(found)
    return 0


def _add_plot(verbs):
    verb = verbs.add_parser("plot", help="pictures of losses, and of a training run's log")
    pictures = verb.add_subparsers(required=True, metavar="PICTURE")
    weights = _add_picture(pictures, "weights", _weights, "implicit weight of losses against the margin")
    weights.add_argument("--classes", type=int, default=10, metavar="K", help="number of classes (default: 10)")
    weights.add_argument("--unit", action="store_true", help="divide each curve by its largest weight")
    errors = _add_picture(pictures, "errors", _errors, "mean error of losses at the start, by number of classes")
    errors.add_argument("--classes", type=int, nargs="+", default=[10, 100, 1000], metavar="K")
    for losses in (weights, errors):
        losses.add_argument("--losses", nargs="+", default=["CE", "MAE", "GCE", "MAEStar"], help="as for compare")
    bias = _add_picture(pictures, "bias", _bias, "logit bias against the number of classes")
    bias.add_argument("--activations", type=float, nargs="+", default=[0.15], help="mean outputs of the label (0.15)")
    margins = _add_picture(pictures, "margins", _margins, "margins of clean and wrong labels through training", True)
    margins.add_argument("--epochs", type=int, nargs="+", help="counted from 1 (default: four, evenly spread)")
    _add_picture(pictures, "memorization", _memorization, "what becomes of clean and of wrong labels", True)
    _add_picture(pictures, "transition", _transition, "the noise, estimated from what the model believes", True)
    _add_picture(pictures, "alpha", _alpha, "effective learning rate of every log, or of --log", True)


def _add_picture(pictures, name, draw, text, of_run=False):
    picture = pictures.add_parser(name, help=text, description=text)
    if of_run:
        _add_run_arguments(picture)
    where = f"FOLDER/{name}.png" if of_run else f"runs/{name}.png"
    picture.add_argument("--out", help=f"the picture's file, or a folder for it (default: {where})")
    picture.set_defaults(run=_plot, draw=draw, folder=None if of_run else "runs", name=name)
    return picture


def _plot(options) -> int:
    return _save(options.draw(options), options.name, options)


def _save(figure, name, options) -> int:
    out = pathlib.Path(options.out or pathlib.Path(options.folder, f"{name}.png"))
    if out.is_dir():
        out = out / f"{name}.png"
    if not out.suffix:  # matplotlib would add one by itself
        out = out.with_name(f"{out.name}.png")
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out)
    print(f"Written to {out}")
    return 0


def _weights(options):
    from keras_robust.diagnostics import pictures

    return pictures.weights(_losses(options), options.classes, options.unit)


def _errors(options):
    from keras_robust.diagnostics import pictures

    return pictures.errors(_losses(options), options.classes)


def _bias(options):
    from keras_robust.diagnostics import pictures

    return pictures.bias(options.activations)


def _margins(options):
    from keras_robust.diagnostics import open_run, pictures

    return pictures.margins(open_run(options.folder, options.log), options.epochs)


def _memorization(options):
    from keras_robust.diagnostics import open_run, pictures

    return pictures.memorization(open_run(options.folder, options.log))


def _transition(options):
    from keras_robust.diagnostics import open_run, pictures

    return pictures.transition(open_run(options.folder, options.log))


def _alpha(options):
    from keras_robust.diagnostics import log_names, open_run, pictures

    names = [options.log] if options.log else log_names(options.folder) or [None]
    return pictures.alpha([open_run(options.folder, name) for name in names])


def _losses(options):
    from keras_robust.comparison import contender

    return {one.text: one.loss() for one in map(contender, options.losses)}


def _noise(options):
    return None if options.noise == "none" else options.noise


def _folder(verb, options):
    named = f"{verb}-{options.dataset}-{options.noise.replace(':', '-')}-{time.strftime('%Y%m%d-%H%M%S')}"
    return options.out or f"runs/{named}"


def _add_figure(verbs):
    verb = verbs.add_parser("figure", help="a figure of the five papers; without a name, which there are")
    verb.add_argument("name", nargs="?", help='"curriculum/2"')
    verb.add_argument("--runs", nargs="+", metavar="FOLDER", help="runs that a figure of training is drawn from")
    verb.add_argument(
        "--scale", help="full, quick or smoke: trains the runs of the figure, as `run` does, and draws it"
    )
    verb.add_argument(
        "--seeds", type=int, nargs="+", help="with --scale, one run for each (default: the recipe's seed)"
    )
    verb.add_argument("--set", nargs="+", default=(), metavar="SETTING=VALUE", help="with --scale, other settings")
    verb.add_argument("--data-dir", help="folder of the data set")
    verb.add_argument("--out", help="the picture's file, or a folder for it (default: runs/NAME.png)")
    verb.set_defaults(run=_figure, folder="runs")


def _figure(options) -> int:
    from keras_robust.recipes import figures

    if options.name is None:
        print(figures.figure_listing())
        return 0
    return _save(_figure_of(options), options.name.replace("/", "-"), options)


def _figure_of(options):
    from keras_robust.diagnostics.figures import figure
    from keras_robust.recipes import figures

    if options.runs and (options.scale or options.seeds or options.set):
        raise ValueError("A figure is drawn from --runs that are there, or its runs are trained, with --scale.")
    if options.runs:
        return figures.draw_figure(options.name, options.runs)
    if options.scale or options.seeds or options.set:
        changes, chosen = dict(map(_setting, options.set)), {"seeds": options.seeds, "data_dir": options.data_dir}
        return figures.train_figure(options.name, options.scale or "full", changes=changes, console=Console(), **chosen)
    if options.name in figures.FROM_RUNS:
        raise ValueError(figures.how_to_draw(options.name))
    return figure(options.name, options.data_dir)


def _add_logit_bias(verbs):
    verb = verbs.add_parser("logit-bias", help="the logit bias for a number of classes")
    verb.add_argument("classes", type=int, nargs="+", metavar="K")
    verb.add_argument("--activation", type=float, default=0.15, help="mean output of the label at the start (0.15)")
    verb.set_defaults(run=_logit_bias)


def _logit_bias(options) -> int:
    for K in options.classes:
        print(f"K = {K}: epsilon = {keras_robust.theory.logit_bias(K, options.activation):.4f}")
    return 0
