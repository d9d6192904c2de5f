"""Relative digits, without an absolute error, of losses of ids where a sample is surely right or wrong.

What else is promised wherever logits are large: that a constant added to all of them changes nothing.
"""

from functools import cache, partial

import numpy as np
import pytest
import reference as ref
from cases import CASES
from harness import value_and_gradient
from reference import PROBABILITY as P
from reference import REFERENCE as R

import keras_robust as kr

FAMILIES = {"NCE", "NFL", "NMAE", "NRCE", "NGCE", "NNCE", "NNFL", "ANLCE", "ANLFL", "APL", "SCE", "DAL", "Bootstrap"}
FAMILIES |= {"Normalized", "NegativeNormalized", "UnitWeight", "MAEStar", "GCEStar", "NFLandMAEStar", "LogitBias"}
FAMILIES |= {"MarginScale", "MarginShift", *(name for name in R if "and" in name)}


def _of(name, **params):
    """A loss that has a reference of its own name."""
    numbers = ", ".join(f"{key}={value}" for key, value in params.items())
    return f"{name}({numbers})", partial(getattr(kr, name), **params), partial(R[name], **params)


def _biased(text, loss, reference, epsilon):
    return (
        f"LogitBias({text}, {epsilon})",
        partial(kr.LogitBias, loss, epsilon),
        ref.logit_bias(reference, epsilon),
    )


MARGIN = {"tau": 2.6, "expected_margin": 5.1}
NARROW = {"tau": 4.0, "expected_margin": 2.0}
ROWS = [
    *((case.id, case.make, case.reference) for case in CASES if case.name in FAMILIES),
    *(_of("NGCE", q=q) for q in (0.1, 1.0, 1.5, 5.0)),
    *(_of("NFL", gamma=gamma) for gamma in (0.0, 2.0, 200.0)),
    *(_of("NNFL", gamma=gamma, p_min=1e-7) for gamma in (0.0, 2.0)),
    *(_of("NNCE", p_min=p_min) for p_min in (1e-30, 5e-4)),
    _of("DAL", q=0.6, lam=0.25, bootstrap="soft"),
    _of("DAL", q=1.5, lam=1.0, bootstrap="hard"),
    *(_biased("CE", kr.CE(), R["CE"], epsilon) for epsilon in (-3.0, 6.0)),
    *(_biased("GCE", kr.GCE(0.7), partial(R["GCE"], q=0.7), epsilon) for epsilon in (-3.0, 2.5, 6.0)),
    *(_biased("NCE", kr.NCE(), R["NCE"], epsilon) for epsilon in (-3.0, 6.0)),
    *(_biased("ANLCE", kr.ANLCE(), R["ANLCE"], epsilon) for epsilon in (-3.0, 6.0)),
    _biased("DAL", kr.DAL(1.2, 0.5), partial(R["DAL"], q=1.2, lam=0.5), 2.5),
    ("Normalized(JS)", partial(kr.Normalized, kr.JS(0.3)), ref.normalized(partial(P["JS"], pi=0.3))),
    ("Normalized(TCE)", partial(kr.Normalized, kr.TCE(6)), ref.normalized(partial(P["TCE"], t=6))),
    ("Normalized(AUL)", partial(kr.Normalized, kr.AUL(1.1, 0.5)), ref.normalized(partial(P["AUL"], a=1.1, q=0.5))),
    ("Normalized(PHuberCE)", partial(kr.Normalized, kr.PHuberCE(4.0)), ref.normalized(partial(P["PHuberCE"], tau=4.0))),
    (
        "NegativeNormalized(MAE)",
        partial(kr.NegativeNormalized, kr.MAE(), 1e-5),
        ref.negative_normalized(P["MAE"], 1e-5),
    ),
    (
        "NegativeNormalized(SCE)",
        partial(kr.NegativeNormalized, kr.SCE(), 1e-7),
        ref.negative_normalized(P["SCE"], 1e-7),
    ),
    ("UnitWeight(GCE)", partial(kr.UnitWeight, kr.GCE(0.7)), ref.unit_weight(partial(P["GCE"], q=0.7))),
    ("UnitWeight(FL)", partial(kr.UnitWeight, kr.FL(2.0)), ref.unit_weight(partial(P["FL"], gamma=2.0))),
    ("MarginScale(CE)", partial(kr.MarginScale, kr.CE(), **NARROW), ref.margin_scale(P["CE"], *NARROW.values())),
    ("MarginScale(GCE)", partial(kr.MarginScale, kr.GCE(0.7), **MARGIN), ref.margin_scale(P["GCE"], *MARGIN.values())),
    (
        "MarginShift(JS)",
        partial(kr.MarginShift, kr.JS(0.1), **MARGIN),
        ref.margin_shift(partial(R["JS"], pi=0.1), 2.6, 5.1),
    ),
    (
        "0.5 * NCE + 2 * GCE + MAE",
        lambda **keywords: 0.5 * kr.NCE(**keywords) + 2.0 * kr.GCE(0.5) + kr.MAE(),
        lambda z, y: 0.5 * R["NCE"](z, y) + 2.0 * R["GCE"](z, y, q=0.5) + R["MAE"](z, y),
    ),
    (
        "Normalized(CE + 2 * MAE)",
        lambda **keywords: kr.Normalized(kr.CE() + 2.0 * kr.MAE(), **keywords),
        ref.normalized(lambda p: P["CE"](p) + 2 * P["MAE"](p)),
    ),
]


