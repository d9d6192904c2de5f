"""The hyper-parameters of recipes are those that the papers print, or the recipe says what else it follows.

hyperparameters.csv holds every printed setting: paper, where, data set, noise, method, name, value.
"""

import ast
import csv
import math
import pathlib
import re

import pytest
from harness import once

from keras_robust import recipes
from keras_robust.noise.grammar import parse

pytestmark = once

with open(pathlib.Path(__file__).parent / "hyperparameters.csv", encoding="utf-8", newline="") as file:
    LINES = list(csv.DictReader(file))
# Where settings are printed -> the tables whose trainings they are of.
TABLES = {
    ("anl", "Table 4"): "2 3 6 7 8 9",
    ("anl", "App. D.2"): "2 6 7",
    ("anl", "App. D.3"): "3",
    ("anl", "App. D.4 (Table 5)"): "5",
    ("anl", "App. D.5"): "8 9 10 11",
    ("anl", "text 4.1"): "1",
    ("apl", "text 5.1"): "2 3",
    ("apl", "text 5.2"): "2 3",
    ("apl", "text 5.3 (Table 4)"): "4",
    ("apl", "text 5.4 (Table 5)"): "5",
    ("curriculum", "App. B"): "2 3 4 5 10 11",
    ("curriculum", "Table 2 caption"): "2",
    ("curriculum", "Table 4"): "4",
    ("curriculum", "Table 8"): "2",
    ("curriculum", "Table 9"): "3 10 11",
    ("curriculum", "Table 12"): "5",
    ("dal", "Table 1"): "2 3 4",
    ("dal", "text 5.1"): "2 3 4 5",
    ("dal", "text 5.5"): "5",
    ("dal", "text 3.3 / Algorithm 1"): "2 3 4",
    ("logit-bias", "App. 1"): "2 3 A2 A3",
    ("logit-bias", "App. 2"): "3",
    ("logit-bias", "App. 4"): "2 3",
    ("logit-bias", "Appendix Table 1"): "2 3 A2 A3",
    ("logit-bias", "Appendix Tables 2+3"): "A3",
    ("logit-bias", "Table 2 / text 4 / App. 2"): "2 3",
    ("logit-bias", "text 3.3 / App. 4"): "3",
}
# Said in words, about data and noise, or of a search, not of a training.
WORDS = re.compile(
    "augmentation|evaluation|flips|generation|image size|initialization|label set|loss|loss scaling|noise definition|"
    "noise rates|normalize (mean|std)|other settings|preprocessing|regularizer|resize|seeds|settings|validation.*|"
    r"training (classes|images)|tuning grid .*|.*learning rate grid|q\(t\)|t_0|lambda\(t\)|<delta_k>\(0\)|restart|"
    r"\(parameters\)"
)
NETWORKS = {
    "4-layer": "cnn4",
    "8-layer": "cnn8",
    "MLP": "mlp1024",
    "Wide-ResNet-101": "wide_resnet101",
    "VGG-19": "vgg19_bn",
}
FIELDS = {
    "batch size": "batch_size",
    "initial learning rate": "learning_rate",
    "learning rate": "learning_rate",
    "lr": "learning_rate",
    "weight decay": "weight_decay",
    "gradient norm clip": "clip_norm",
    "momentum": "momentum",
    "epochs": "epochs",
}
# How the papers call what the losses here call otherwise.
NAMES = {
    "rho": ["q", "rate"],
    "p": ["p", "q"],
    "b": ["a"],
    "N": ["draws"],
    "q_s": ["q_start"],
    "q_e": ["q_end"],
    "lambda_0": ["lam"],
}


def expressions(recipe):
    """Keyword -> value, of all calls in a recipe's loss, callbacks and algorithm, and factors of losses."""
    found = {}
    for text in (recipe.loss, recipe.moving, recipe.algorithm):
        for node in ast.walk(ast.parse(text or "0", mode="eval")):
            if isinstance(node, ast.Call):
                for keyword in node.keywords:
                    found.setdefault(keyword.arg, ast.unparse(keyword.value))
    for factor, loss in re.findall(r"([\d.]+) \* (\w+)", recipe.loss or ""):
        found |= {"q": factor} if loss == "MAE" else {"alpha": factor} if loss == "NCE" else {"beta": factor}
    return found


def chosen(line):
    """The recipes whose training a line is about."""
    tables = {
        f"Appendix Table {t[1:]}" if t[0] == "A" else f"Table {t}" for t in TABLES[line["paper"], line["where"]].split()
    }
    sets = line["dataset"].replace("webvision, k=50", "mini_webvision").replace("webvision, k=", "webvision")
    sets = re.split(", |/", sets.partition(" (")[0])
    for recipe in recipes.find(paper=line["paper"]):
        known = {recipe.dataset, recipe.dataset.removesuffix("n"), "all"}
        if line["where"] == "App. B" and "webvision" in recipe.dataset:
            known |= {"webvision"}
        of_table = any(cell.table in tables for cell in recipe.printed) or (len(tables) > 1 and not recipe.printed)
        if of_table and known & set(sets) and fits_noise(recipe, line["noise"]) and fits_method(recipe, line["method"]):
            yield recipe


