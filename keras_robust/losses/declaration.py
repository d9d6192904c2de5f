"""Arguments of losses as data: a class lists them, the base class builds its constructor from the list.

    class GCE(ElementaryLoss):
        q: float = parameter(default=0.7, within=at_least(0.0))

gives `GCE(q=0.7, *, from_logits=False, ...)` with a checked, serialized, read-only attribute `q`.
"""

import copy
import dataclasses
import inspect
import math
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple, dataclass_transform

import keras
import numpy as np
from keras import ops

from keras_robust import backend
from keras_robust.checks import Interval, refuse
from keras_robust.losses.saved import check_saved, restored
from keras_robust.registration import snake_case

REQUIRED = inspect.Parameter.empty


class Moving(keras.Variable):
    """A hyper-parameter that a callback moves during training; it weighs losses as a number does."""

    #: The callback that assigned it last.
    mover = None

    def __mul__(self, other):
        return NotImplemented if isinstance(other, DeclaredLoss) else super().__mul__(other)

    def __repr__(self):
        # Without the value, which cannot be read while TensorFlow traces a step and asks for this.
        return "moving"


def current(value):
    """A hyper-parameter for use in a formula: a number, or the tensor of one that moves."""
    if not isinstance(value, Moving):
        return value
    if backend.is_frozen(value):
        raise ValueError(
            f"The hyper-parameter {value.name!r} of this loss is moved by a callback of another model, and a step that "
            "JAX compiles for this one would never see it move. Give each model a loss of its own, such as "
            "type(loss).from_config(loss.get_config())."
        )
    if backend.is_lent(value):
        raise ValueError(
            f"The hyper-parameter {value.name!r} of this loss moves, and its value is in `metrics_variables` of the "
            "step that JAX compiles. In a `train_step` of your own call "
            "self.stateless_compute_loss(trainable_variables, non_trainable_variables, metrics_variables, "
            "x=x, y=y, y_pred=y_pred, training=True), which returns the "
            "loss first, in place of self.compute_loss(...)."
        )
    return ops.convert_to_tensor(value)


def as_number(value):
    """A hyper-parameter for people and files."""
    # + 0.0: under a TensorFlow strategy the variable is a copy for each replica, and only arithmetic reads one.
    return float(ops.convert_to_numpy(value + 0.0)) if isinstance(value, Moving) else value


class Parameter:
    """A read-only attribute of a loss, checked by `within` when the loss is made."""

    def __init__(self, default, within, fixed=False, kw_only=False):
        self.default = default
        self.within = within
        self.fixed = fixed
        self.kind = inspect.Parameter.KEYWORD_ONLY if kw_only else inspect.Parameter.POSITIONAL_OR_KEYWORD

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, loss, owner=None):
        # From the loss' __dict__ it cannot be: PyTorch 2.11 compiles a look into that as one at this attribute.
        return self if loss is None else loss._arguments[self.name]

    def __set__(self, loss, value):
        kind = type(loss).__name__
        raise AttributeError(
            f"`{self.name}` of {kind} cannot be assigned, because a compiled training step would not see it change. "
            "Move it with a callback, keras_robust.callbacks.HyperparameterSchedule, or make a new loss: "
            f"{kind}({self.name}={value!r}, ...)."
        )

    @property
    def is_hyperparameter(self) -> bool:
        """Whether this is a number that weighs or shapes the loss, not a choice, a part or a count of steps."""
        return isinstance(self.within, Interval) and not self.fixed

    def signature(self) -> inspect.Parameter:
        return inspect.Parameter(self.name, self.kind, default=self.default)


def parameter(*, default: Any = REQUIRED, within: Any, fixed: bool = False, kw_only: bool = False) -> Any:
    """Declares an argument of a loss.

    Args:
        default: its default; without one the argument is required.
        within: its constraint, see `checks`.
        fixed: marks a number that is no hyper-parameter, such as a count of iterations.
        kw_only: whether it can only be given by name.
    """
    return Parameter(default, within, fixed, kw_only)


def parameters_of(cls) -> dict[str, Parameter]:
    """The declared parameters of a class, base classes first."""
    return cls._parameters


def _shared(*, from_logits=False, ignore_class=None, reduction="sum_over_batch_size", name=None, dtype=None):
    """The keyword arguments of every loss; documented in `base.RobustLoss`."""


SHARED = inspect.signature(_shared).parameters
DEFAULTS = {key: argument.default for key, argument in SHARED.items()}


