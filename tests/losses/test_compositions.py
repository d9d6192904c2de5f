"""Every pair and triple of wrappers that a constructor accepts runs, and what it refuses it refuses as a ValueError."""

import itertools

import numpy as np
import pytest
from harness import BACKEND, value_and_gradient

import keras_robust as kr

MARGIN = {"tau": 2.0, "expected_margin": 3.0}
WRAPPERS = {
    "Normalized": kr.Normalized,
    "NegativeNormalized": kr.NegativeNormalized,
    "UnitWeight": kr.UnitWeight,
    "MarginScale": lambda loss, **keywords: kr.MarginScale(loss, **MARGIN, **keywords),
    "MarginShift": lambda loss, **keywords: kr.MarginShift(loss, **MARGIN, **keywords),
    "LogitBias": lambda loss, **keywords: kr.LogitBias(loss, 1.5, **keywords),
    "Sum": lambda loss, **keywords: 0.5 * loss + 2.0 * kr.FL(2.0, **keywords),
    "APL": lambda loss, **keywords: kr.APL(loss, kr.MAE(), **keywords),
    "SparseRegularized": lambda loss, **keywords: kr.SparseRegularized(loss, **keywords),
    "PeerLoss": lambda loss, **keywords: kr.PeerLoss(loss, 0.5, **keywords),
}
INNER = {"CE": kr.CE, "GCE": kr.GCE, "MSE": kr.MSE}
Z = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4], [0.0, 0.0, 0.0], [1.5, -0.5, 0.2], [-80.0, 2.0, 1.0]], "float32")
Z, IDS = np.repeat(Z, 3, axis=0), np.tile(np.arange(3), len(Z))  # each row with each label, as in test_cases.py
ONE_HOT = np.eye(3, dtype="float32")[IDS]


def composed(names, inner):
    """The loss of logits with wrappers from the outside in; None where a constructor refuses."""
    loss = INNER[inner](from_logits=True)
    try:
        for name in reversed(names):
            loss = WRAPPERS[name](loss, from_logits=True)
    except ValueError:
        return None
    return loss


@pytest.mark.parametrize("depth", [2, 3])
def test_what_a_constructor_accepts_runs(depth):
    ran, wrong = 0, []
    names = list(itertools.product(WRAPPERS, repeat=depth))
    for place, (wrappers, inner) in enumerate(itertools.product(names, INNER)):
        loss = composed(wrappers, inner)
        # Every backend constructs all; PyTorch, the fastest at what is run once, runs most.
        if loss is None or place % SHARE[depth]:
            continue
        text = " of ".join((*wrappers, inner))
        for labels in (IDS, ONE_HOT):
            try:
                value, gradient = value_and_gradient(loss, labels, Z)
            except Exception as error:
                wrong.append(f"{text}: {type(error).__name__}: {error}"[:200])
                break
            if not (np.all(np.isfinite(value)) and np.all(np.isfinite(gradient))):
                where = np.flatnonzero(~(np.isfinite(value) & np.isfinite(gradient).all(axis=-1)))
                wrong.append(f"{text}: {'ids' if labels is IDS else 'one-hot'}: not finite in rows {where.tolist()}")
        ran += 1
    assert ran > 20
    assert not wrong, f"{len(wrong)} of {ran}:\n" + "\n".join(wrong)


#: One pair, one triple in so many is run.
SHARE = {2: 1, 3: 5} if BACKEND == "torch" else {2: 4, 3: 61}
