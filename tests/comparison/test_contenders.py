"""Losses written as text."""

import pytest
from harness import once

import keras_robust as kr
from keras_robust.comparison import contender
from keras_robust.comparison.contenders import LOSSES, RECOMMENDED, read_loss

pytestmark = once


def test_every_loss_can_be_written():
    assert LOSSES.keys() == set(kr.losses.__all__) - {"RobustLoss", "WeightedSum"}


def test_bare_names_stand_for_what_suits_ten_classes():
    assert contender("ANLCE").loss().hyperparameters == {"alpha": 5.0, "beta": 5.0, "p_min": 1e-7}
    assert contender("ANLCE").l1 == 5e-5
    assert contender("ANLCE()").loss().hyperparameters == {"alpha": 1.0, "beta": 1.0, "p_min": 1e-7}
    assert contender("ANLCE()").l1 == 0.0
    assert contender("GCE").text == "GCE()"
    assert contender("DAL").label == "DAL() scheduled"
    assert [type(callback).__name__ for callback in contender("DAL").callbacks()] == ["DALSchedule"]
    assert contender("DAL()").callbacks() == []
    for name in RECOMMENDED:
        assert contender(name).loss().from_logits


def test_expressions():
    assert read_loss("GCE(q=0.5)").q == 0.5
    assert read_loss("GCE(0.5)").from_logits
    assert read_loss("LogitBias(GCE(q=0.7), epsilon=-1.5)").hyperparameters == {"epsilon": -1.5, "q": 0.7}
    loss = read_loss("2 * CE() + 0.5 * Normalized(MAE())")
    assert loss.weights == (2.0, 0.5)
    assert loss.from_logits
    assert read_loss("SparseRegularized(CE(), lam=2.0)").lam == 2.0
    assert read_loss("DAL(q=1.0, lam=0.5, bootstrap='soft')").bootstrap == "soft"


@pytest.mark.parametrize(
    "text", ["XCE", "__import__('os')", "CE().call", "2", "CE(", "CE() - MAE()", "[CE()]", "CE", "lambda: CE()"]
)
def test_anything_else_is_refused_with_the_known_losses(text):
    with pytest.raises(ValueError, match="A loss is written as .*Known losses: AEL, AGCE"):
        read_loss(text)


def test_wrong_arguments_are_explained():
    with pytest.raises(ValueError, match="`q` of GCE must be at least 0"):
        contender("GCE(q=-1)")
    with pytest.raises(ValueError, match=r"GCE: got an unexpected keyword argument 'gamma'.*Its arguments are"):
        contender("GCE(gamma=1)")
