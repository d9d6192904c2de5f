"""The table: every printed cell belongs to one recipe; every row builds; names; the page."""

import collections
import csv
import pathlib
import random
import tomllib
import zipfile
from importlib.resources import files

import pytest
from harness import once

import keras_robust as kr
from keras_robust import recipes
from keras_robust.catalog import CATALOG
from keras_robust.losses.reading import read_loss
from keras_robust.noise.specification import from_spec
from keras_robust.recipes import obtained
from keras_robust.recipes.moving import read_callbacks
from keras_robust.recipes.obtained import Obtained
from keras_robust.recipes.rules import DATASETS, NETWORKS
from keras_robust.recipes.table import read

pytestmark = once

ROOT = pathlib.Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "reproductions.md"
FOLDER = files("keras_robust.recipes") / "papers"
with (FOLDER / "accuracies.csv").open(encoding="utf-8", newline="") as file:
    LINES = dict(enumerate(csv.DictReader(file), start=1))
MEASURED = ("mean_of_last_ten", "best", "memorized", "corrected", "auroc")
CELLS = [(recipe, cell) for recipe in recipes.RECIPES for cell in recipe.printed if not cell.of_attack]


def number(text):
    return None if text in ("", "/") else float(text)


def test_every_printed_cell_belongs_to_exactly_one_recipe():
    used = collections.Counter(cell.line for _, cell in CELLS)
    assert not [LINES[line] for line in LINES.keys() - used.keys()]
    assert not [LINES[line] for line, times in used.items() if times > 1]
    assert used.keys() == LINES.keys()
    assert len(CELLS) == len(LINES) == 1896


def test_success_rates_of_backdoors_stand_beside_the_accuracies():
    found = {recipe.name: recipe.expected_attack for recipe in recipes.find(backdoor=["local", "global"])}
    assert len(found) == 12
    assert str(found["dal/cifar10/backdoor:local/ce"]) == "99.91 ± 0.03"
    assert str(found["dal/cifar100/backdoor:global/dal"]) == "16.95 ± 7.75"
    assert recipes.get("dal/cifar10/backdoor:local/ce").expected.value == 93.39
    assert all(recipe.expected_attack is None for recipe in recipes.RECIPES if recipe.backdoor is None)


def test_how_many_rows_can_be_run():
    """All but those that lack a setting that no source gives."""
    assert len(recipes.RECIPES) == 1894
    assert len(recipes.find(missing="*")) == 478
    assert len(recipes.find(runnable=True)) == 1894 - 478 == 1416
    assert len(recipes.find(algorithm="*", runnable=True)) == 87


def test_cells_are_what_the_file_says():
    for recipe, cell in random.Random(0).sample(CELLS, 100):
        line = LINES[cell.line]
        assert (cell.value, cell.std) == (number(line["mean"]), number(line["std"])), recipe.name
        assert (recipe.paper, recipe.label) == (line["paper"], line["method"])
        assert (cell.table, cell.metric, cell.note) == (line["table"], line["metric"], line["note"])
        assert (cell.settings, cell.runs) == (line["hyperparameters"], number(line["runs"]))
        kind, _, rate = recipe.name.split("/")[2].partition(":")
        assert line["noise_kind"] == kind.split(".")[0].split("+")[0]
        if kind not in ("human", "backdoor"):
            assert (number(line["noise_rate"]) or 0) == (number(rate) or 0)
        assert cell.evaluated_on == {"ilsvrc12": "mini_ilsvrc12"}.get(line["dataset"], recipe.dataset)