#: Above zero by so much, float32 has lost digits of a term that it flushes to 0.
LEAST = 4 * 2.0**-126


@cache
def logits(classes):
    """What each row is, and its logits, label 0: class 1 is the likeliest of the others, in some rows by far."""
    rng, rows, end = np.random.default_rng(classes), {}, 80 if classes < 100 else 70
    for kind, margins in {
        "right": (1, 8, 17, 40, end),
        "wrong": (-1, -8, -17, -40, -end),
        "right before a sure second": (3, 17, 60),
        "wrong beside a sure one": (-3, -20, -end),
    }.items():
        for margin in margins if classes < 100 else margins[::2]:
            others = np.sort(rng.normal(size=classes - 1))[::-1]
            if "sure" in kind:
                others[0] += 25.0
            whole = np.log(np.sum(np.exp(others)))
            rows[f"{kind}, margin {margin}"] = [whole + margin, *others]
    return list(rows), np.array(list(rows.values()), "float32")


@pytest.mark.parametrize("classes", [2, 3, 10, 100])
def test_relative_digits(classes):
    names, z = logits(classes)
    y, wrong = np.zeros(len(z), "int32"), []
    entries = list(range(classes) if classes < 4 else [0, 1, 2, classes - 1])
    for text, make, reference in ROWS[:: 1 if classes < 100 else 4]:
        got, got_gradient = value_and_gradient(make(from_logits=True), y, z)
        value = ref.value(reference, z, y)
        gradient = ref.gradient(reference, z, y, entries=entries)[:, entries]
        error = np.abs(got_gradient[:, entries] - gradient).max(axis=-1)
        bounds = 1e-5 * np.abs(value) + LEAST, 1e-4 * np.abs(gradient).max(axis=-1) + LEAST
        for what, excess in zip(("value", "gradient"), (np.abs(got - value), error) / np.array(bounds), strict=True):
            wrong += [
                f"{what} of {text}, {names[i]}: {excess[i]:.3g} times the bar" for i in np.flatnonzero(~(excess <= 1.0))
            ]
    assert not wrong, f"{len(wrong)} misses at {classes} classes:\n" + "\n".join(wrong)


def test_a_large_gamma_at_even_odds():
    value, gradient = value_and_gradient(kr.NFL(200.0, from_logits=True), np.array([0]), np.zeros((1, 2), "float32"))
    assert value[0] == pytest.approx(0.5, rel=1e-5)
    assert gradient[0, 0] == pytest.approx(-50.3606738, rel=1e-4)


@pytest.mark.parametrize("case", [case for case in CASES if case.name != "SparseRegularized"], ids=lambda case: case.id)
def test_a_constant_added_to_all_logits_changes_nothing(case):
    rng = np.random.default_rng(0)
    z = (rng.integers(-4096, 4096, size=(9, 10)) / 512).astype("float32")
    assert np.array_equal((z + np.float32(8192.0)) - np.float32(8192.0), z)
    loss, y = case.make(from_logits=True), rng.integers(0, 10, 9).astype("int32")
    dense = np.concatenate([np.eye(10)[y[:4]], rng.dirichlet(np.ones(10), size=5)]).astype("float32")
    both = np.concatenate([z, z + np.float32(8192.0)])  # 18 rows, as in test_cases.py: compiled there
    for labels in (y, dense):
        values, slopes = (np.split(array, 2) for array in value_and_gradient(loss, np.concatenate([labels] * 2), both))
        np.testing.assert_allclose(values[1], values[0], rtol=1e-6)
        np.testing.assert_allclose(slopes[1], slopes[0], rtol=1e-5, atol=1e-7)
