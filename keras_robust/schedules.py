"""Schedules: pure functions (epoch, epochs) -> value, epochs counted from 0.

Being functions of the epoch alone they need no state: a run that resumes at epoch 40 is at the value of epoch 40.
"""

from bisect import bisect_right
from dataclasses import asdict, dataclass

from keras_robust.checks import Interval, at_least, refuse
from keras_robust.registration import registered

NUMBER = Interval()


class Schedule:
    """Base class: `schedule(epoch, epochs)` is the value at `epoch` (from 0) of a training of `epochs` epochs."""

    def __call__(self, epoch: int, epochs: int) -> float:
        raise TypeError(f"{type(self).__name__} does not define __call__(epoch, epochs).")

    def get_config(self) -> dict:
        return asdict(self)

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def _number(self, name, rule=NUMBER):
        object.__setattr__(self, name, rule.check(type(self).__name__, name, getattr(self, name)))

    def _numbers(self, name):
        values = getattr(self, name)
        if isinstance(values, str) or not hasattr(values, "__len__") or len(values) == 0:
            refuse(type(self).__name__, name, "a list of at least one number", values)
        object.__setattr__(self, name, tuple(NUMBER.check(type(self).__name__, name, value) for value in values))


@registered
@dataclass(frozen=True)
class Constant(Schedule):
    """Always `value`."""

    value: float

    def __post_init__(self):
        self._number("value")

    def __call__(self, epoch, epochs):
        return self.value


@registered
@dataclass(frozen=True)
class Linear(Schedule):
    """From `start` in the first epoch to `end` in the last, in equal steps."""

    start: float
    end: float

    def __post_init__(self):
        self._number("start")
        self._number("end")

    def __call__(self, epoch, epochs):
        share = epoch / max(1, epochs - 1)
        return (1.0 - share) * self.start + share * self.end


@registered
@dataclass(frozen=True)
class Exponential(Schedule):
    """start * rate^epoch."""

    start: float
    rate: float

    def __post_init__(self):
        self._number("start")
        self._number("rate", Interval(0.0, open_low=True))

    def __call__(self, epoch, epochs):
        return self.start * self.rate**epoch


@registered
@dataclass(frozen=True)
class Cycle(Schedule):
    """Each of `values` for `hold` epochs, and from the first again after the last."""

    values: tuple
    hold: int

    def __post_init__(self):
        self._numbers("values")
        self._number("hold", at_least(1, integer=True))

    def __call__(self, epoch, epochs):
        return self.values[epoch // self.hold % len(self.values)]


@registered
@dataclass(frozen=True)
class Piecewise(Schedule):
    """values[0] before epoch boundaries[0], values[1] from there on, and so on: one value more than boundaries."""

    boundaries: tuple
    values: tuple

    def __post_init__(self):
        self._numbers("boundaries")
        self._numbers("values")
        rising = all(a < b for a, b in zip(self.boundaries, self.boundaries[1:], strict=False))
        if not rising or len(self.values) != len(self.boundaries) + 1:
            refuse("Piecewise", "boundaries", "rising epochs, one fewer than values", (self.boundaries, self.values))

    def __call__(self, epoch, epochs):
        return self.values[bisect_right(self.boundaries, epoch)]


@registered
@dataclass(frozen=True)
class DALExponent(Schedule):
    """q of dynamics-aware loss: q_start + (q_end - q_start) t / T with t = epoch + 1 and T = epochs.

    Reference: Li et al. 2023, Algorithm 1.
    """

    q_start: float = 0.6
    q_end: float = 1.5

    def __post_init__(self):
        self._number("q_start", at_least(0.0))
        self._number("q_end", at_least(0.0))

    def __call__(self, epoch, epochs):
        return self.q_start + (self.q_end - self.q_start) * (epoch + 1) / epochs


@registered
@dataclass(frozen=True)
class DALBootstrapping(Schedule):
    """lam of dynamics-aware loss: 0 until q reaches 1, then in equal steps to `lambda_end` in the last epoch.

    With t = epoch + 1, T = epochs and t0 = (1 - q_start) / (q_end - q_start) T it is lambda_end (t - t0) / (T - t0)
    from t0 on. Where t0 >= T, or q_end = q_start, it stays 0.

    Reference: Li et al. 2023, Algorithm 1, which is 0 / 0 at t = T for (q_start, q_end) = (0, 1).
    """

    q_start: float = 0.6
    q_end: float = 1.5
    lambda_end: float = 1.0

    def __post_init__(self):
        self._number("q_start", at_least(0.0))
        self._number("q_end", at_least(0.0))
        self._number("lambda_end", at_least(0.0))

    def __call__(self, epoch, epochs):
        if self.q_end == self.q_start:
            return 0.0
        t, t0 = epoch + 1, (1.0 - self.q_start) / (self.q_end - self.q_start) * epochs
        if t0 >= epochs or t < t0:
            return 0.0
        return self.lambda_end * (t - t0) / (epochs - t0)
