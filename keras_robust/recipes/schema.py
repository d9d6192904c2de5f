"""What a recipe is: one frozen row of a paper's settings, with the accuracies that were printed for it."""

import json
import math
from dataclasses import asdict, dataclass, fields, replace
from fnmatch import fnmatchcase

from keras_robust.algorithms.reading import Chosen, read_algorithm
from keras_robust.catalog import Dataset, row_of
from keras_robust.checks import Interval, OneOf, at_least, refuse
from keras_robust.losses import RobustLoss
from keras_robust.losses.reading import read_loss
from keras_robust.noise.grammar import parse
from keras_robust.recipes.cell import Cell
from keras_robust.recipes.moving import read_callbacks
from keras_robust.recipes.rules import MISSING, RULES, SETTINGS

_NOT_THERE = "no value, for `missing` names it"
# What a label may hold that a name may not.
_SPELLED = {"*": "-star", "†": "-dagger", "‡": "-double-dagger", " ": "-"}


@dataclass(frozen=True)
class Recipe:
    """One row: what to train on which data, how, and what came out of it in the paper.

    Attributes:
        paper: one of `PAPERS`; None: a recipe of your own.
        dataset: a name of `data.load` that has images to train on; or a row, such as `data.own_images` makes.
        label: what the paper calls the loss, such as "ANL-CE".
        loss: the loss as `read_loss` reads it, such as "ANLCE(alpha=5, beta=5)".
        network: name of a network of `models`.
        source: where the settings are from.
        variant: what tells it from another row of the same paper, data set, noise and label, or None.
        noise: a noise string; None for clean labels, or for labels that are wrong as they come.
        exact_noise: whether exactly floor(n_i T_ij) labels of class i become j, as `noise.corrupt(exact=True)` has it.
        backdoor: trigger that `noise.backdoor` puts into training images, "local" or "global", or None.
        poisoned, target: of the backdoor: how many images get the trigger, and the class that they are labeled as.
        algorithm: the training algorithm, such as "CoTeaching(forget_rate=0.4)", or None for plain training.
        epochs, batch_size: of the training.
        optimizer: "sgd", or "adam", which has no momentum here.
        learning_rate: in the first epoch.
        schedule: of the learning rate, epoch by epoch: "constant"; "cosine" down to `end_rate`; "exponential", times
            `decay` every epoch; "steps", times `decay` at each of the epochs `boundaries`.
        end_rate, decay, boundaries: see `schedule`.
        momentum, nesterov: of SGD.
        weight_decay: as PyTorch's optimizers have it: coupled, over all weights.
        clip_norm: largest norm of the gradient over all weights, or None.
        l1: factor of the absolute values of all weights (`regularize`).
        jacobian: factor of the squared norm of the Jacobian of the outputs in the images, as `JacobianPenalty` has it.
        moving: what moves the loss's hyper-parameters, as `read_callbacks` reads it, or None.
        initializer: of all kernels, biases being zero; None: as the network comes.
        pretrained: whether training starts from weights in a file, which `run` is given, or the name of the data set
            that they are of.
        augmentation: recipe of `data.load(augment=...)`, or None for the data set's own.
        validation: share of the training images that is held out, drawn by `data.held_out`: they are not trained on,
            and the model is measured on them after each epoch.
        validation_labels: labels that it is measured with, "noisy" or "clean"; None if none are held out.
        seed: of the noise and the training, unless others are asked for.
        printed: the paper's `Cell`s of this training: of the recipe's own test images first, then of others, then of
            training images, then success rates of its backdoor; within these as in the paper.
        missing: settings that no source at hand gives; they are None. Such a row cannot be run as it is.
        contested: what other sources say, and where the row leaves the code that it follows.
    """

    paper: str | None
    dataset: str | Dataset
    label: str
    loss: str | None
    network: str | None
    source: str
    variant: str | None = None
    noise: str | None = None
    exact_noise: bool = False
    backdoor: str | None = None
    poisoned: int | None = None
    target: int | None = None
    algorithm: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    optimizer: str = "sgd"
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
    jacobian: float = 0.0
    moving: str | None = None
    initializer: str | None = None
    pretrained: bool | str = False
    augmentation: str | None = None
    validation: float = 0.0
    validation_labels: str | None = None
    seed: int = 0
    printed: tuple = ()
    missing: tuple = ()
    contested: tuple = ()

    def __post_init__(self):
        for name, rule in RULES.items():
            _set(self, name, rule.check("Recipe", name, getattr(self, name)))
        for name in ("boundaries", "missing", "contested", "printed"):
            _set(self, name, tuple(getattr(self, name)))
        for name in self.missing:
            if name not in MISSING:
                refuse("Recipe", "missing", f"names of settings: {', '.join(MISSING)}", name)
            if getattr(self, name) not in (None, ()):
                refuse("Recipe", name, _NOT_THERE, getattr(self, name))
        if self.optimizer == "adam" and self.nesterov:
            refuse("Recipe", "nesterov", "False for Adam", self.nesterov)
        for name, rule in SETTINGS.items():
            value = getattr(self, name)
            if name == "momentum" and self.optimizer == "adam" and value is not None:
                refuse("Recipe", name, "None for Adam, whose moments are PyTorch's", value)
            elif name not in self.missing and (name, self.optimizer) != ("momentum", "adam"):
                _set(self, name, rule.check("Recipe", name, value))
        if not all(isinstance(cell, Cell) for cell in self.printed):
            refuse("Recipe", "printed", "Cells", self.printed)
        self._check_noise()
        self._check_decay()
        if self.augmentation is not None:
            known = tuple(one.name for one in self.row.recipes)
            OneOf(known).check("Recipe", "augmentation", self.augmentation)
        if self.algorithm and self.jacobian:
            refuse("Recipe", "jacobian", "0 with an algorithm, whose step is its own", self.jacobian)
        if self.clip_norm and self.algorithm and self.build_algorithm().kind.networks == 2:
            refuse("Recipe", "clip_norm", f"None for {self.algorithm}: it would couple two networks", self.clip_norm)
        if (self.validation > 0) != (self.validation_labels is not None):
            rule = '"noisy" or "clean" with a share for validation, None without'
            refuse("Recipe", "validation_labels", rule, self.validation_labels)
        if self.validation and (size := self.row.train_size) and not 0 < round(self.validation * size) < size:
            rule = f"a share of {size:,} training images that is one of them or more, and not all"
            refuse("Recipe", "validation", rule, self.validation)
        if self.row.untested and not self.validation:
            rule = f"greater than 0 for {self.row.name}, which has no test images"
            refuse("Recipe", "validation", rule, self.validation)
        if self.validation_labels == "clean" and self.wrong_as_given:
            refuse(
                "Recipe", "validation_labels", f'"noisy" for {self.row.name}, whose true labels nobody knows', "clean"
            )

    def _check_noise(self):
        if self.noise is not None:
            parse(self.noise)
            if self.wrong_as_given:
                refuse("Recipe", "noise", f"None for {self.row.name}, whose labels are wrong as they come", self.noise)
        if self.exact_noise and (self.noise is None or parse(self.noise).kind in ("instance", "human")):
            refuse("Recipe", "exact_noise", "False without noise that a transition matrix draws", self.exact_noise)
        if self.backdoor is not None and (self.noise is not None or self.wrong_as_given):
            refuse("Recipe", "backdoor", "None where labels are wrong in other ways", self.backdoor)
        for name in ("poisoned", "target"):
            if (getattr(self, name) is None) != (self.backdoor is None):
                refuse("Recipe", name, "a number with a backdoor, None without", getattr(self, name))
        if self.target is not None and self.target >= self.row.num_classes:
            refuse("Recipe", "target", f"a class of {self.row.name}, less than {self.row.num_classes}", self.target)

    def _check_decay(self):
        wanted = self.schedule in ("exponential", "steps") and "decay" not in self.missing
        if wanted or self.decay is not None:
            _set(self, "decay", Interval(0.0, 1.0, open_low=True).check("Recipe", "decay", self.decay))
        count = at_least(1, integer=True)
        _set(self, "boundaries", tuple(count.check("Recipe", "boundaries", epoch) for epoch in self.boundaries))
        stepping = self.schedule == "steps" and "boundaries" not in self.missing
        if list(self.boundaries) != sorted(set(self.boundaries)) or bool(self.boundaries) != stepping:
            refuse("Recipe", "boundaries", "rising epochs, at least one for steps and none otherwise", self.boundaries)

    @property
    def name(self) -> str:
        """How it is called: PAPER/DATASET/NOISE/LOSS, where NOISE is "clean" or "real" without a noise string.

        PAPER is "own" where there is none. A fifth part, `variant`, stands where these four do not tell rows apart.
        """
        noise = self.noise or ("real" if self.wrong_as_given else "clean")
        if self.backdoor:
            noise = f"backdoor:{self.backdoor}"
        loss = self.label.lower()
        for sign, spelled in _SPELLED.items():
            loss = loss.replace(sign, spelled)
        return "/".join((self.paper or "own", self.row.name, noise, loss, *([self.variant] if self.variant else [])))

    @property
    def row(self) -> Dataset:
        """The row of its data set."""
        return row_of(self.dataset)

    @property
    def wrong_as_given(self) -> bool:
        """Whether the data set comes with wrong labels, so that none are drawn."""
        return self.row.wrong_as_given

    @property
    def expected(self) -> Cell | None:
        """The first cell of a test accuracy that has a value, or None."""
        return next((cell for cell in self.printed if cell.of_test and cell.value is not None), None)

    @property
    def expected_attack(self) -> Cell | None:
        """The success rate of the backdoor that the paper prints, or None."""
        return next((cell for cell in self.printed if cell.of_attack), None)

    @property
    def verified(self) -> bool:
        """Whether the paper prints a test accuracy."""
        return self.expected is not None

    @property
    def obstacles(self) -> tuple:
        """Why it cannot be run."""
        return (f"it lacks {', '.join(self.missing)}",) if self.missing else ()

    @property
    def runnable(self) -> bool:
        """Whether every setting is known."""
        return not self.obstacles

    def fits(self, **wanted) -> bool:
        """Whether all of these fields or properties are what is wanted, as `recipes.find` reads it."""
        return all(fits(getattr(self, name), value) for name, value in wanted.items())

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

    def build_algorithm(self) -> Chosen | None:
        """What trains the network, if not plain training."""
        return read_algorithm(self.algorithm) if self.algorithm else None

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
        match self.schedule:
            case "constant":
                return self.learning_rate
            case "cosine":
                share = (1 + math.cos(math.pi * epoch / (epochs or self.epochs))) / 2
                return self.end_rate + (self.learning_rate - self.end_rate) * share
            case "exponential":
                return self.learning_rate * self.decay**epoch
        return self.learning_rate * self.decay ** sum(epoch >= boundary for boundary in self.boundaries)

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
        cells = (Cell(**cell) if isinstance(cell, dict) else cell for cell in values.get("printed", ()))
        return cls(**{**values, "printed": tuple(cells)})


FIELDS = tuple(field.name for field in fields(Recipe))


def fits(value, wanted) -> bool:
    """Whether a value is what is wanted: a text, perhaps with shell patterns, a number, None, or one of several."""
    if isinstance(wanted, list | set | tuple):
        return any(fits(value, one) for one in wanted)
    if isinstance(value, tuple):
        return any(fits(one, wanted) for one in value)
    if isinstance(value, str) and isinstance(wanted, str):
        return value.lower() == wanted.lower() or fnmatchcase(value.lower(), wanted.lower())
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return value == wanted


def _set(row, name, value):
    object.__setattr__(row, name, value)