@dataclass_transform(field_specifiers=(parameter,))
class DeclaredLoss(keras.losses.Loss):
    """A Keras loss whose constructor, configuration and hyper-parameters follow from its declared parameters."""

    if TYPE_CHECKING:
        # What `_shared` says, for tools that read the constructor from the fields.
        from_logits: bool = parameter(default=False, within=None, kw_only=True)
        ignore_class: int | None = parameter(default=None, within=None, kw_only=True)
        reduction: str | None = parameter(default="sum_over_batch_size", within=None, kw_only=True)
        name: str | None = parameter(default=None, within=None, kw_only=True)
        dtype: Any = parameter(default=None, within=None, kw_only=True)

    _parameters: dict = {}

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls._parameters = {}
        for base in reversed(cls.__mro__):
            cls._parameters.update({name: value for name, value in vars(base).items() if isinstance(value, Parameter)})
        for name in cls._parameters:
            if not isinstance(inspect.getattr_static(cls, name), Parameter):
                anew = f"{name} = parameter(default=..., within=...)"
                raise TypeError(f"`{name}` of {cls.__name__} hides the argument of that name. Declare it anew: {anew}.")
        if "__init__" in vars(cls):
            return
        signature = inspect.Signature([*(p.signature() for p in cls._parameters.values()), *SHARED.values()])

        def __init__(self, *args, **kwargs):  # noqa: N807
            self._make(signature, args, kwargs)

        __init__.__signature__ = signature.replace(
            parameters=[inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY), *signature.parameters.values()]
        )
        cls.__init__ = __init__
        cls.__signature__ = signature

    def _make(self, signature, args, kwargs):
        kind = type(self).__name__
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{kind}: {error}. Its arguments are {signature}.") from None
        self._explicit = {key for key in SHARED if key in bound.arguments}
        bound.apply_defaults()
        declared = parameters_of(type(self)).items()
        self._arguments = {name: its.within.check(kind, name, bound.arguments[name]) for name, its in declared}
        self._configure(**{key: bound.arguments[key] for key in SHARED})
        self._check()

    def _configure(self, from_logits, ignore_class, reduction, name, dtype):
        reduction = None if reduction == "none" else reduction  # Keras has two names for it
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

    @property
    def parts(self) -> dict[str, "DeclaredLoss"]:
        """The losses that this one was given, by the names of its arguments."""
        return {
            name: getattr(self, name)
            for name in parameters_of(type(self))
            if isinstance(getattr(self, name), DeclaredLoss)
        }

    def _own_hyperparameters(self) -> dict[str, Any]:
        return {
            name: getattr(self, name)
            for name, declared in parameters_of(type(self)).items()
            if declared.is_hyperparameter
        }

    @property
    def hyperparameters(self) -> dict[str, float]:
        """All numbers that shape the loss, those of its parts included, as they are now.

        A name that occurs once stands alone ("q"); one that several parts share is dotted ("active.gamma").
        """
        return {name: as_number(slot.value) for name, slot in self.slots().items()}

    def slots(self) -> dict[str, "Slot"]:
        """Where each of the `hyperparameters` is kept."""
        leaves = list(self.paths())
        count = Counter(path[-1] for path, _ in leaves)
        return {path[-1] if count[path[-1]] == 1 else ".".join(path): slot for path, slot in leaves}

    def slot(self, name: str) -> "Slot":
        """Where the hyper-parameter `name` is kept.

        Raises:
            ValueError: for a name that is not one of `hyperparameters`.
        """
        slots = self.slots()
        if name not in slots:
            raise ValueError(f"{self!r} has no hyper-parameter {name!r}. It has: {', '.join(slots) or 'none'}.")
        return slots[name]

    def paths(self):
        """Path and slot of each hyper-parameter, those of the parts included."""
        for name in self._own_hyperparameters():
            yield (name,), Slot(self, name)
        for key, part in self.parts.items():
            for path, slot in part.paths():
                yield (key, *path), slot

    def read(self, key):
        """The number or variable kept under `key`."""
        return self._arguments[key]

    def write(self, key, value):
        self._arguments[key] = value

    def declared_constraint(self, key) -> Interval:
        """What the number under `key` may be when the loss is made."""
        return parameters_of(type(self))[key].within

    def constraint_now(self, key) -> Interval:
        """What a schedule may set the number under `key` to: a whole number may move through fractions."""
        return dataclasses.replace(self.declared_constraint(key), integer=False, optional=False)

    def move(self, name: str, value: float) -> Moving:
        """Turns the hyper-parameter `name` into a variable that starts at `value`, and returns it.

        For callbacks: they attach the variable to the model, else a compiled step on JAX would not see it move.

        Raises:
            ValueError: for a name that is not one of `hyperparameters`.
        """
        slot = self.slot(name)
        if not isinstance(slot.value, Moving):
            value = self.check_hyperparameter(name, value)
            slot.write(Moving(value, dtype=self._number_dtype(), trainable=False, name=str(slot.key)))
            self.refresh()
        return slot.value

    def _number_dtype(self):
        return "float64" if self.dtype == "float64" else "float32"

    def moving(self) -> list[Moving]:
        """The hyper-parameters that became variables."""
        return [slot.value for slot in self.slots().values() if isinstance(slot.value, Moving)]

    def check_hyperparameter(self, name, value):
        """`value` if the hyper-parameter `name` exists and may have it, else a ValueError."""
        slot = self.slot(name)
        value = slot.constraint.check(type(slot.owner).__name__, name, value)
        # A variable holds it in its own dtype, where a number next to an open border may fall on it.
        with np.errstate(over="ignore", under="ignore"):
            held = float(np.dtype(self._number_dtype()).type(value))
        slot.constraint.check(type(slot.owner).__name__, name, held)
        return value

    def constraint(self, name: str) -> Interval:
        """What the hyper-parameter `name` may be when the loss is made.

        Raises:
            ValueError: for a name that is not one of `hyperparameters`.
        """
        slot = self.slot(name)
        return slot.owner.declared_constraint(slot.key)

    def with_hyperparameters(self, values: dict[str, float]):
        """A new loss like this one, with other numbers; what is not named is as it is here now, and nothing moves.

        Raises:
            ValueError: for a name that is not one of `hyperparameters`, or a value out of its range.

        Example:

        >>> loss = keras_robust.LogitBias(keras_robust.GCE(q=0.7), epsilon=2.0)
        >>> loss.with_hyperparameters({"q": 0.5}).hyperparameters
        {'epsilon': 2.0, 'q': 0.5}
        """
        changed = copy.deepcopy(self)
        for name, value in values.items():
            slot = changed.slot(name)
            rule = slot.owner.declared_constraint(slot.key)
            slot.write(rule.check(type(slot.owner).__name__, name, value))
        changed.refresh()
        return changed

    def __deepcopy__(self, memo):
        """A copy in which nothing moves. Keras would write a file in memory, and import TensorFlow to do so."""
        # deepcopy takes what it meets from the memo: a moving hyper-parameter is copied as the number it is now.
        memo.update({id(variable): as_number(variable) for variable in self.moving()})
        copied = memo[id(self)] = object.__new__(type(self))
        vars(copied).update(copy.deepcopy(vars(self), memo))
        copied.refresh()
        return copied

    def refresh(self):
        """Draws the consequences of a hyper-parameter that became a variable, from the parts up."""
        for part in self.parts.values():
            part.refresh()
        self._check()

    def get_config(self):
        config = {}
        for name, declared in parameters_of(type(self)).items():
            value = as_number(getattr(self, name))
            if isinstance(value, float) and getattr(declared.within, "integer", False):
                value = math.floor(value + 0.5)
            config[name] = keras.saving.serialize_keras_object(value) if isinstance(value, DeclaredLoss) else value
        return config | {
            "from_logits": self.from_logits,
            "ignore_class": self.ignore_class,
            "reduction": self.reduction,
            "name": self.name,
            "dtype": None if self._dtype_is_default else self.dtype,
        }

    @classmethod
    def from_config(cls, config):
        """The loss that `get_config` described. A keyword that holds its default counts as not set."""
        check_saved(cls, config, inspect.signature(cls))
        config = {name: restored(value) if isinstance(value, dict) else value for name, value in config.items()}
        loss = cls(**config)
        loss._explicit = {key for key in loss._explicit if config[key] != DEFAULTS[key]}
        return loss

    def shown(self) -> list[str]:
        """The arguments that tell this loss from another of its class."""
        return list(parameters_of(type(self)))

    def __repr__(self):
        own = [f"{name}={getattr(self, name)!r}" for name in self.shown()]
        own += [f"{key}={getattr(self, key)!r}" for key in SHARED if key in self._explicit]
        return f"{type(self).__name__}({', '.join(own)})"


class Slot(NamedTuple):
    """Where one hyper-parameter is kept: the loss that owns it, and its key there."""

    owner: DeclaredLoss
    key: Any

    @property
    def value(self):
        """The number, or the variable of one that moves."""
        return self.owner.read(self.key)

    def write(self, value):
        self.owner.write(self.key, value)

    @property
    def constraint(self) -> Interval:
        """What a schedule may set it to."""
        return self.owner.constraint_now(self.key)


class Part:
    """The constraint of an argument that is itself a loss."""

    def check(self, owner, name, value):
        if isinstance(value, DeclaredLoss):
            return value
        refuse(owner, name, "a loss of keras_robust, such as keras_robust.CE()", value)
