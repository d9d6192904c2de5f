"""What a recipe is: one frozen row of the papers' settings, and one cell of their tables."""

import json
import math
from dataclasses import asdict, dataclass, fields, replace

from keras_robust.catalog import CATALOG
from keras_robust.checks import Interval, OneOf, at_least, greater_than, refuse
from keras_robust.losses import RobustLoss
from keras_robust.losses.reading import read_loss
from keras_robust.noise.grammar import parse
from keras_robust.recipes.moving import read_callbacks

PAPERS = {
    "apl": "Ma et al. 2020, Normalized Loss Functions for Deep Learning with Noisy Labels",
    "anl": "Ye et al. 2023, Active Negative Loss Functions for Learning with Noisy Labels",
    "dal": "Li et al. 2023, Dynamics-Aware Loss for Learning with Label Noise",
    "logit-bias": "Staats et al. 2023, Enhancing Noise-Robust Losses for Large-Scale Noisy Data Learning",
    "curriculum": "Ou & Zhang 2023, Robust loss functions under a curriculum view",
}
"""The papers by their names in recipes: authors and year, title."""

NETWORKS = (*("cnn4", "cnn8", "mlp1024", "resnet18", "resnet32", "resnet34", "resnet50", "wide_resnet101", "vgg19_bn"),)
AUGMENTATIONS = ("plain", "anl", "dal", "logit_bias", "dividemix")

_COUNT = at_least(1, integer=True)
_RATE = greater_than(0.0)
_SETTINGS = {
    "epochs": _COUNT,
    "batch_size": _COUNT,
    "learning_rate": _RATE,
    "schedule": OneOf(("cosine", "exponential", "steps")),
    "momentum": Interval(0.0, 1.0, open_high=True),
    "weight_decay": at_least(0.0),
}
_CHECKS = {
    "paper": OneOf(tuple(PAPERS)),
    "dataset": OneOf(tuple(row.name for row in CATALOG.values() if not row.test_only)),
    "network": OneOf(NETWORKS),
    "end_rate": at_least(0.0),
    "clip_norm": greater_than(0.0, optional=True),
    "l1": at_least(0.0),
    "seed": at_least(0, integer=True),
}
_NOT_THERE = "no value, for `missing` names it"


@dataclass(frozen=True)
class Cell:
    """An accuracy that a paper or its authors printed.

    Attributes:
        mean: test accuracy in percent.
        std: its standard deviation over the runs, or None where none is printed.
        source: where it was read.
        runs: number of runs, or None where it is not said.
    """

    mean: float
    std: float | None
    source: str
    runs: int | None = None

    def __post_init__(self):
        _set(self, "mean", Interval(0.0, 100.0).check("Cell", "mean", self.mean))
        _set(self, "std", at_least(0.0, optional=True).check("Cell", "std", self.std))
        _set(self, "source", _text("Cell", "source", self.source))
        _set(self, "runs", at_least(1, integer=True, optional=True).check("Cell", "runs", self.runs))

    def __str__(self):
        return f"{self.mean:.2f}" if self.std is None else f"{self.mean:.2f} ± {self.std:.2f}"


