"""The papers' numbers that are no accuracies: each is of a recipe, follows from cells or theory, or is no result.

other_numbers.csv holds them all: paper, table, quantity, setting, value, std.
"""

import csv
import pathlib
import re

import pytest
from harness import once

import keras_robust as kr
from keras_robust import recipes, theory
from keras_robust.catalog import CATALOG

pytestmark = once

with open(pathlib.Path(__file__).parent / "other_numbers.csv", encoding="utf-8", newline="") as file:
    LINES = list(csv.DictReader(file))
#: Numbers of one training each; what is measured is not shipped, but the training can be found.
TRAINED = ("curriculum Table 2", "curriculum Table 5", "dal Table 5", "dal Table 6")
#: Printed gains that are not the difference of the printed accuracies.
MISPRINTED = {"symmetric 0.4, JS+DAL", "symmetric 0.4, GJS+DAL", "instance 0.2, DivideMix+DAL"}
# Said of data, of drawings or of claims in words.
WORDS = re.compile(
    "noise rate.*|estimated noise rate.*|mislabelled share.*|WebVision images.*|dataset size|poisoned training images|"
    "number of dataset-adjusted.*|rescale factor.*|networks x images.*|settings .*|accuracy range.*|gain of .* sym .*|"
    '.*training accuracy.*|slow-down.*|epoch after.*|"false label" accuracy|logit bias schedule.*|mean softmax output.*'
)
SIZES = {"Animal-10N training images": "train_size", "Animal-10N test images": "test_size"}


def trained(line):
    """The recipes that a line of a table is of."""
    dataset, noise, label = line["setting"].split(", ", 2)
    noise = noise.replace("human 0.4", "human:worst").replace(" trigger", "")
    dataset = "cifar10n" if noise.startswith("human") else dataset
    kind, _, rate = noise.partition(" ")
    wanted = {
        "clean": {"noise": None, "backdoor": None},
        "local": {"backdoor": "local"},
        "global": {"backdoor": "global"},
    }.get(kind, {"noise": [f"{kind}:{rate}", f"{kind}+true:{rate}", noise]})
    found = recipes.find(paper=line["paper"], dataset=dataset, label=label, **wanted)
    if line["table"] == "Table 2":
        return [recipe for recipe in found if any(cell.table == "Table 2" for cell in recipe.printed)]
    return [
        recipe for recipe in found if not any(cell.table == "Table 2" for cell in recipe.printed) or kind != "clean"
    ]


def test_numbers_of_a_training_have_its_recipe():
    lines = [line for line in LINES if f"{line['paper']} {line['table']}" in TRAINED]
    assert len(lines) == 148
    assert not [line for line in lines if len(trained(line)) != 1]


def test_gains_are_differences_of_cells():
    """Li et al. 2023, Table 5, but for three."""
    wrong = set()
    for line in LINES:
        if line["quantity"].startswith("gain of +DAL"):
            (recipe,) = trained(line)
            (plain,) = trained(line | {"setting": line["setting"].removesuffix("+DAL")})
            gain = recipe.expected.value - plain.expected.value
            if gain != pytest.approx(float(line["value"]), abs=0.011):
                wrong.add(line["setting"].partition(", ")[2])
    assert wrong == MISPRINTED


def test_leads_are_differences_of_cells():
    def lead(name, other):
        return recipes.get(name).expected.value - recipes.get(other).expected.value

    place = "anl/cifar10/symmetric:0.8"
    assert lead(f"{place}/anl-ce", f"{place}/nce+agce") > 5.0
    assert lead("apl/cifar10/symmetric:0.6/nce+rce", "apl/cifar10/symmetric:0.6/nlnl") > 6
    place = "apl/cifar100/symmetric:0.8"
    assert (
        min(lead(f"{place}/{one}", f"{place}/{two}") for one in ("nce+mae", "nce+rce") for two in ("gce", "nlnl")) >= 9
    )
    place = "apl/cifar100/asymmetric.blocks:0.4"
    assert [round(lead(f"{place}/{one}", f"{place}/sce")) for one in ("nce+mae", "nce+rce")] == [5, 5]
    assert lead("apl/cifar10/symmetric:0.8/ngce+mae", "apl/cifar10/symmetric:0.8/gce") > 20


def test_numbers_of_theory():
    for line in LINES:
        value = line["value"].rstrip("%")
        match line["quantity"], line["setting"]:
            case "q from <delta_k>(0) matching", _:
                assert round(theory.transfer(kr.GCE(q=0.7), "q", 100, 1000), 2) == float(value)
            case "<delta_k>(0)", setting if setting.startswith("NCE-AGCE"):
                loss = kr.NCEandAGCE(alpha=10, beta=0.1, a=1.8, q=3)
                assert theory.mean_error(loss, 100) == pytest.approx(float(value), abs=6e-4)
            case "<delta_k>(0)", _:  # printed ten times too large
                assert theory.mean_error(kr.GCE(q=0.7), 100) == pytest.approx(float(value) / 10, rel=0.02)
            case "logit bias epsilon", setting if value != "1.5":
                K = int(setting.split()[0])
                assert theory.logit_bias(K) == pytest.approx(float(value), rel=0.06)
            case "|E[Delta_y]|", setting:  # with K in place of K - 1
                K = int(setting.removeprefix("CIFAR"))
                assert abs(theory.expected_margin(K + 1)) == pytest.approx(float(value), abs=2e-3)
            case "dataset size", setting if setting in SIZES:
                assert getattr(CATALOG["animal10n"], SIZES[setting]) == int(value)


def test_every_other_number_is_looked_at():
    """What no test here compares is no result of a training."""
    theoretical = ("q from", "<delta_k>", "logit bias epsilon", "|E[Delta_y]|", "average activation")
    known = ("lead of", "best test accuracy", "best parameters", "L1 norm of the gradient of Delta_y")
    rest = [line for line in LINES if f"{line['paper']} {line['table']}" not in TRAINED]
    untold = [line["quantity"] for line in rest if not line["quantity"].startswith((*theoretical, *known))]
    assert not [quantity for quantity in untold if not WORDS.fullmatch(quantity)]
    assert "28.28" in " ".join(recipes.get("anl/animal10n/real/nce+rce").contested)
    for data, text in (("cifar10", "alpha=1, beta=1"), ("cifar100", "alpha=10, beta=0.1")):
        assert text in recipes.get(f"apl/{data}/symmetric:0.6/nce+rce").loss