def test_the_cells_of_a_row_are_its_own_test_images_first():
    for recipe in recipes.RECIPES:
        order = [(not cell.of_test, cell.evaluated_on != recipe.dataset) for cell in recipe.printed]
        assert order == sorted(order), recipe.name
    web = recipes.get("anl/mini_webvision/real/anl-ce")
    assert [(cell.evaluated_on, cell.value) for cell in web.printed] == [
        ("mini_webvision", 67.44),
        ("mini_ilsvrc12", 65.00),
    ]
    ours = recipes.get("logit-bias/webvision/real/gence+")
    assert [str(cell) for cell in ours.printed] == ["64.85 ± 0.04", "80.93 ± 0.02"]
    trained = recipes.get("curriculum/cifar10/clean/ce/learning_rate=0.1")
    assert trained.expected.metric.startswith("test")
    assert trained.printed[-1].metric.startswith("train")


def test_a_training_in_several_tables_is_one_row():
    row = recipes.get("anl/cifar10/clean/anl-ce")
    assert [cell.table for cell in row.printed] == ["Table 1", "Table 2", "Table 6", "Table 8"]
    assert len({cell.value for cell in row.printed}) == 1
    row = recipes.get("curriculum/cifar100/symmetric:0.8/mae-shift")
    assert "accuracy: 13.10 ± 0.41 in Table 3, 8.08 ± 0.26 in Table 10" in row.contested
    cut_off = recipes.get("anl/cifar10/asymmetric:0.4/ce")
    assert [cell.value for cell in cut_off.printed] == [None, 73.69]
    assert cut_off.expected.table == "Table 7"
    small = recipes.get("logit-bias/cifar10/clean/ce/mlp1024")
    assert [(cell.table, cell.settings) for cell in small.printed] == [
        ("Appendix Table 2", "lr=0.001"),
        ("Appendix Table 3", ""),
    ]