def fits_noise(recipe, noise):
    kind, _, rate = noise.partition(" ")
    if kind in ("all", "-", "", "section"):
        return True
    if kind in ("real", "clean"):
        return recipe.noise is None and recipe.wrong_as_given == (kind == "real")
    here = recipe.noise and parse(recipe.noise)
    return bool(here) and here.kind.split("+")[0] == kind and (not rate or here.rate in (None, float(rate)))


def fits_method(recipe, method):
    if "quote" in recipe.source or "missing" in method:
        return False
    networks = re.search("ResNet|MLP1024", method)
    if networks and (networks[0] == "MLP1024") != (recipe.network == "mlp1024"):
        return False
    if method.startswith("all but ANL"):
        return not recipe.label.startswith("ANL")
    if method.endswith(" +DAL"):
        return recipe.label in {f"{one}+DAL" for one in method.removesuffix(" +DAL").split(", ")}
    method = re.sub(r" \(.*\)", "", method)
    if method in ("all", "all losses"):
        # Trained by the settings of their own code.
        return not (recipe.algorithm and "official code" in recipe.source)
    return recipe.label in method.split(", ")


def agrees(recipe, line):
    name, value = line["name"], line["value"]
    if name in FIELDS:
        field = FIELDS[name]
        return math.isclose(float(value.split()[0]), getattr(recipe, field) or 0) and ("nesterov" in value) == (
            recipe.nesterov and name == "momentum"
        )
    if name == "network":
        network = next((known for said, known in NETWORKS.items() if said in value), None)
        return recipe.network == (network or re.match(r"ResNet-?\d+", value)[0].lower().replace("-", ""))
    if name == "optimizer":
        return recipe.optimizer == value.lower()
    if name == "schedule":
        return schedule(recipe, value)
    if name == "delta":
        return float(value) in (recipe.l1, recipe.weight_decay) and not (recipe.l1 and recipe.weight_decay)
    told = expressions(recipe)
    if name == "epsilon schedule":
        return value in told["values"]
    if name == "epochs per value":
        return told["hold"] == value
    if name == "lambda_e":
        return float(told.get("lambda_end", 1.0)) == float(value)
    if name == "r":
        return value == "1"  # an exponential schedule moves every epoch
    if name in ("(pi_1, pi_2, pi_3)", "pi_1"):
        return value in (told.get("pi"), f"{told.get('start')} -> {told.get('end')}") or value in str(recipe.algorithm)
    if "->" in value:
        return value == f"{told['start']} -> {told['end']}"
    names = NAMES.get(name, [name])
    return any(one in told and math.isclose(float(told[one]), float(value)) for one in names)


def schedule(recipe, value):
    numbers = [float(number) for number in re.findall(r"\d+\.?\d*", value)]
    if value.startswith("cosine"):
        return recipe.schedule == "cosine"
    if "each epoch" in value or "every epoch" in value or "after each epoch" in value:
        return (recipe.schedule, recipe.decay) == ("exponential", numbers[0])
    if "%" in value:
        return (recipe.decay, *recipe.boundaries) == (1 / numbers[0], *(recipe.epochs * n / 100 for n in numbers[1:]))
    return (recipe.decay, *recipe.boundaries) == tuple(numbers)


def contested(recipe, name):
    """Whether a note begins with the name of the setting, "beta: ..." or "end_rate, beta: ..."."""
    asked = {
        name,
        *NAMES.get(name, []),
        FIELDS.get(name, name),
        "moving" if name in ("q_s", "q_e") else name,
        "l1" if name == "delta" else name,
    }
    return any(asked & set(re.split(r", | of ", note.partition(":")[0])) for note in recipe.contested)


SETTINGS = [line for line in LINES if (line["paper"], line["where"]) in TABLES and not WORDS.fullmatch(line["name"])]


@pytest.mark.parametrize("paper", [paper for paper in recipes.PAPERS if paper != "cifar-n"])
def test_every_printed_setting_is_that_of_the_recipes_or_contested(paper):
    idle, wrong, compared = [], [], 0
    for line in SETTINGS:
        if line["paper"] == paper and line["value"] not in ("not used", "none"):
            rows = list(chosen(line))
            compared += len(rows)
            if not rows:
                idle.append(line)
            wrong += [(row.name, line) for row in rows if not agrees(row, line) and not contested(row, line["name"])]
    assert not idle
    assert not wrong
    assert compared > 100


def test_what_is_printed_beside_a_cell_is_a_setting_of_its_recipe_or_contested():
    wrong = []
    for recipe in recipes.RECIPES:
        for cell in recipe.printed:
            told = re.sub(r" \(.*?\)", "", cell.settings)
            told = told.replace("(pi_1,pi_2,pi_3)=(0.3,0.35,0.35)", "(pi_1, pi_2, pi_3)=(0.3, 0.35, 0.35)")
            told = re.sub(r"(\w+) from (\d+) to (\d+) over training", r"\1=\2 -> \3", told)
            told = told.replace(
                "epsilon scheduled 5.2,4.8,4.3,3.7,3.0,2.3", "epsilon schedule=5.2, 4.8, 4.3, 3.7, 3.0, 2.3"
            )
            for name, value in (item.split("=", 1) for item in told.split(";") if item and item[:2] != "k="):
                if not agrees(recipe, {"name": name, "value": value}) and not contested(recipe, name):
                    wrong.append((recipe.name, cell.table, name, value))
    assert not wrong
