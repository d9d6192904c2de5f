"""What a recipe holds out of its training images or poisons among them, and what is measured on it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from keras_robust.catalog import CATALOG
from keras_robust.checks import refuse
from keras_robust.data import held_out
from keras_robust.data.loading import chosen
from keras_robust.data.reading import read_dataset
from keras_robust.diagnostics.corrections import Corrected
from keras_robust.noise import NoisyLabels, add_trigger, backdoor
from keras_robust.recipes.schema import Recipe
from keras_robust.training.probes import Probe, estimated_accuracy, held_out_accuracy, success_of_attack


def stored(recipe: Recipe, arrays, data_dir, needed: bool = False):
    """The data set, where its images are looked at before they are loaded; else what was given."""
    if arrays is None and (needed or recipe.validation or recipe.backdoor):
        return read_dataset(CATALOG[recipe.dataset], data_dir)
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
        rule = f"labels of the {len(arrays.y_train):,} training samples of {recipe.dataset}"
        refuse("retrain", "corrections", rule, f"{len(corrected.labels):,} labels")
    labels = np.where(corrected.labels >= 0, corrected.labels, arrays.y_train)
    if recipe.wrong_as_given:
        return replace(arrays, y_train=labels), None
    clean = noise.clean if isinstance(noise, NoisyLabels) else arrays.y_train
    return arrays, NoisyLabels(labels, clean, len(arrays.class_names), None)


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
    if positions is not None:
        given = arrays.y_train if labels is None else labels.noisy
        truth = given if recipe.validation_labels == "noisy" else labels.clean
        found.append(held_out_accuracy(tested(arrays.x_train, truth, positions)))
    if recipe.backdoor:
        rows = chosen(len(arrays.y_test), fraction)
        pair = (arrays.x_test, add_trigger(arrays.x_test, recipe.backdoor))
        found.append(success_of_attack(*(tested(images, arrays.y_test, rows) for images in pair), recipe.target))
    return tuple(found)


def judged(recipe: Recipe, arrays, labels: NoisyLabels | None, positions, tested: Callable) -> Callable | None:
    """What is told of the trained model from noisy held-out labels, or None.

    The transition matrix is that of the wrong labels, where they are known.
    """
    if positions is None or recipe.validation_labels != "noisy":
        return None
    given, transition = (arrays.y_train, None) if labels is None else (labels.noisy, labels.transition)
    return estimated_accuracy(tested(arrays.x_train, given, positions), transition)
