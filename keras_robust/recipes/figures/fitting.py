"""Which runs are those of a figure's curves: by the settings that tell its curves apart."""

import math
import pathlib

from keras_robust.checks import refuse
from keras_robust.diagnostics import log_names, open_run
from keras_robust.diagnostics.runs import LoggedRun
from keras_robust.losses.reading import read_loss
from keras_robust.recipes.figures.curves import Curve, Plan
from keras_robust.recipes.moving import read_callbacks
from keras_robust.recipes.schema import FIELDS

# What names a recipe, and is no setting of its runs.
NAMES = ("paper", "label", "source", "variant", "seed", "printed", "missing", "contested")
# What may differ between a run and the curve it is drawn as: where it comes from, and how much of it there is.
_FREE = (
    *NAMES,
    *("dataset", "noise", "exact_noise", "network", "epochs", "batch_size", "augmentation", "boundaries", "decay"),
)
# What is told first where it is not the paper's.
_DATA = ("dataset", "noise", "network", "epochs")
# Recipes that are named where a folder fits none, before "and more".
NAMED = 3

Fitted = dict[tuple[str, ...], list[tuple[Curve, list[LoggedRun]]]]
"""Data, panel and the data that they stand for -> the curves, in the order of the plan, each with its runs."""


def opened(folders) -> list[list[LoggedRun]]:
    """The runs of each folder, which may hold several.

    Raises:
        FileNotFoundError: if a folder holds no run.
        ValueError: for one without settings, a damaged file, or a folder that is named twice.
    """
    folders = [pathlib.Path(folder) for folder in folders]
    if not folders or len({folder.resolve() for folder in folders}) < len(folders):
        refuse("figure", "runs", "folders of runs, at least one and none of them twice", [str(f) for f in folders])
    found = [[open_run(folder, name) for name in log_names(folder) or [None]] for folder in folders]
    for run in (run for runs in found for run in runs):
        if "loss" not in run.settings:
            refuse("figure", "runs", "folders of `recipes.run`, `recipes.sweep` or `compare`", str(run.folder))
        if run.accuracy is None:
            refuse("figure", "runs", "folders of runs with a history.csv of test accuracies", str(run.folder))
    return found


def fitted(plan: Plan, folders) -> Fitted:
    """The runs of folders as curves of a plan.

    A run fits a curve if they agree in the settings in which curves on the same data differ. Where the data of the run
    are those of some of the curves, it is one of these.

    Args:
        plan: of a figure.
        folders: of runs, or of several runs each.

    Raises:
        ValueError: for a folder without any run that fits, saying which recipes the figure is of; and as `opened`.
    """
    telling, found = _telling(plan.curves), {}
    for runs in opened(folders):
        used = False
        for run in runs:
            for place in _places(plan.curves, telling, run):
                used = True
                panel = (run.data, plan.curves[place].panel, _stands_for(plan, place, run))
                found.setdefault(panel, {}).setdefault(place, []).append(run)
        if not used:
            _refuse_folder(plan, telling, runs)
    everywhere = {panel[0]: curves for panel, curves in found.items() if panel[1] == "*"}
    if len(found) > len(everywhere):
        found = {panel: curves for panel, curves in found.items() if panel[1] != "*"}
        for (data, *_), curves in found.items():
            curves |= everywhere.get(data, {})
    return {
        panel: [(plan.curves[place], _alike(runs)) for place, runs in sorted(curves.items())]
        for panel, curves in sorted(found.items(), key=lambda item: min(item[1]))
    }


def differences(fitted: Fitted) -> list[str]:
    """In what the runs are not the paper's: "epochs 60 (120)"."""
    pairs = [(curve, run) for curves in fitted.values() for curve, runs in curves for run in runs]
    told = []
    for field in (*_DATA, "l1", "jacobian", "weight_decay", "learning_rate", "clip_norm"):
        here, there = [], []
        for curve, run in pairs:
            own, printed = run.settings.get(field), getattr(curve.printed, field)
            if not _same(field, own, printed):
                here.append(str(own))
                there.append(str(printed))
        if here:
            told.append(f"{field} {_few(here)} ({_few(there)})")
    if scales := {run.settings.get("scale", "full") for _, run in pairs} - {"full"}:
        told.append(f"scale {_few(scales)}")
    return told


