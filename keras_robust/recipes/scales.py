"""How much of a recipe is run: the whole, a fortieth of it, or two steps on generated images."""

import math
from dataclasses import dataclass

import keras
import numpy as np

from keras_robust import data, models, optimizers
from keras_robust.checks import refuse
from keras_robust.data.choice import checked_pipeline
from keras_robust.data.image_folders import listed
from keras_robust.diagnostics.corrections import Corrected
from keras_robust.models.blocks import KAIMING_NORMAL, XAVIER_UNIFORM
from keras_robust.noise.grammar import parse
from keras_robust.recipes import probing
from keras_robust.recipes.schema import Recipe
from keras_robust.training import Method, Task

#: What a rehearsal trains with where a recipe lacks the setting.
REHEARSED = {
    "network": "cnn4",
    "learning_rate": 0.01,
    "schedule": "cosine",
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "augmentation": None,
}
REHEARSED_STEPS, REHEARSED_BATCH, REHEARSED_POISONED = 2, 8, 2


@dataclass(frozen=True)
class Scale:
    """How much is run.

    Attributes:
        epochs: share of the recipe's epochs.
        fraction: share of the images, to train on and to test on.
        rehearsal: one epoch of two small batches of generated images, in place of all this.
    """

    epochs: float = 1.0
    fraction: float = 1.0
    rehearsal: bool = False

    def shortened(self, recipe: Recipe) -> Recipe:
        """The recipe with the epochs of this scale; the learning rate goes the same way in less time.

        A rehearsal has a smaller batch too, values for what is missing, and drawn labels in place of people's.
        """
        if self.rehearsal:
            return self._rehearsed(recipe)
        epochs = math.ceil(self.epochs * recipe.epochs)
        share = epochs / recipe.epochs
        boundaries = tuple(sorted({math.ceil(share * epoch) for epoch in recipe.boundaries}))
        decay = recipe.decay ** (1 / share) if recipe.schedule == "exponential" else recipe.decay
        return recipe.changed(epochs=epochs, boundaries=boundaries, decay=decay)

    def _rehearsed(self, recipe):
        batch = min(REHEARSED_BATCH, recipe.batch_size or REHEARSED_BATCH)
        # Exact counts of so few labels would be none.
        settings = {"epochs": 1, "batch_size": batch, "exact_noise": False}
        if recipe.backdoor:
            settings["poisoned"] = min(recipe.poisoned, REHEARSED_POISONED)
        settings |= {name: value for name, value in REHEARSED.items() if name in recipe.missing}
        if {"decay", "boundaries"} & set(recipe.missing):
            settings["schedule"] = "cosine"
        if recipe.noise and parse(recipe.noise).kind == "human":
            settings |= {"noise": "symmetric:0.4", "dataset": recipe.row.stored}
        return recipe.changed(**settings)


#: Initializers by their names in recipes.
INITIALIZERS = {"kaiming_normal": KAIMING_NORMAL, "xavier_uniform": XAVIER_UNIFORM}

SCALES = {
    "full": Scale(),
    "quick": Scale(epochs=0.25, fraction=0.1),
    "smoke": Scale(rehearsal=True),
}


