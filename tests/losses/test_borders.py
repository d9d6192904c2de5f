"""Elementary losses at and near the ends of the ranges that their hyper-parameters declare, over all margins.

No absolute error is allowed between margins -80 and 80: a value of 1e-30 has as many right digits as one of 1.
"""

from functools import cache, partial

import numpy as np
import pytest
import reference
from harness import as_numpy, value_and_gradient, wide_floats
from mpmath import mp

import keras_robust as kr

#: Distances from the end of a range.
NEAR = [1e-30, 1e-17, 1e-12, 1e-8, 1e-3]
MARGINS = [0.01, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 15.0, 17.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0]
MARGINS = np.array([-100.0, -88.0, *np.negative(MARGINS[::-1]), 0.0, *MARGINS, 88.0, 100.0])
MARGINS = MARGINS.astype("float32").astype("float64")
#: Relative errors allowed in value and gradient, the smallest normal number, half a unit in the last place of 1.
BARS = {"float32": (1e-5, 1e-4, 2.0**-126, 2.0**-24), "float64": (1e-9, 1e-9, 2.0**-1022, 2.0**-53)}


def above(end):
    """The numbers next to an end of a range, on its upper side, in float32 unless they would be the end there."""
    return sorted({_single(end + distance, end) for distance in NEAR} - {end})


def below(end):
    return sorted({_single(end - distance, end) for distance in NEAR} - {end})


def _single(number, end):
    single = float(np.float32(number))
    return number if single == end else single


def grid(kind, **ranges):
    """A row for each number of each hyper-parameter, with the first of the others; a list of lists is crossed."""
    typical = {name: numbers[0] for name, numbers in ranges.items()}
    return [(kind, typical | {name: number}) for name, numbers in ranges.items() for number in numbers]


ROWS = [
    (kr.CE, {}),
    (kr.MAE, {}),
    *grid(kr.FL, gamma=[0.5, 0.0, *above(0.0), 1.0, 2.0, 5.0, 50.0, 200.0]),
    *grid(kr.RCE, A=[-4.0, *below(0.0), -9.2103, -100.0]),
    *grid(kr.GCE, q=[0.7, 0.0, *above(0.0), *below(1.0), 1.0, *above(1.0), 1.5, 5.0, 20.0]),
    *grid(kr.SCE, alpha=[0.1, 0.0, *above(0.0), 5.0], beta=[1.0, 0.0, *above(0.0), 5.0], A=[-4.0, *below(0.0), -50.0]),
    *grid(kr.TCE, t=[2, 1, 3, 6, 20]),
    *grid(kr.AUL, a=[2.0, *above(1.0), 1.1, 6.3, 100.0], q=[1.5, *above(0.0), 0.1, 0.5, 1.0, *below(1.0), 5.0]),
    *grid(kr.AUL, a=[2.0, *above(1.0), 1.0 + 1e-6, 6.3], q=[0.1]),
    *grid(kr.AUL, a=[1.0 + 1e-8], q=[*above(0.0), 0.5, 1.0, 5.0]),
    *grid(kr.AGCE, a=[0.6, *above(0.0), 0.1, 6.0, 100.0], q=[0.6, *above(0.0), 0.1, 1.0, *below(1.0), 1.5, 5.0]),
    *grid(kr.AGCE, a=[100.0, *above(0.0)], q=[1.5]),
    *grid(kr.AGCE, a=[1e-8], q=[*above(0.0), 0.1, 1.0, 5.0]),
    *grid(kr.AEL, a=[2.5, *above(0.0), 0.1, 1.0, 100.0]),
    *grid(kr.JS, pi=[0.5, 0.0, *above(0.0), 0.1, 0.3, 0.9, *below(1.0), 1.0]),
    *grid(kr.Poly1, epsilon=[1.0, 0.0, *above(0.0), 5.0, 100.0]),
    *grid(kr.PHuberCE, tau=[10.0, 1.0, *above(1.0), 2.0, 100.0, 1e4]),
]


def name_of(row):
    kind, params = row
    return f"{kind.__name__}({', '.join(f'{name}={number!r}' for name, number in params.items())})"


@cache
def logits_with_margins(classes, dtype):
    """Logits with `MARGINS` at label 0, how far rounding moved each margin, and the shares of the other classes."""
    others = np.random.default_rng(classes).normal(size=classes - 1) if classes > 2 else np.zeros(1)
    others = others.astype(dtype)
    with mp.workdps(50):
        powers = [mp.exp(float(z_k)) for z_k in others]
        whole = mp.log(mp.fsum(powers))
        label = np.array([float(m + whole) for m in MARGINS]).astype(dtype)
        moved = np.array([float(float(z_y) - whole - m) for z_y, m in zip(label, MARGINS, strict=True)])
        shares = np.array([float(power / mp.fsum(powers)) for power in powers])
    return np.column_stack([label, np.tile(others, (len(label), 1))]), moved, shares


@cache
def expected(kind, params):
    return reference.at_margins(partial(reference.PROBABILITY[kind.__name__], **dict(params)), MARGINS)