def _stands_for(plan, place, run):
    """The data set of the paper's that other data stand for, where it has several."""
    sets = {curve.printed.dataset for curve in plan.curves}
    printed = plan.curves[place].printed.dataset
    return f"as {printed}" if len(sets) > 1 and run.settings.get("dataset") not in sets else ""


def _few(values):
    values = list(dict.fromkeys(values))
    return ", ".join(values[:2]) + (", ..." if len(values) > 2 else "")


def _alike(runs):
    """The runs of one curve, which are seeds of each other."""
    first, *others = runs
    for run in others:
        for name in FIELDS:
            one, other = first.settings.get(name), run.settings.get(name)
            if name not in NAMES and not _same(name, one, other):
                told = f"{first.folder} has {name}={one!r}, {run.folder} {other!r}"
                refuse("figure", "runs", "those of one curve with other seeds alone", told)
        if len(run.accuracy) != len(first.accuracy):
            told = f"{first.folder} of {len(first.accuracy)}, {run.folder} of {len(run.accuracy)}"
            refuse("figure", "runs", "those of one curve with as many epochs", told)
    return runs


def _telling(curves):
    """Settings in which curves on the same data differ."""
    groups = {}
    for curve in curves:
        groups.setdefault((curve.recipe.dataset, curve.recipe.noise), []).append(curve.recipe)
    return [
        name
        for name in FIELDS
        if name not in _FREE
        and any(
            not _same(name, getattr(one, name), getattr(group[0], name)) for group in groups.values() for one in group
        )
    ]


def _places(curves, telling, run):
    fitting = [
        place
        for place, curve in enumerate(curves)
        if all(_same(name, run.settings.get(name), getattr(curve.recipe, name)) for name in telling)
    ]
    # Curves that differ in the length of training alone: the run is of the one with its epochs, if there is one.
    epochs = run.settings.get("epochs")
    fitting = [place for place in fitting if curves[place].recipe.epochs == epochs] or fitting
    data = (run.settings.get("dataset"), run.settings.get("noise"))
    if any((curve.recipe.dataset, curve.recipe.noise) == data for curve in curves):
        return [p for p in fitting if (curves[p].recipe.dataset, curves[p].recipe.noise) == data]
    # One loss on several of the paper's data sets: the run is that of the data set with whose settings it agrees most.
    found = {}
    for place in sorted(fitting, key=lambda place: _distance(curves[place].recipe, run)):
        found.setdefault((curves[place].panel, curves[place].label), place)
    return list(found.values())


def _distance(recipe, run):
    """In how many settings they differ."""
    return sum(not _same(name, run.settings.get(name), getattr(recipe, name)) for name in FIELDS if name not in NAMES)


def _same(name, one, other):
    if name in ("loss", "moving") and one is not None and other is not None:
        return _read(name, one) == _read(name, other)
    if isinstance(one, float | int) and isinstance(other, float | int):
        return math.isclose(one, other)
    return one == other


def _read(name, text):
    if name == "loss":
        return repr(read_loss(text))
    moves = ((key, vars(schedule)) for key, schedule in read_callbacks(text)[0].schedules.items())
    return type(read_callbacks(text)[0]), sorted(moves)


def _refuse_folder(plan, telling, runs):
    first = runs[0]
    has = ", ".join(f"{name}={first.settings.get(name)!r}" for name in telling)
    needed = "; ".join(str(curve) for curve in plan.curves[:NAMED])
    more = f"; and {len(plan.curves) - NAMED} more" if len(plan.curves) > NAMED else ""
    raise ValueError(
        f"{first.folder} does not fit {plan.name}: it has {has}{', and so on' if len(runs) > 1 else ''}. The figure is "
        f"of: {needed}{more}."
    )