def test_names_are_unique_and_can_be_typed():
    names = [row.name for row in recipes.RECIPES]
    assert len(set(names)) == len(names) > 1800
    for row in recipes.RECIPES:
        assert row.name.count("/") == 3 + bool(row.variant)
        assert set(row.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789/:.+-_=,"), row.name


def test_every_paper_data_set_and_network_has_rows():
    assert {row.paper for row in recipes.RECIPES} == set(recipes.PAPERS)
    assert {row.dataset for row in recipes.RECIPES} == set(DATASETS) - {"digits"}
    assert {row.network for row in recipes.RECIPES} - {None} == set(NETWORKS) - {"cnn2"}
    assert all(callable(getattr(kr.models, name)) for name in NETWORKS)


def test_every_row_has_its_loss_or_says_that_it_lacks_it():
    for text in {row.loss for row in recipes.RECIPES} - {None}:
        assert read_loss(text).from_logits
    for row in recipes.find(loss=None):
        assert "loss" in row.missing
        assert any(note.startswith("loss:") for note in row.contested), row.name
    algorithms = {row.algorithm.partition("(")[0] for row in recipes.RECIPES if row.algorithm}
    assert algorithms == {"NLNL", "ELR", "GJS", "CoTeaching", "JoCoR", "DivideMix"}


@pytest.mark.parametrize("text", sorted({row.moving for row in recipes.RECIPES if row.moving}))
def test_what_moves_is_part_of_the_loss(text):
    for row in recipes.find(moving=text):
        for move in read_callbacks(text):
            assert move.schedules.keys() <= row.build_loss().hyperparameters.keys()


def test_noise_is_noise_of_the_data_set():
    for dataset, noise in sorted({(row.dataset, row.noise) for row in recipes.RECIPES if row.noise}):
        if noise.split(":")[0] not in ("instance", "human"):
            transition = from_spec(noise, CATALOG[dataset].num_classes, dataset=dataset)
            assert 0 < 1 - transition.diagonal().mean() < 1


def test_what_is_missing_is_empty():
    for row in recipes.RECIPES:
        assert all(getattr(row, name) in (None, ()) for name in row.missing), row.name


def test_accuracies_are_of_data_sets_of_the_catalog():
    for recipe, cell in CELLS:
        tested = CATALOG[cell.evaluated_on]
        assert tested.num_classes == CATALOG[recipe.dataset].num_classes
        assert tested.test_only or tested.name == recipe.dataset


def test_l1_takes_the_place_of_weight_decay():
    assert all(row.weight_decay == 0 for row in recipes.RECIPES if row.l1)
    assert {row.label for row in recipes.RECIPES if row.l1} == {"ANL-CE", "ANL-FL", "ANL-CE-ER", "NCE", "NNCE"}
    assert {row.dataset for row in recipes.find(paper="anl", label="ANL*", l1=0)} == {"clothing1m"}


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("anl/mnist/symmetric:0.8/nce+rce", {"epochs": 50, "weight_decay": 1e-3, "clip_norm": 5, "exact_noise": True}),
        ("anl/cifar10/clean/anl-fl", {"l1": 5e-5, "weight_decay": 0, "exact_noise": False, "seed": 1}),
        ("anl/cifar100/symmetric:0.2/anl-ce/adam", {"optimizer": "adam", "schedule": "constant", "l1": 1e-7}),
        ("anl/animal10n/real/gce", {"boundaries": (50, 75), "decay": 0.2, "missing": ("momentum",)}),
        ("anl/clothing1m/real/anl-ce", {"pretrained": "imagenet", "weight_decay": 1e-3, "l1": 0, "batch_size": 32}),
        ("apl/cifar100/asymmetric.blocks:0.4/sce", {"loss": "SCE(alpha=2, beta=0.1, A=-9.210340371976182)"}),
        ("apl/mnist/clean/ce", {"end_rate": 0.001, "nesterov": False, "weight_decay": 1e-3}),
        ("dal/cifar100/asymmetric:0.4/jocor", {"algorithm": "JoCoR(forget_rate=0.2, lam=0.85)", "optimizer": "adam"}),
        ("dal/cifar10/backdoor:global/dal", {"backdoor": "global", "noise": None, "network": "resnet18"}),
        ("logit-bias/cifar100/clean/mae-star/epsilon=1.5", {"initializer": "kaiming_normal", "decay": 0.2}),
        ("logit-bias/fashion_mnist/clean/mae/mlp1024,learning_rate=0.05", {"momentum": 0.95, "decay": 0.95}),
        ("curriculum/cifar100/symmetric:0.6/mae-scale", {"loss": "UnitWeight(MarginScale(MAE(), tau=3.0))"}),
        ("curriculum/webvision400/real/mae-shift", {"loss": "MarginShift(UnitWeight(MAE()), tau=1.6)", "epochs": 250}),
    ],
)  # fmt: skip
def test_settings(name, fields):
    row = recipes.get(name)
    assert {field: getattr(row, field) for field in fields} == fields


