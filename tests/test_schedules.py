"""Schedules: their values, their configuration, wrong arguments."""

import math

import keras
import pytest

from keras_robust import schedules as s

ROWS = [
    (s.Constant(2.0), 5, [2.0] * 5),
    (s.Linear(1.0, 3.0), 5, [1.0, 1.5, 2.0, 2.5, 3.0]),
    (s.Linear(20, 1), 20, list(range(20, 0, -1))),
    (s.Linear(1.0, 3.0), 1, [1.0]),
    (s.Exponential(1.5, 1.02), 3, [1.5, 1.53, 1.5606]),
    (s.Cycle((5.2, 4.8), 2), 6, [5.2, 5.2, 4.8, 4.8, 5.2, 5.2]),
    (s.Piecewise([2, 3], [1.0, 0.5, 0.1]), 5, [1.0, 1.0, 0.5, 0.1, 0.1]),
    (s.DALExponent(0.5, 1.5), 4, [0.75, 1.0, 1.25, 1.5]),
    (s.DALBootstrapping(0.5, 1.5, 2.0), 4, [0.0, 0.0, 1.0, 2.0]),
]


@pytest.mark.parametrize(("schedule", "epochs", "values"), ROWS, ids=lambda value: repr(value)[:30])
def test_values_and_configuration(schedule, epochs, values):
    assert [schedule(epoch, epochs) for epoch in range(epochs)] == pytest.approx(values)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert again == schedule
    assert isinstance(again, type(schedule))


@pytest.mark.parametrize(
    ("q_start", "q_end", "T"), [(0.6, 1.5, 150), (0.8, 1.5, 150), (0.4, 1.5, 250), (0, 1, 200), (0.6, 0.9, 100)]
)
def test_algorithm_1(q_start, q_end, T):
    """Written out step by step, as the blueprint states the algorithm."""
    q, lam = s.DALExponent(q_start, q_end), s.DALBootstrapping(q_start, q_end, 1.0)
    t0 = (1 - q_start) / (q_end - q_start) * T
    for epoch in range(T):
        t = epoch + 1
        assert q(epoch, T) == pytest.approx(q_start + (q_end - q_start) * t / T, rel=1e-12)
        expected = 0.0 if t < t0 or t0 >= T else (t - t0) / (T - t0)
        assert lam(epoch, T) == pytest.approx(expected, abs=1e-12)
    assert q(T - 1, T) == pytest.approx(q_end)
    assert lam(T - 1, T) == (1.0 if q_end > 1 else 0.0)


def test_constant_q_never_bootstraps():
    assert s.DALBootstrapping(1.2, 1.2)(99, 100) == 0.0


def test_the_cycle_of_the_paper():
    cycle = s.Cycle((5.2, 4.8, 4.3, 3.7, 3.0, 2.3), 11)
    assert [cycle(epoch, 1000) for epoch in (0, 10, 11, 33, 65, 66, 132 + 65)] == [5.2, 5.2, 4.8, 3.7, 2.3, 5.2, 2.3]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: s.Constant("1"), "`value` of Constant"),
        (lambda: s.Linear(0, math.nan), "`end` of Linear"),
        (lambda: s.Exponential(1, 0), "`rate` of Exponential"),
        (lambda: s.Cycle((), 3), "`values` of Cycle"),
        (lambda: s.Cycle((1, 2), 0), "`hold` of Cycle"),
        (lambda: s.Piecewise([3, 2], [1, 2, 3]), "`boundaries` of Piecewise"),
        (lambda: s.Piecewise([3], [1]), "`boundaries` of Piecewise"),
        (lambda: s.DALExponent(-1, 1), "`q_start` of DALExponent"),
    ],
)
def test_wrong_arguments(make, words):
    with pytest.raises(ValueError, match=words):
        make()
