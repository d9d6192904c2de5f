"""At any moment of a schedule, a loss that is saved and loaded is the same loss, and may move on as before."""

import copy
import json

import keras
import numpy as np
import pytest
from cases import BATCH_CASES, CASES
from harness import as_numpy, in_turn, once

import keras_robust as kr

Z = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
Y = np.array([0, 1, 2, 3, 4, 0])
MAKE = {case.id: case.make for case in CASES} | {kind.__name__: make for kind, make, _ in BATCH_CASES}
MAKE |= {
    "TCE with t_max": lambda **keywords: kr.TCE(2, t_max=6, **keywords),
    "TCE within": lambda **keywords: kr.LogitBias(kr.TCE(4), 1.0, **keywords),
    "UnitWeight(TCE)": lambda **keywords: kr.UnitWeight(kr.TCE(3), **keywords),
    "MAEStar()": kr.MAEStar,
    "GCEStar(0.7)": lambda **keywords: kr.GCEStar(0.7, **keywords),
    "NFLandMAEStar(1, 1)": lambda **keywords: kr.NFLandMAEStar(1.0, 1.0, **keywords),
    "LogitBias(CE)": lambda **keywords: kr.LogitBias(kr.CE(), **keywords),
    "MarginScale(MAE, 2)": lambda **keywords: kr.MarginScale(kr.MAE(), 2.0, **keywords),
    "MarginShift(GCE, 2)": lambda **keywords: kr.MarginShift(kr.GCE(), 2.0, **keywords),
    "MarginShift(TCE, 2)": lambda **keywords: kr.MarginShift(kr.TCE(5), 2.0, **keywords),
}
MOVING = {text: make for text, make in MAKE.items() if make(from_logits=True).hyperparameters}


def fresh(text):
    """A loss that shares no part with others: rows of the table share the losses that they wrap."""
    return MOVING[text](from_logits=True).with_hyperparameters({})


def numbers_of(loss, name):
    """A few numbers that a schedule may set: closed ends of the interval, and fractions between."""
    rule = loss.slot(name).constraint
    low = rule.low if rule.low is not None else -3.0 if rule.high is None else rule.high - 3.0
    high = 0.19 if name == "p_min" else rule.high if rule.high is not None else low + 3.0
    numbers = [
        float(v)
        for v in (low, low + 0.3 * (high - low), low + 0.62 * (high - low), high)
        if v in rule and float(np.float32(v)) in rule
    ]
    # At q = 0 the bootstrapping term of DAL has no weight, and the loss is NaN where it should.
    return [v for v in numbers if v or not (name == "q" and loss.hyperparameters.get("lam"))]


def as_saved(numbers):
    """The number of terms of TCE is rounded, as the loss rounds it."""
    return {name: np.floor(v + 0.5) if name == "t" else v for name, v in numbers.items()}


def state(loss):
    """What tells a loss from another: values, numbers, and what the numbers may still be set to."""
    return as_numpy(loss.call(Y, Z)), loss.hyperparameters, {n: loss.slot(n).constraint for n in loss.hyperparameters}


@pytest.mark.parametrize("text", in_turn(MOVING))
def test_a_round_trip_at_any_moment(text):
    for name in fresh(text).hyperparameters:
        for number in numbers_of(fresh(text), name):
            loss = fresh(text)
            loss.move(name, number)
            saved = json.dumps(keras.saving.serialize_keras_object(loss))
            again = keras.saving.deserialize_keras_object(json.loads(saved))
            (values, numbers, rules), (values_again, numbers_again, rules_again) = state(loss), state(again)
            np.testing.assert_allclose(values_again, values, rtol=1e-5, atol=1e-6, err_msg=f"{name}={number}")
            assert numbers_again == pytest.approx(as_saved(numbers)), f"{name}={number}"
            assert rules_again == rules, f"{name}={number}"
            for other in numbers_of(loss, name):
                again.check_hyperparameter(name, other)


@pytest.mark.parametrize(
    ("loss", "name", "number"),
    [
        (kr.AUL(2.0, 1.0), "a", 1.0 + 1e-9),
        (kr.AUL(2.0, 1.0), "q", 1e-60),
        (kr.AGCE(1.0, 1.0), "a", 1e-60),
        (kr.RCE(), "A", -1e-60),
        (kr.NNCE(), "p_min", 1.0 - 1e-9),
        (kr.GCE(), "q", 1e39),
    ],
)
def test_a_number_that_float32_puts_on_an_open_border_does_not_move(loss, name, number):
    for set_number in (loss.check_hyperparameter, loss.move):
        with pytest.raises(ValueError, match=f"`{name}` of {type(loss).__name__} must be"):
            set_number(name, number)


@once
def test_a_copy_holds_what_the_loss_holds_and_moves_no_more():
    loss = kr.LogitBias(kr.DAL(lam=0.5, from_logits=True), 1.0, from_logits=True, reduction="sum", name="mine")
    loss.note = {"own": [1]}
    loss.move("q", 0.75)
    copied = copy.deepcopy(loss)
    loss.move("q", 0.5).assign(1.25)
    assert copied.moving() == []
    assert copied.hyperparameters == {"epsilon": 1.0, "q": 0.75, "lam": 0.5}
    assert (copied.name, copied.reduction, copied.note) == ("mine", "sum", {"own": [1]})
    assert copied.note is not loss.note
    expected = kr.LogitBias(kr.DAL(q=0.75, lam=0.5), 1.0, from_logits=True).call(Y, Z)
    np.testing.assert_allclose(as_numpy(copied.call(Y, Z)), as_numpy(expected), rtol=1e-6)
