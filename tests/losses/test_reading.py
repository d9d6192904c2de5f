"""Losses written as text."""

import pytest
from harness import once

import keras_robust as kr
from keras_robust.losses.reading import LOSSES, read_loss

pytestmark = once


def test_every_loss_can_be_written():
    assert LOSSES.keys() == set(kr.losses.__all__) - {"RobustLoss", "WeightedSum"}


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
        read_loss("GCE(q=-1)")
    with pytest.raises(ValueError, match=r"^GCE: got an unexpected keyword argument 'gamma'.*Its arguments are"):
        read_loss("GCE(gamma=1)")
