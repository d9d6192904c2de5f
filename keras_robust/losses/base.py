"""What all losses share: labels, checks, reduction, configuration. A loss itself only says `per_sample(evidence)`."""

import inspect
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, dataclass_transform

import keras
import numpy as np
from keras import ops
from keras.src.backend.common.masking import get_keras_mask
from keras.src.losses.loss import reduce_weighted_values

from keras_robust import backend
from keras_robust.checks import refuse
from keras_robust.labels import Ids, read_labels
from keras_robust.losses.evidence import Evidence, Probability
from keras_robust.losses.inputs import (
    align_weights,
    as_predictions,
    explain_nan,
    log_of_probabilities,
    warn_about_predictions,
)
from keras_robust.losses.parameters import parameter, parameters_of


def _shared(*, from_logits=False, ignore_class=None, reduction="sum_over_batch_size", name=None, dtype=None):
    """The keyword arguments of every loss; documented in `RobustLoss`."""


SHARED = inspect.signature(_shared).parameters
DEFAULTS = {key: argument.default for key, argument in SHARED.items()}


@dataclass_transform(field_specifiers=(parameter,))
class RobustLoss(keras.losses.Loss):
    """Base class of all losses of this package.

    Shared arguments:
        from_logits: whether `y_pred` holds logits (recommended) or probabilities. Probabilities are renormalised and
            floored at 2^-126.
        ignore_class: a class id whose samples count for nothing, for example 255 in segmentation; None: no class.
        reduction: "sum_over_batch_size" (alias "mean"), "sum", "mean_with_sample_weight", or None ("none").
        name: name of the loss; by default made from the class name.
        dtype: dtype of the computation, float32 at least whatever is asked for. By default the widest of Keras'
            `floatx`, float32 and the dtype of `y_pred`.

    Shapes:
        y_pred: (..., K), classes last, K >= 2.
        y_true: class ids (integers) of shape (...) or (..., 1), or one-hot / soft labels t of shape (..., K), for
            which the loss is the expectation sum_k t_k L(k).
        Per-sample loss (`reduction=None`): (...).

    Losses can be weighted and added: `2.0 * CE() + MAE()` is a loss that computes what both need once.

    Raises:
        ValueError: for an argument out of range (in the constructor); for shapes that do not fit, float ids, K = 1
            (at the first call); for ids outside [0, K) and negative probabilities (eagerly; in a compiled step the
            loss of such a sample is NaN).
    """

    if TYPE_CHECKING:
        from_logits: bool
        ignore_class: int | None

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            return
        own = [p.signature() for p in parameters_of(cls).values()]
        signature = inspect.Signature(own + list(SHARED.values()))

        def __init__(self, *args, **kwargs):  # noqa: N807
            self._make(signature, args, kwargs)

        __init__.__signature__ = signature.replace(
            parameters=[inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY), *signature.parameters.values()]
        )
        cls.__init__ = __init__
        cls.__signature__ = signature

    # Constructor

    def _make(self, signature, args, kwargs):
        kind = type(self).__name__
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{kind}: {error}. Its arguments are {signature}.") from None
        self._explicit = {key for key in SHARED if key in bound.arguments}
        bound.apply_defaults()
        for name, declared in parameters_of(type(self)).items():
            self.__dict__[name] = declared.within.check(kind, name, bound.arguments[name])
        self._configure(**{key: bound.arguments[key] for key in SHARED})
        self._check()

    def _configure(self, from_logits, ignore_class, reduction, name, dtype):
        super().__init__(name=name or snake_case(type(self).__name__), reduction=reduction, dtype=dtype)
        if not isinstance(from_logits, bool):
            refuse(type(self).__name__, "from_logits", "True or False", from_logits)
        if ignore_class is not None and (
            isinstance(ignore_class, bool) or not isinstance(ignore_class, int | np.integer)
        ):
            refuse(type(self).__name__, "ignore_class", "a class id (an integer) or None", ignore_class)
        self.from_logits = from_logits
        self.ignore_class = None if ignore_class is None else int(ignore_class)
        self._dtype_is_default = dtype is None
        self._warned = False
        for part in self.parts.values():
            for key in sorted(part._explicit - {"name"}):
                if getattr(part, key) != getattr(self, key):
                    raise ValueError(
                        f"`{key}` of {type(part).__name__} is set to {getattr(part, key)!r} inside "
                        f"{type(self).__name__}, which has {key}={getattr(self, key)!r}. Set it on the outer loss."
                    )

    def _check(self):
        """Rules between arguments; each loss adds its own."""

    # What a loss defines

    def per_sample(self, evidence: Evidence) -> Any:
        """Loss (...) of each sample, from its evidence."""
        raise TypeError(f"{type(self).__name__} does not define per_sample(evidence).")

    #: Whether the loss is a function of one probability, p_y: then it has `value`, `weight` and `total`.
    of_probability = False

    #: Whether the loss of an id is a function of the margin alone: then it has `label_weight`.
    of_margin = False

    #: Whether the loss falls strictly as p_y rises, as NegativeNormalized needs.
    decreasing = False

    #: Whether samples of a batch enter each other's loss.
    batch_coupled = False

    def value(self, p: Probability) -> Any:
        """The loss at a probability, for losses with `of_probability`."""
        raise TypeError(f"{type(self).__name__} is not a function of one probability.")

    def weight(self, p: Probability) -> Any:
        """- d loss / d margin at a probability, with its sign, for losses with `of_probability`."""
        raise TypeError(f"{type(self).__name__} is not a function of one probability.")

    def total(self, evidence: Evidence) -> Any:
        """Sum of the loss over all K labels that a sample could have, for losses with `of_probability`."""
        return evidence.over_classes(self.value)

    def label_weight(self, evidence: Evidence) -> Any:
        """- d loss / d margin at the label, with its sign, for losses with `of_margin`."""
        return self.weight(evidence.label)

    # Composition

    @property
    def parts(self) -> dict[str, "RobustLoss"]:
        """The losses that this one was given, by the names of its arguments."""
        return {
            name: getattr(self, name)
            for name in parameters_of(type(self))
            if isinstance(getattr(self, name), RobustLoss)
        }

    def _own_hyperparameters(self) -> dict[str, Any]:
        return {
            name: getattr(self, name)
            for name, declared in parameters_of(type(self)).items()
            if declared.is_hyperparameter
        }

    @property
    def hyperparameters(self) -> dict[str, float]:
        """All numbers that shape the loss, those of its parts included.

        A name that occurs once stands alone ("q"); one that several parts share is dotted ("active.gamma").
        """
        leaves = list(self._walk())
        count = Counter(path[-1] for path, _ in leaves)
        return {path[-1] if count[path[-1]] == 1 else ".".join(path): value for path, value in leaves}

    def _walk(self):
        for name, value in self._own_hyperparameters().items():
            yield (name,), value
        for key, part in self.parts.items():
            for path, value in part._walk():
                yield (key, *path), value

    def __add__(self, other):
        from keras_robust.losses.algebra import add

        return add(self, other)

    def __mul__(self, weight):
        from keras_robust.losses.algebra import scale

        return scale(self, weight)

    def __radd__(self, other):
        # The built-in sum() starts from the number 0.
        return self if isinstance(other, int) and other == 0 else NotImplemented

    __rmul__ = __mul__

    # Keras' side

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The reduced loss; see `keras.losses.Loss`. Ids keep their dtype, NaNs under weight 0 stay out."""
        with keras.name_scope(self.name):
            mask = get_keras_mask(y_pred)
            y_pred = as_predictions(y_pred)
            leading = len(y_pred.shape) - 1
            if mask is not None:
                mask = ops.cast(mask, "bool")
            if sample_weight is not None:
                sample_weight = align_weights(ops.convert_to_tensor(sample_weight), leading)
            losses, mask = self._losses(y_true, y_pred, mask, sample_weight)
            return reduce_weighted_values(
                losses, sample_weight=sample_weight, mask=mask, reduction=self.reduction, dtype=losses.dtype
            )

    def call(self, y_true, y_pred):
        """The loss of each sample, of shape `y_pred.shape[:-1]`; 0 for samples of the class to ignore."""
        return self._losses(y_true, as_predictions(y_pred))[0]

    def implicit_weight(self, y_true, y_pred) -> Any:
        """The weight that the loss gives each sample, of shape `y_pred.shape[:-1]` and at least 0.

        For a function of the label's margin this is |dL / dmargin|; for a loss that also depends on the other classes,
        half the L1 norm of its gradient in the logits. The two agree where both exist.

        Reference: C (Ou & Zhang 2023), with the sign of the weight taken positive.

        Raises:
            ValueError: for a batch-coupled loss, whose gradient does not belong to one sample.
        """
        if self.batch_coupled:
            raise ValueError(
                f"{type(self).__name__} has no implicit sample weight: its gradient in the logits of one sample "
                "depends on the other samples of the batch."
            )
        evidence, ignored, _ = self._evidence(y_true, as_predictions(y_pred))
        if self.of_margin and evidence.has_ids:
            weight = ops.abs(self.label_weight(evidence))
        else:
            labels = evidence.labels
            slope = backend.gradient(lambda z: self.per_sample(Evidence(z, labels)), evidence.logits)
            weight = 0.5 * ops.sum(ops.abs(slope), axis=-1)
        return weight if ignored is None else ops.where(ignored, 0.0, weight)

    # From y_true and y_pred to evidence

    def _evidence(self, y_true, y_pred, mask=None, sample_weight=None):
        """Evidence of the samples that count, the ignored ones, and which count (None: all)."""
        dtype = self._compute_dtype(y_pred)
        labels = read_labels(y_true, y_pred, self.ignore_class, dtype)
        if not self._warned:
            self._warned = warn_about_predictions(self.name, self.from_logits, y_pred)
        valid = None
        if labels.ignored is not None:
            valid = ops.logical_not(labels.ignored)
        if mask is not None:
            valid = mask if valid is None else ops.logical_and(valid, mask)
        if sample_weight is not None:
            weighted = ops.logical_and(ops.not_equal(sample_weight, 0), ops.ones_like(y_pred[..., 0], dtype="bool"))
            valid = weighted if valid is None else ops.logical_and(valid, weighted)
        if valid is not None:
            # A sample that does not count must not even bring a NaN: 0 * NaN is NaN, in gradients too.
            y_pred = ops.where(valid[..., None], y_pred, ops.ones_like(y_pred))
        logits = ops.cast(y_pred, dtype) if self.from_logits else log_of_probabilities(y_pred, dtype)
        return Evidence(logits, labels, valid), labels.ignored, valid

    def _losses(self, y_true, y_pred, mask=None, sample_weight=None):
        """Loss of each sample, and which of them enter the mean (None: all)."""
        evidence, ignored, valid = self._evidence(y_true, y_pred, mask, sample_weight)
        losses = self.per_sample(evidence)
        if isinstance(evidence.labels, Ids):
            losses = ops.where(evidence.labels.wrong, float("nan"), losses)
        if valid is not None:
            losses = ops.where(valid, losses, 0.0)
        if backend.is_concrete(losses) and bool(ops.any(ops.isnan(losses))):
            explain_nan(type(self).__name__, self.from_logits, y_true, y_pred, evidence.labels, valid)
        if ignored is not None:
            kept = ops.logical_not(ignored)
            mask = kept if mask is None else ops.logical_and(mask, kept)
        return losses, mask

    def _compute_dtype(self, y_pred):
        given = keras.backend.standardize_dtype(y_pred.dtype)
        if not self._dtype_is_default:
            given = "float32"
        return "float64" if "float64" in (given, self.dtype) else "float32"

    # Configuration

    def get_config(self):
        config = {}
        for name in parameters_of(type(self)):
            value = getattr(self, name)
            config[name] = keras.saving.serialize_keras_object(value) if isinstance(value, RobustLoss) else value
        dtype = None if self._dtype_is_default else self.dtype
        return config | {
            "from_logits": self.from_logits,
            "ignore_class": self.ignore_class,
            "reduction": self.reduction,
            "name": self.name,
            "dtype": dtype,
        }

    @classmethod
    def from_config(cls, config):
        """The loss that `get_config` described. A keyword that holds its default counts as not set."""
        config = {
            name: keras.saving.deserialize_keras_object(value) if isinstance(value, dict) else value
            for name, value in config.items()
        }
        loss = cls(**config)
        loss._explicit = {key for key in loss._explicit if config[key] != DEFAULTS[key]}
        return loss

    def __repr__(self):
        own = [f"{name}={getattr(self, name)!r}" for name in parameters_of(type(self))]
        own += [f"{key}={getattr(self, key)!r}" for key in SHARED if key in self._explicit]
        return f"{type(self).__name__}({', '.join(own)})"


def snake_case(name: str) -> str:
    """`NFLandMAEStar` -> `nfl_and_mae_star`."""
    words = re.sub(r"(?<=[A-Z])and(?=[A-Z])", "_and_", name)
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", words).lower()
