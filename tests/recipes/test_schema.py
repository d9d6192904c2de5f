"""One row: what it accepts, its learning rate, its callbacks, JSON."""

import dataclasses
import json
import math

import pytest
from harness import once

from keras_robust import recipes
from keras_robust.recipes.moving import read_callbacks

pytestmark = once

ROW = recipes.get("anl/cifar10/symmetric:0.4/anl-ce")


def test_a_row_is_frozen_and_an_unknown_field_is_a_type_error():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ROW.epochs = 1
    with pytest.raises(TypeError, match="learning_rates"):
        dataclasses.replace(ROW, learning_rates=0.1)
    with pytest.raises(TypeError, match="learning_rates"):
        recipes.Recipe.from_dict({**ROW.to_dict(), "learning_rates": 0.1})
    with pytest.raises(TypeError):
        recipes.Recipe(dataset="cifar10")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("paper", "xyz", "`paper` of Recipe must be one of 'apl', 'anl'"),
        ("dataset", "cifar", "`dataset` of Recipe must be one of 'digits', 'mnist'"),
        ("network", "resnet", "`network` of Recipe must be one of 'cnn2', 'cnn4'"),
        ("label", " ", "`label` of Recipe must be a text"),
        ("loss", "", "`loss` of Recipe must be a text"),
        ("source", None, "`source` of Recipe must be a text"),
        ("noise", "symetric:0.4", "Noise must be None or one of"),
        ("epochs", 0, "`epochs` of Recipe must be a whole number, at least 1"),
        ("epochs", None, "`epochs` of Recipe must be a whole number"),
        ("batch_size", 1.5, "`batch_size` of Recipe"),
        ("learning_rate", 0, "`learning_rate` of Recipe must be greater than 0"),
        ("schedule", "linear", "`schedule` of Recipe must be one of 'constant', 'cosine'"),
        ("schedule", "exponential", "`decay` of Recipe must be greater than 0 and at most 1. Received: decay=None"),
        ("boundaries", (5,), "`boundaries` of Recipe must be rising epochs, at least one for steps and none otherwise"),
        ("momentum", 1.0, "`momentum` of Recipe must be at least 0 and less than 1"),
        ("weight_decay", -1e-4, "`weight_decay` of Recipe must be at least 0"),
        ("clip_norm", 0, "`clip_norm` of Recipe must be greater than 0, or None"),
        ("l1", -1, "`l1` of Recipe must be at least 0"),
        ("augmentation", "none", "`augmentation` of Recipe must be one of 'anl', 'dal'"),
        ("seed", -1, "`seed` of Recipe must be a whole number, at least 0"),
        ("printed", (87.28,), "`printed` of Recipe must be Cells"),
        ("missing", ("l1",), "`missing` of Recipe must be names of settings: loss, network, epochs"),
        ("optimizer", "rmsprop", "`optimizer` of Recipe must be one of 'sgd', 'adam'. Received: optimizer='rmsprop'"),
        ("optimizer", "adam", "`momentum` of Recipe must be None for Adam, whose moments are PyTorch's"),
        ("algorithm", " ", "`algorithm` of Recipe must be a text"),
        ("variant", "", "`variant` of Recipe must be a text"),
        ("backdoor", "local", "`backdoor` of Recipe must be None where labels are wrong in other ways"),
        ("backdoor", "corner", "`backdoor` of Recipe must be one of 'local', 'global'"),
        ("jacobian", -1, "`jacobian` of Recipe must be at least 0"),
        ("initializer", "he", "`initializer` of Recipe must be one of 'kaiming_normal'"),
        ("pretrained", "", "`pretrained` of Recipe must be True, False or a name"),
        ("nesterov", 1, "`nesterov` of Recipe must be True or False. Received: nesterov=1"),
        ("validation", 1.0, "`validation` of Recipe must be at least 0 and less than 1"),
        ("validation", 0.1, '`validation_labels` of Recipe must be "noisy" or "clean" with a share for validation'),
        ("validation_labels", "noisy", '`validation_labels` of Recipe must be "noisy" or "clean" with a share'),
        ("validation_labels", "wrong", "`validation_labels` of Recipe must be one of 'noisy', 'clean'"),
        ("missing", ("epochs",), "`epochs` of Recipe must be no value, for `missing` names it. Received: epochs=120"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(field, value, words):
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        dataclasses.replace(ROW, **{field: value})


def test_noise_goes_with_data_that_have_none_of_their_own():
    with pytest.raises(ValueError, match="`noise` of Recipe must be None for clothing1m, whose labels are wrong"):
        dataclasses.replace(ROW, dataset="clothing1m", exact_noise=False)
    for noise in (None, "instance:0.4", "human:worst"):
        with pytest.raises(ValueError, match="`exact_noise` of Recipe must be False without noise that a transition"):
            dataclasses.replace(ROW, noise=noise)


@pytest.mark.parametrize(
    ("field", "value"), [("value", 101), ("value", "87"), ("std", -0.1), ("table", None), ("runs", 0), ("runs", 2.5)]
)
def test_a_cell_is_a_percentage(field, value):
    with pytest.raises(ValueError, match=f"`{field}` of Cell must be"):
        dataclasses.replace(ROW.expected, **{field: value})


def test_cells_as_text():
    assert str(ROW.expected) == "87.28 ± 0.02"
    assert str(recipes.Cell(3.5)) == "3.50"
    assert str(recipes.Cell(None)) == "-"


def test_what_is_expected_is_the_first_test_accuracy_with_a_value():
    trained, lost, test = recipes.Cell(99.0, metric="train accuracy (%)"), recipes.Cell(None), recipes.Cell(60.0)
    assert dataclasses.replace(ROW, printed=[lost, trained, test, recipes.Cell(61.0)]).expected == test
    row = dataclasses.replace(ROW, printed=(trained, lost))
    assert (row.expected, row.verified) == (None, False)


def test_why_a_row_is_not_run():
    assert ROW.obstacles == ()
    row = dataclasses.replace(ROW, missing=("epochs",), epochs=None, algorithm="ELR()", pretrained=True)
    assert row.obstacles == ("it lacks epochs",)
    assert not row.runnable
    assert dataclasses.replace(ROW, algorithm="ELR()").runnable
    assert dataclasses.replace(ROW, optimizer="adam", momentum=None, weight_decay=1e-4, jacobian=0.1).runnable
    assert dataclasses.replace(ROW, validation=0.1, validation_labels="noisy").runnable


def test_names_follow_the_fields():
    assert ROW.name == "anl/cifar10/symmetric:0.4/anl-ce"
    assert dataclasses.replace(ROW, noise=None, exact_noise=False).name == "anl/cifar10/clean/anl-ce"
    assert recipes.get("anl/mini_webvision/real/nce+rce").label == "NCE+RCE"
    assert recipes.get("logit-bias/webvision/real/mae-star-star").label == "MAE**"
    assert recipes.get("curriculum/cifar100/clean/ce-double-dagger").label == "CE‡"
    assert recipes.get("dal/cifar10/backdoor:local/ce").noise is None
    assert dataclasses.replace(ROW, variant="alpha=1,beta=5").name == f"{ROW.name}/alpha=1,beta=5"


def test_json_round_trip():
    for row in recipes.RECIPES:
        assert recipes.Recipe.from_dict(json.loads(row.to_json())) == row
    assert ROW.to_dict()["printed"][0]["std"] == 0.02


def test_rates_of_the_schedules():
    epochs = range(50)
    mnist = recipes.get("apl/mnist/clean/ce")
    cosine = [0.001 + 0.009 * (1 + math.cos(math.pi * epoch / 50)) / 2 for epoch in epochs]
    assert [mnist.rate(epoch) for epoch in epochs] == pytest.approx(cosine)
    assert ROW.rate(5, epochs=10) == pytest.approx(0.005)
    web = recipes.get("anl/mini_webvision/real/ce")
    assert [web.rate(epoch) for epoch in epochs] == pytest.approx([0.4 * 0.97**epoch for epoch in epochs])
    clothes = recipes.get("apl/clothing1m/real/ce")
    assert [clothes.rate(epoch) for epoch in (0, 4, 5, 9, 10, 19)] == pytest.approx(
        [1e-2] * 2 + [1e-3] * 2 + [1e-4] * 2
    )
    assert {recipes.get("anl/cifar10/symmetric:0.4/anl-ce/adam").rate(epoch) for epoch in epochs} == {1e-4}
    with pytest.raises(ValueError, match="`recipe` of rate must be complete; logit-bias/cifar10/clean/ce lacks epochs"):
        recipes.get("logit-bias/cifar10/clean/ce").rate(0)


def test_the_loss_and_what_moves_it():
    row = recipes.get("dal/cifar100/symmetric+true:0.4/dal")
    assert row.build_loss().hyperparameters["q"] == 0.6
    assert row.build_loss().from_logits
    (move,) = row.callbacks()
    assert move.schedules["q"](149, 150) == pytest.approx(1.5)
    (growth,) = recipes.get("dal/mini_webvision/real/ce+sr").callbacks()
    assert growth.schedules["lam"](3, 250) == pytest.approx(2 * 1.02**3)
    (cycle,) = recipes.get("logit-bias/webvision/real/mae-star-star").callbacks()
    assert [cycle.schedules["epsilon"](epoch, 99) for epoch in (0, 11, 65, 66)] == [5.2, 4.8, 2.3, 5.2]
    assert ROW.callbacks() == []


@pytest.mark.parametrize(
    "text",
    [
        *("DAL()", "DALSchedule", "DALSchedule(", "DALSchedule(p=1)", "1", "open()"),
        *("HyperparameterSchedule(Linear(0, 1))", "HyperparameterSchedule(lam=Linear())"),
        *("HyperparameterSchedule(lam=open('x'))", "HyperparameterSchedule(lam=x)"),
    ],
)
def test_other_texts_move_nothing(text):
    with pytest.raises(ValueError, match="Moving hyper-parameters are written as .*Known callbacks: DALSchedule"):
        read_callbacks(text)