def misses(loss, row, classes, dtype):
    """What is wrong with the value, the gradient and, at two classes, the implicit weight of `loss`: a line each."""
    kind, params = row
    value, weight, slope = expected(kind, tuple(params.items()))
    z, moved, shares = logits_with_margins(classes, dtype)
    value, weight = value - (weight + slope * moved / 2) * moved, weight + slope * moved
    y = np.zeros(len(z), "int32")
    with wide_floats(dtype):
        got, got_gradient = value_and_gradient(loss, y, z)
        got_weight = as_numpy(loss.implicit_weight(y, z)) if classes == 2 else np.abs(weight)
    bar, bar_of_slope, least, half_unit = BARS[dtype]
    # A margin is known to half a unit in its last place, and no formula of it better; four of these are granted.
    units = 4 * half_unit * np.abs(MARGINS)
    bound = bar * np.abs(value) + units * np.abs(weight) + least
    bound_of_slope = bar_of_slope * np.abs(weight) + units * np.abs(slope) + least
    if dtype == "float32":
        scale = (np.abs(MARGINS) > 80) * np.abs(z).max() * max(1.0, np.abs(value).max())
        bound, bound_of_slope = bound + 1e-6 * scale, bound_of_slope + 2e-7 * scale
    gradient = weight[:, None] * np.concatenate([[-1.0], shares])
    lines = [
        _worst("value", got, value, bound),
        _worst("gradient", got_gradient, gradient, bound_of_slope[:, None]),
        _worst("weight", got_weight, np.abs(weight), bound_of_slope),
    ]
    return [f"{name_of(row)} K={classes} {dtype}: {line}" for line in lines if line]


def _worst(what, got, wanted, bound):
    excess = np.abs(got - wanted) / bound
    excess = np.where(np.isnan(excess), np.inf, excess).reshape(len(MARGINS), -1)
    place, entry = np.unravel_index(np.argmax(excess), excess.shape)
    if excess[place, entry] <= 1.0:
        return None
    got, wanted = got.reshape(excess.shape)[place, entry], wanted.reshape(excess.shape)[place, entry]
    bad = [f"{m:g}" for m in MARGINS[(excess > 1.0).any(axis=-1)]]
    return f"{what} at margin {MARGINS[place]:g} is {got:.9g}, not {wanted:.9g}; misses at {', '.join(bad)}"


def all_misses(rows, classes, dtype, prepare=lambda loss, params: loss):
    wrong = []
    for kind, params in rows:
        loss = prepare(kind(**params, from_logits=True), params)
        if loss is not None:
            wrong += misses(loss, (kind, params), classes, dtype)
    return f"{len(wrong)} misses:\n" + "\n".join(wrong) if wrong else ""


@pytest.mark.parametrize(
    ("rows", "classes", "dtype"),
    [(ROWS, 2, "float32"), (ROWS[::5], 10, "float32"), (ROWS, 10, "float64")],
    ids=["2 classes in float32", "10 classes in float32", "10 classes in float64"],
)
def test_digits_at_the_ends_of_ranges(rows, classes, dtype):
    assert not (wrong := all_misses(rows, classes, dtype)), wrong


def test_digits_of_numbers_that_move():
    def moving(loss, params):
        """The loss with variables for numbers; None where float32 cannot hold them."""
        if any(number != float(np.float32(number)) for number in params.values()):
            return None
        for name, number in params.items():
            loss.move(name, number)
        return loss

    assert not (wrong := all_misses(ROWS[1::2], 2, "float32", moving)), wrong


@pytest.mark.parametrize("tau", [2, 3, 10, 100])
def test_a_last_layer_of_zeros_learns(tau):
    """p = 1 / tau exactly is where the two branches of PHuberCE meet; each has slope tau in p there."""
    z, y = np.zeros((1, tau), "float32"), np.array([0])
    for kind, kink in ((kr.PHuberCE, {"tau": float(tau)}), (kr.CE, {})):
        loss = kind(**kink, from_logits=True)
        value, gradient = value_and_gradient(loss, y, z)
        assert value[0] == pytest.approx(np.log(tau), rel=1e-6)
        assert gradient[0, 0] == pytest.approx(1 / tau - 1, rel=1e-5)
        assert as_numpy(loss.implicit_weight(y, z))[0] == pytest.approx(1 - 1 / tau, rel=1e-5)


@pytest.mark.parametrize("largest", [np.arange(8), np.arange(1, 4), np.arange(2)], ids=["all", "others", "two"])
def test_equal_largest_logits_have_a_gradient_of_the_largest(largest):
    z = np.full((1, 8), -3.0, "float32")
    z[0, largest] = 2.0
    _, gradient = value_and_gradient(kr.Bootstrap("hard", from_logits=True), np.array([0]), z)
    of_largest = np.exp(z) / np.exp(z).sum() - gradient
    assert of_largest.sum() == pytest.approx(1.0, rel=1e-5)
    assert np.all(of_largest >= -1e-6)
    np.testing.assert_allclose(np.delete(of_largest, largest), 0.0, atol=1e-6)
