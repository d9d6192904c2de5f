"""What a recipe holds out of its training images or poisons among them, and what is measured on it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from keras_robust.checks import refuse
from keras_robust.data import held_out
from keras_robust.data.folders import Files
from keras_robust.data.loading import chosen
from keras_robust.data.reading import read_dataset
from keras_robust.diagnostics.corrections import Corrected
from keras_robust.noise import NoisyLabels, add_trigger, backdoor
from keras_robust.recipes.schema import Recipe
from keras_robust.training.judging import Judged, judge
from keras_robust.training.probes import Probe, held_out_accuracy, success_of_attack


def stored(recipe: Recipe, arrays, data_dir, needed: bool = False):
    """The data set, where its images are looked at before they are loaded; else what was given."""
    if arrays is None and (needed or recipe.validation or recipe.backdoor):
        return read_dataset(recipe.row, data_dir)
    return arrays


def poisoned(recipe: Recipe, arrays, seed: int) -> tuple:
    """The data set with the trigger in some training images, and their labels."""
    images, labels, _ = backdoor(
        arrays.x_train, arrays.y_train, recipe.target, recipe.backdoor, recipe.poisoned, seed, arrays.num_classes
    )
    return replace(arrays, x_train=images), labels


def relabeled(recipe: Recipe, arrays, noise, corrected: Corrected) -> tuple:
    """The data set and its labels with corrected ones; a sample that was never seen keeps its own (-1)."""
    if len(corrected.labels) != len(arrays.y_train):
        rule = f"labels of the {len(arrays.y_train):,} training samples of {recipe.row.name}"
        refuse("retrain", "corrections", rule, f"{len(corrected.labels):,} labels")
    labels = np.where(corrected.labels >= 0, corrected.labels, arrays.y_train)
    if recipe.wrong_as_given:
        return replace(arrays, y_train=labels), None
    clean = noise.clean if isinstance(noise, NoisyLabels) else arrays.y_train
    told = f"labels corrected by decisions about suspects: {corrected.report.splitlines()[0]}"
    spec = f"{told}; before that {recipe.noise}" if recipe.noise else told
    return arrays, NoisyLabels(labels, clean, len(arrays.class_names), None, spec)


def tested_on_held_out(arrays, given, positions):
    """A data set without test images, with those that are held out in their place, under their given labels.

    Args:
        arrays: the data set, as it is trained on.
        given: the labels (n,) as they came: corrections are no test for what was trained on them.
        positions: of what is held out.
    """
    images = arrays.x_train
    held_out = images[positions] if isinstance(images, np.ndarray) else Files([images.paths[i] for i in positions])
    return replace(arrays, x_test=held_out, y_test=given[positions])


def numbered(arrays, positions, dropped, tested: Callable):
    """Batches of what is held out, logged with the labels that it would be trained on, without what is dropped."""
    targets = {"label": arrays.y_train, "index": np.arange(len(arrays.y_train))}
    return tested(arrays.x_train, targets, np.setdiff1d(positions, dropped))


def validated_on(recipe: Recipe, arrays, fraction: float, seed: int) -> np.ndarray | None:
    """Positions of the training images that are held out, or None."""
    return held_out(len(arrays.y_train), recipe.validation, seed, fraction) if recipe.validation else None


def probes(
    recipe: Recipe, arrays, labels: NoisyLabels | None, positions, fraction: float, tested: Callable
) -> tuple[Probe, ...]:
    """What is measured after each epoch.

    Args:
        arrays: the data set, as it is trained on.
        labels: the wrong labels, or None for those of the data set.
        positions: of what is held out.
        tested: makes batches of images, labels and positions, or None for all, as the network is tested on them.
    """
    found = []
    if positions is not None and not recipe.row.untested:  # which are tested on what is held out
        given = arrays.y_train if labels is None else labels.noisy
        truth = given if recipe.validation_labels == "noisy" else labels.clean
        found.append(held_out_accuracy(tested(arrays.x_train, truth, positions)))
    if recipe.backdoor:
        rows = chosen(len(arrays.y_test), fraction)
        pair = (arrays.x_test, add_trigger(arrays.x_test, recipe.backdoor))
        found.append(success_of_attack(*(tested(images, arrays.y_test, rows) for images in pair), recipe.target))
    return tuple(found)


def judged(
    recipe: Recipe, arrays, labels: NoisyLabels | None, positions, tested: Callable
) -> Callable[..., Judged] | None:
    """A function of the trained model that judges it by noisy held-out labels, or None.

    The transition matrix is that of the wrong labels, where they are known.
    """
    if positions is None or recipe.validation_labels != "noisy":
        return None
    if recipe.row.untested:
        return judge(tested(arrays.x_test, arrays.y_test, None), None)
    given, transition = (arrays.y_train, None) if labels is None else (labels.noisy, labels.transition)
    return judge(tested(arrays.x_train, given, positions), transition)