def test_notes_go_to_the_rows_that_they_are_about():
    assert any("accuracy: 88.75 ± 0.26" in note for note in recipes.get("apl/cifar10/clean/mae").contested)
    assert any(note.startswith("A of RCE") for note in recipes.get("apl/cifar10/clean/nce+rce").contested)
    assert not any(note.startswith("A of RCE") for note in recipes.get("apl/cifar10/clean/nce").contested)
    reached = {(row.paper, note) for row in recipes.RECIPES for note in row.contested}
    for paper in recipes.PAPERS:
        content = tomllib.loads((FOLDER / f"{paper}.toml").read_text(encoding="utf-8"))
        assert not {(paper, note["note"]) for note in content["contested"]} - reached
    with (FOLDER / "elsewhere.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            assert any(line["mean"] in note for note in recipes.get(line["recipe"]).contested)


BLOCK = {"dataset": "mnist", "noises": ["clean", "symmetric:0.4"], "losses": {"CE": "CE()"}, "missing": ["network"]}
BLOCK |= {"epochs": 1, "batch_size": 8, "learning_rate": 0.1, "schedule": "cosine", "momentum": 0, "weight_decay": 0}


def rows(**block):
    content = {"shared": {"source": "a test"}, "settings": {}, "noises": {}, "contested": [], "rows": [BLOCK | block]}
    return read("anl", content, {}, {}, {})


def test_a_block_makes_a_row_for_each_noise_and_each_value():
    assert [row.noise for row in rows()] == [None, "symmetric:0.4"]
    each = rows(each={"seed": [1, 2]}, variant="seed={seed}")
    assert [row.name.split("/", 2)[2] for row in each] == [
        *("clean/ce/seed=1", "symmetric:0.4/ce/seed=1", "clean/ce/seed=2", "symmetric:0.4/ce/seed=2"),
    ]
    assert [row.loss for row in rows(columns={"q": [0.5, 0.6]}, losses={"GCE": "GCE(q={q})"})] == [
        *("GCE(q=0.5)", "GCE(q=0.6)"),
    ]


def test_a_mistake_in_a_block_is_named():
    with pytest.raises(TypeError, match="A recipe has no setting 'epoch', and nothing of CE is filled in with it"):
        rows(epoch=3)
    with pytest.raises(ValueError, match="`CE` of columns must be lists of 2, one value for each noise"):
        rows(columns={"learning_rate": [0.1]})


def test_the_files_are_in_the_wheel(tmp_path):
    hatchling = pytest.importorskip("hatchling.builders.wheel")
    (built,) = hatchling.WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    inside = {name.partition("recipes/")[2] for name in zipfile.ZipFile(built).namelist()}
    tables = {
        f"papers/{name}"
        for name in ("accuracies.csv", "attacks.csv", "elsewhere.csv", *(f"{p}.toml" for p in recipes.PAPERS))
    }
    assert tables | {"obtained.toml", "demo.csv", "table.py"} <= inside
    assert not {name for name in inside if "document" in name}


@pytest.fixture
def reproductions(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "tools")
    import reproductions

    return reproductions


def test_the_committed_page_is_what_is_generated(reproductions, tmp_path, capsys):
    reproductions.main([str(tmp_path / "page.md")])
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8"), (
        "run: python docs/tools/reproductions.py"
    )
    assert "page.md" in capsys.readouterr().out


def test_our_own_runs_stand_beside_the_papers(reproductions, monkeypatch):
    name = "anl/cifar10/symmetric:0.8/anl-ce"
    values = dict.fromkeys(MEASURED, (1.0, 2.0))
    runs = [Obtained(name, scale, (1, 2), (60.0, 61.0), "a machine", **values) for scale in ("full", "quick")]
    runs.append(Obtained(name, "quick", (3,), (62.0,), "a machine"))
    cell = runs[0].cell()
    assert (cell.value, cell.note, cell.runs) == (60.5, "a machine", 2)
    assert cell.std == pytest.approx(0.5**0.5)
    monkeypatch.setattr(reproductions, "RUNS", tuple(runs))
    monkeypatch.setattr(reproductions, "OBTAINED", {name: cell})
    text = reproductions.page()
    assert f"| {name} | 1, 2 | 61.27 ± 0.55 | 60.50 ± 0.71 | 1.50 ± 0.71 |" in text
    assert text.index("Scale full: a machine.") < text.index("Scale quick: a machine.")
    assert "61.27 ± 0.55 **60.50 ± 0.71**" in text
    assert f"| {name} | 3 | - | 62.00 | - | - | - | - | - |" in text


def test_recorded_runs_are_of_recipes_that_are_there():
    for run in obtained.RUNS:
        assert recipes.get(run.recipe).runnable
        measured = [getattr(run, name) for name in MEASURED]
        assert all(len(values) == len(run.seeds) for values in (run.last, *filter(None, measured)))
        assert all(0 <= last <= best <= 100 for last, best in zip(run.last, run.best or run.last, strict=True))
    assert set(obtained.OBTAINED) == {run.recipe for run in obtained.RUNS if run.scale == "full"}
