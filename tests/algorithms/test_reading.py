"""Algorithms as text: their names, their arguments, and the loss inside them."""

import keras
import pytest
from harness import once

from keras_robust import comparison, recipes
from keras_robust.algorithms import ELR, CoTeaching
from keras_robust.algorithms.reading import ALGORITHMS, read_algorithm, split_algorithm

pytestmark = once


def test_an_algorithm_is_built_around_a_network():
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model = read_algorithm("ELR(beta=0.9, lam=7)").build(network, num_samples=5, num_classes=2, probe=lambda: None)
    assert isinstance(model, ELR)
    assert (model.beta, model.lam, model.num_samples, model.num_classes) == (0.9, 7.0, 5, 2)
    assert read_algorithm("CoTeaching(0.4, gradual=5)").arguments == {"forget_rate": 0.4, "gradual": 5}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ElR()", "'ElR' is not known"),
        ("ELR(gamma=1)", "unexpected keyword argument 'gamma'"),
        ("CoTeaching()", "CoTeaching needs forget_rate"),
        ("ELR(num_samples=3)", "unexpected keyword argument 'num_samples'"),
        ("ELR", "not a call|is not read"),
    ],
)
def test_what_is_no_algorithm_is_refused(text, words):
    with pytest.raises(ValueError, match=f"An algorithm is written as.*({words}).*Known algorithms: "):
        read_algorithm(text)


def test_the_loss_is_the_first_argument():
    assert split_algorithm("CoTeaching(2 * CE() + MAE(), 0.4)") == ("CoTeaching(0.4)", "2 * CE() + MAE()")
    assert split_algorithm("ELR") == ("ELR()", "CE()")
    assert split_algorithm("no expression (") == (None, "no expression (")


def test_a_contender_has_the_arguments_that_suit_ten_classes():
    found = comparison.contender("ELR(ANLCE, lam=3)")
    assert (found.text, found.l1, found.algorithm) == ("ANLCE(alpha=5, beta=5)", 5e-5, "ELR(lam=3)")
    assert found.label == "ELR(ANLCE(alpha=5, beta=5), lam=3)"
    assert comparison.contender("CoTeaching(DAL, 0.4)").label == "CoTeaching(DAL(), 0.4) scheduled"
    with pytest.raises(ValueError, match="A loss is written as"):
        comparison.contender("ELR(lamb, lam=3)")


def test_every_algorithm_of_a_recipe_can_be_read():
    rows = recipes.find(algorithm="*")
    assert len(rows) > 50
    kinds = {recipe.build_algorithm().kind for recipe in rows}
    assert {ELR, CoTeaching} < kinds <= set(ALGORITHMS.values())
    with pytest.raises(ValueError, match="`jacobian` of Recipe must be 0 with an algorithm"):
        rows[0].changed(jacobian=0.1)
