"""The verbs that draw: plot, figure; and logit-bias."""

import pathlib

from rich.console import Console

import keras_robust
from keras_robust.cli.arguments import add_pipeline_argument, add_run_arguments, setting


def add_plot(verbs):
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
        add_run_arguments(picture)
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


def add_figure(verbs):
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
    add_pipeline_argument(verb)
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
        chosen = {name: getattr(options, name) for name in ("seeds", "data_dir", "pipeline")}
        chosen |= {"changes": dict(map(setting, options.set)), "console": Console()}
        return figures.train_figure(options.name, options.scale or "full", **chosen)
    if options.name in figures.FROM_RUNS:
        raise ValueError(figures.how_to_draw(options.name))
    return figure(options.name, options.data_dir)


def add_logit_bias(verbs):
    verb = verbs.add_parser("logit-bias", help="the logit bias for a number of classes")
    verb.add_argument("classes", type=int, nargs="+", metavar="K")
    verb.add_argument("--activation", type=float, default=0.15, help="mean output of the label at the start (0.15)")
    verb.set_defaults(run=_logit_bias)


def _logit_bias(options) -> int:
    for K in options.classes:
        print(f"K = {K}: epsilon = {keras_robust.theory.logit_bias(K, options.activation):.4f}")
    return 0