@dataclass(frozen=True)
class Recipe:
    """One row: what to train on which data, how, and what came out of it in the paper.

    Attributes:
        paper: one of `PAPERS`.
        dataset: a name of `data.load` that has images to train on.
        label: what the paper calls the loss, such as "ANL-CE".
        loss: the loss as `read_loss` reads it, such as "ANLCE(alpha=5, beta=5)".
        network: name of a network of `models`.
        source: where the settings are from; and that the accuracy could not be verified, where that is so.
        noise: a noise string; None for clean labels, or for labels that are wrong as they come.
        exact_noise: whether exactly floor(n_i T_ij) labels of class i become j, as `noise.corrupt(exact=True)` has it.
        epochs, batch_size: of the training.
        learning_rate: in the first epoch.
        schedule: of the learning rate, epoch by epoch: "cosine" down to `end_rate`; "exponential", times `decay` every
            epoch; "steps", times `decay` at each of the epochs `boundaries`.
        end_rate, decay, boundaries: see `schedule`.
        momentum, nesterov: of SGD.
        weight_decay: as PyTorch's SGD has it: coupled, over all weights.
        clip_norm: largest norm of the gradient over all weights, or None.
        l1: factor of the absolute values of all weights (`regularize`).
        moving: what moves the loss's hyper-parameters, as `read_callbacks` reads it, or None.
        augmentation: recipe of `data.load(augment=...)`, or None for the data set's own.
        seed: of the noise and the training, unless others are asked for.
        table: the table or figure of `expected`, or None.
        expected: accuracy of the last epoch in the paper, or None where it could not be verified.
        missing: settings that no source at hand gives; they are None. Such a row cannot be run as it is.
        contested: what other sources say, and where the row leaves the code that it follows.
    """

    paper: str
    dataset: str
    label: str
    loss: str
    network: str
    source: str
    noise: str | None = None
    exact_noise: bool = False
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    schedule: str | None = None
    end_rate: float = 0.0
    decay: float | None = None
    boundaries: tuple = ()
    momentum: float | None = None
    nesterov: bool = False
    weight_decay: float | None = None
    clip_norm: float | None = None
    l1: float = 0.0
    moving: str | None = None
    augmentation: str | None = None
    seed: int = 0
    table: str | None = None
    expected: Cell | None = None
    missing: tuple = ()
    contested: tuple = ()

    def __post_init__(self):
        for name in ("label", "loss", "source"):
            _set(self, name, _text("Recipe", name, getattr(self, name)))
        for name, rule in _CHECKS.items():
            _set(self, name, rule.check("Recipe", name, getattr(self, name)))
        for name in ("boundaries", "missing", "contested"):
            _set(self, name, tuple(getattr(self, name)))
        for name in self.missing:
            OneOf((*_SETTINGS, "decay", "boundaries")).check("Recipe", "missing", name)
        for name, rule in _SETTINGS.items():
            value = getattr(self, name)
            if name not in self.missing:
                _set(self, name, rule.check("Recipe", name, value))
            elif value is not None:
                refuse("Recipe", name, _NOT_THERE, value)
        if self.noise is not None:
            parse(self.noise)
            if self.wrong_as_given:
                refuse("Recipe", "noise", f"None for {self.dataset}, whose labels are wrong as they come", self.noise)
        if self.exact_noise and (self.noise is None or parse(self.noise).kind in ("instance", "human")):
            refuse("Recipe", "exact_noise", "False without noise that a transition matrix draws", self.exact_noise)
        if self.augmentation is not None:
            OneOf(AUGMENTATIONS).check("Recipe", "augmentation", self.augmentation)
        if not isinstance(self.expected, Cell | None):
            refuse("Recipe", "expected", "a Cell or None", self.expected)
        self._check_decay()

    def _check_decay(self):
        wanted = self.schedule in ("exponential", "steps") and "decay" not in self.missing
        if wanted or self.decay is not None:
            _set(self, "decay", Interval(0.0, 1.0, open_low=True).check("Recipe", "decay", self.decay))
        _set(self, "boundaries", tuple(_COUNT.check("Recipe", "boundaries", epoch) for epoch in self.boundaries))
        stepping = self.schedule == "steps" and "boundaries" not in self.missing
        if list(self.boundaries) != sorted(set(self.boundaries)) or bool(self.boundaries) != stepping:
            refuse("Recipe", "boundaries", "rising epochs, at least one for steps and none otherwise", self.boundaries)

    @property
    def name(self) -> str:
        """How it is called: PAPER/DATASET/NOISE/LOSS, where NOISE is "clean" or "real" without a noise string."""
        noise = self.noise or ("real" if self.wrong_as_given else "clean")
        loss = self.label.lower().replace("*", "-star").replace(" ", "-")
        return f"{self.paper}/{self.dataset}/{noise}/{loss}"

    @property
    def wrong_as_given(self) -> bool:
        """Whether the data set comes with wrong labels, so that none are drawn."""
        return CATALOG[self.dataset].wrong_as_given

    @property
    def verified(self) -> bool:
        """Whether the accuracy to expect was read in a source."""
        return self.expected is not None

    @property
    def runnable(self) -> bool:
        """Whether every setting is known."""
        return not self.missing

    def changed(self, **settings) -> "Recipe":
        """The recipe with other settings; those that were missing are no longer.

        Raises:
            TypeError: for an unknown field.
            ValueError: for a value that does not fit.

        Example:

        >>> recipe = keras_robust.recipes.get("logit-bias/fashion_mnist/clean/mae-star").changed(epochs=100)
        >>> recipe.epochs, "epochs" in recipe.missing
        (100, False)
        """
        if unknown := sorted(settings.keys() - set(FIELDS)):
            raise TypeError(f"A recipe has no setting {unknown[0]!r}. It has: {', '.join(FIELDS)}.")
        missing = tuple(name for name in self.missing if name not in settings)
        if settings.get("schedule", "steps") != "steps":
            missing = tuple(name for name in missing if name not in ("decay", "boundaries"))
        return replace(self, **{"missing": missing, **settings})

    def build_loss(self) -> RobustLoss:
        """A new loss of logits."""
        return read_loss(self.loss)

    def callbacks(self) -> list:
        """New callbacks that move the loss's hyper-parameters, for one run."""
        return read_callbacks(self.moving) if self.moving else []

    def rate(self, epoch: int, epochs: int | None = None) -> float:
        """The learning rate of an epoch, counted from 0, in a training of `epochs` epochs (the recipe's, if None).

        Raises:
            ValueError: if a setting that it needs is missing.

        Example:

        >>> recipe = keras_robust.recipes.get("anl/cifar10/symmetric:0.4/anl-ce")
        >>> [round(recipe.rate(epoch), 6) for epoch in (0, 60, 119)]
        [0.01, 0.005, 2e-06]
        """
        if self.missing:
            refuse("rate", "recipe", f"complete; {self.name} lacks {', '.join(self.missing)}", self.name)
        if self.schedule == "cosine":
            share = (1 + math.cos(math.pi * epoch / (epochs or self.epochs))) / 2
            return self.end_rate + (self.learning_rate - self.end_rate) * share
        steps = epoch if self.schedule == "exponential" else sum(epoch >= boundary for boundary in self.boundaries)
        return self.learning_rate * self.decay**steps

    def to_dict(self) -> dict:
        """Its fields, as JSON has them."""
        return json.loads(self.to_json())

    def to_json(self) -> str:
        """Its fields as JSON.

        Example:

        >>> recipe = keras_robust.recipes.get("anl/cifar10/symmetric:0.4/anl-ce")
        >>> type(recipe).from_dict(recipe.to_dict()) == recipe
        True
        """
        return json.dumps(asdict(self))

    @classmethod
    def from_dict(cls, values: dict) -> "Recipe":
        """The recipe with these fields.

        Raises:
            TypeError: for an unknown field.
            ValueError: for a value that does not fit.
        """
        cell = values.get("expected")
        return cls(**{**values, "expected": Cell(**cell) if isinstance(cell, dict) else cell})


FIELDS = tuple(field.name for field in fields(Recipe))


def _set(row, name, value):
    object.__setattr__(row, name, value)


def _text(owner, name, value):
    if not isinstance(value, str) or not value.strip():
        refuse(owner, name, "a text", value)
    return value