def task(
    recipe: Recipe,
    scale: Scale,
    seed: int,
    data_dir=None,
    pipeline: str | None = None,
    first_epoch: int = 0,
    weights=None,
    corrected: Corrected | None = None,
) -> Task:
    """What a recipe learns: its data with its noise and augmentation, and its network.

    Args:
        recipe: as `scale.shortened` gives it.
        seed: of the noise, the orders and the augmentation.
        data_dir: folder of the data set, as `data.load` takes it.
        pipeline: as `data.load` takes it.
        first_epoch: epochs that were trained already.
        weights: file that the network starts from, or None.
        corrected: labels that replace those of the noise, and samples that are left out; or None.
    """
    arrays = None
    if scale.rehearsal:
        arrays = data.generated(recipe.dataset, REHEARSED_STEPS * recipe.batch_size, test_size=recipe.batch_size)
    noise = recipe.noise or (None if recipe.wrong_as_given else "symmetric:0")  # none is wrong, and recorded as such
    arrays = probing.stored(recipe, arrays, data_dir, corrected is not None)
    if recipe.backdoor:
        arrays, noise = probing.poisoned(recipe, arrays, seed)
    given = None if arrays is None else arrays.y_train
    if corrected is not None:
        arrays, noise = probing.relabeled(recipe, arrays, noise, corrected)
    held_out = probing.validated_on(recipe, arrays, scale.fraction, seed)
    if recipe.row.untested:
        arrays = probing.tested_on_held_out(arrays, given, held_out)
    dropped = () if corrected is None else np.flatnonzero(corrected.drop)
    pipeline = pipeline_of(recipe, pipeline)
    splits = data.load(
        recipe.dataset,
        noise,
        recipe.batch_size,
        seed,
        data_dir,
        augment=recipe.augmentation or True,
        provenance=True,
        exact=recipe.exact_noise,
        fraction=scale.fraction,
        first_epoch=first_epoch,
        left_out=np.union1d(() if held_out is None else held_out, dropped).astype("int64"),
        arrays=arrays,
        pipeline=pipeline,
    )

    def tested(images, labels, positions):
        return data.as_tested(
            recipe.dataset, images, labels, recipe.augmentation, recipe.batch_size, positions, pipeline
        )

    probes = probing.probes(recipe, arrays, splits.noise, held_out, scale.fraction, tested)
    judged = probing.judged(recipe, arrays, splits.noise, held_out, tested)
    measured = {"probes": probes, "held_out": held_out, "judged": judged}
    if recipe.row.untested:
        measured |= {"tested": "agreement with held-out labels", "clean_test": False}
        measured["logged_besides"] = probing.numbered(arrays, held_out, dropped, tested)
    if recipe.row.files and not scale.rehearsal:
        measured["images"] = listed(data_dir)
    return Task.of(splits, network(recipe, weights), **measured)


def pipeline_of(recipe: Recipe, pipeline: str | None) -> str:
    """The pipeline that is used where none is asked for.

    The digits need no TensorFlow; an algorithm that sees samples twice, or all of them before an epoch, needs them raw.

    Raises:
        ValueError: for such an algorithm with "tf.data".
    """
    algorithm = recipe.build_algorithm()
    raw = algorithm is not None and (algorithm.needs_probe or algorithm.needs_views)
    if raw and pipeline == "tf.data":
        refuse("run", "pipeline", f'"device" for {recipe.algorithm}, which augments in its step', pipeline)
    if pipeline is None and (raw or recipe.row.reader in ("digits", "images")):
        return "device"
    return checked_pipeline("run", pipeline)


def method(recipe: Recipe) -> Method:
    """How a recipe learns: its loss, what moves it, and SGD or Adam as PyTorch has them."""
    return Method(
        loss=recipe.build_loss,
        optimizer=lambda: _optimizer(recipe),
        rate=recipe.rate,
        epochs=recipe.epochs,
        l1=recipe.l1,
        callbacks=recipe.callbacks,
        algorithm=recipe.build_algorithm(),
        jacobian=recipe.jacobian,
    )


def _optimizer(recipe):
    if recipe.optimizer == "adam":
        return optimizers.CoupledAdam(
            recipe.rate(0), weight_decay=recipe.weight_decay, global_clipnorm=recipe.clip_norm
        )
    return optimizers.CoupledSGD(
        recipe.rate(0),
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
        global_clipnorm=recipe.clip_norm,
    )


def network(recipe: Recipe, weights=None):
    """A function that makes the recipe's network.

    An initializer draws all kernels anew, and biases begin at zero; a file of weights fills all but the classifier.
    """
    build = getattr(models, recipe.network)
    if recipe.initializer is None and weights is None:
        return build

    def built(input_shape, num_classes, classifier_activation):
        model = build(input_shape, num_classes, classifier_activation=classifier_activation)
        if recipe.initializer is not None:
            _draw_anew(model, INITIALIZERS[recipe.initializer])
        if weights is not None:
            models.load_pretrained(model, weights)
        return model

    return built


def _draw_anew(model, initializer):
    for layer in model.layers:
        if (kernel := getattr(layer, "kernel", None)) is not None:
            # A new initializer for every layer: one object draws the same numbers again.
            kernel.assign(initializer()(kernel.shape, kernel.dtype))
            if layer.bias is not None:
                layer.bias.assign(keras.ops.zeros(layer.bias.shape, layer.bias.dtype))
