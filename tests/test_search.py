"""Ranges that follow from what the losses declare, and losses made of what a tuner proposes."""

import math

import keras
import numpy as np
import pytest
from cases import BATCH_CASES, CASES
from harness import once

import keras_robust as kr
from keras_robust.search import SearchRange, search_space, tuned_loss

MADE = {case.id: case.make for case in CASES} | {kind.__name__: make for kind, make, _ in BATCH_CASES}


class Proposals:
    """Proposes one end of every range, as KerasTuner may."""

    def __init__(self, end):
        self.end, self.proposed = end, {}

    def Float(self, name, min_value, max_value, sampling="linear"):
        assert min_value <= max_value
        assert sampling != "log" or min_value > 0
        return self.proposed.setdefault(name, (min_value, max_value)[self.end])

    def Int(self, name, min_value, max_value):
        assert isinstance(min_value, int)
        assert isinstance(max_value, int)
        return self.Float(name, min_value, max_value)


@once
@pytest.mark.parametrize("name", MADE)
def test_both_ends_of_every_range_make_a_loss(name):
    loss = MADE[name](from_logits=True)
    before = repr(loss)
    for end in (0, 1):
        hp = Proposals(end)
        tuned = tuned_loss(hp, loss)
        assert type(tuned) is type(loss)
        space = search_space(loss)
        assert {name.rpartition("p_min")[0] for name in loss.hyperparameters.keys() - space.keys()} <= {"", "loss."}
        for key, within in space.items():
            assert tuned.hyperparameters[key] == (within.high if end else within.low)
            assert within.low <= loss.hyperparameters[key] <= within.high
            assert within.low < within.high < math.inf
        assert len(hp.proposed) == len(space)
    assert repr(loss) == before


def test_ranges():
    assert search_space(kr.TCE(2)) == {"t": SearchRange(1, 5, integer=True)}
    assert search_space(kr.RCE(A=-4.0), factor=2) == {"A": SearchRange(-8.0, -2.0)}
    assert search_space(kr.DAL(q=0.6))["lam"] == SearchRange(0.0, 1.0)
    assert search_space(kr.PHuberCE(2.0))["tau"] == SearchRange(1.25, 5.0, log=True)
    assert search_space(kr.GLS(-1.0))["alpha"] == SearchRange(-7.0, 0.5)
    assert search_space(kr.LogitBias(kr.GCE(0.5), epsilon=2.0)) == {
        "epsilon": SearchRange(0.5, 8.0, log=True),
        "q": SearchRange(0.125, 2.0, log=True),
    }
    assert search_space(kr.MAEStar()) == {}
    with pytest.raises(ValueError, match="`loss` of search_space must be a loss of keras_robust"):
        search_space("GCE")
    with pytest.raises(ValueError, match="`factor` of search_space must be greater than 1. Received: factor=1"):
        search_space(kr.GCE(), factor=1)


def test_what_is_not_searched_stays():
    loss = tuned_loss(Proposals(1), kr.ANLCE(5.0, 3.0, p_min=1e-5, from_logits=True), {"beta": SearchRange(1.0, 9.0)})
    assert loss.hyperparameters == {"alpha": 5.0, "beta": 9.0, "p_min": 1e-5}
    y, z = np.array([0, 2]), np.array([[1.0, 0.5, -1.0], [0.0, 1.0, 0.5]], "float32")
    expected = kr.ANLCE(5.0, 9.0, 1e-5, from_logits=True)(y, z)
    assert float(loss(y, z)) == pytest.approx(float(expected), rel=1e-6)
    part = (2 * kr.GCE(q=0.5, from_logits=True) + kr.MAE()).with_hyperparameters({"gce.weight": 3.0, "q": 0.25})
    assert float(part(y, z)) == pytest.approx(float((3 * kr.GCE(0.25, from_logits=True) + kr.MAE())(y, z)), rel=1e-6)
    with pytest.raises(ValueError, match="has no hyper-parameter 'lam'. It has: q."):
        tuned_loss(Proposals(0), kr.GCE(), {"lam": SearchRange(0.0, 1.0)})
    with pytest.raises(ValueError, match="`q` of GCE must be at least 0. Received: q=-1.0"):
        tuned_loss(Proposals(0), kr.GCE(), {"q": SearchRange(-1.0, 1.0)})


def test_with_keras_tuner():
    keras_tuner = pytest.importorskip("keras_tuner")
    hp = keras_tuner.HyperParameters()
    first = tuned_loss(hp, kr.ANLCE(5.0, 5.0))
    assert set(hp.values) == {"ANLCE.alpha", "ANLCE.beta"}
    assert first.hyperparameters["alpha"] == hp.values["ANLCE.alpha"] == 1.25
    assert isinstance(first, keras.losses.Loss)
