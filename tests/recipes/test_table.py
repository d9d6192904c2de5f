"""The table: every row can be built and says where it is from; known cells; the page."""

import pathlib

import pytest

import keras_robust as kr
from keras_robust import recipes
from keras_robust.catalog import CATALOG
from keras_robust.losses.reading import read_loss
from keras_robust.noise.specification import from_spec
from keras_robust.recipes import document, obtained
from keras_robust.recipes.grid import UNVERIFIED, Printed, grid
from keras_robust.recipes.moving import read_callbacks
from keras_robust.recipes.obtained import Obtained
from keras_robust.recipes.schema import NETWORKS

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "reproductions.md"


def test_names_are_unique_and_can_be_typed():
    names = [row.name for row in recipes.RECIPES]
    assert len(set(names)) == len(names) > 900
    for name in names:
        assert name.count("/") == 3
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789/:.+-_"), name


def test_every_paper_has_rows():
    assert {row.paper for row in recipes.RECIPES} == set(recipes.PAPERS)


@pytest.mark.parametrize("text", sorted({row.loss for row in recipes.RECIPES}))
def test_losses_build(text):
    assert read_loss(text).from_logits


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


def test_networks_are_those_of_the_models():
    assert {row.network for row in recipes.RECIPES} == set(NETWORKS)
    if hasattr(kr.models, "resnet18"):
        for name in NETWORKS:
            assert callable(getattr(kr.models, name))


def test_augmentations_are_those_of_the_data():
    for row in recipes.RECIPES:
        if row.augmentation is not None:
            assert row.augmentation in [known.name for known in CATALOG[row.dataset].recipes]


def test_every_row_cites_a_source_and_says_what_could_not_be_verified():
    for row in recipes.RECIPES:
        assert row.source
        assert row.verified == (row.table is not None)
        assert row.verified != row.source.endswith(UNVERIFIED), row.name
        if row.verified:
            assert row.expected.source


def test_what_is_missing_is_empty():
    for row in recipes.RECIPES:
        for name in row.missing:
            assert getattr(row, name) in (None, ()), row.name
        assert row.runnable == (not row.missing)
    assert {row.paper for row in recipes.find(runnable=False)} == {"logit-bias", "anl"}


def test_l1_takes_the_place_of_weight_decay():
    rows = [row for row in recipes.RECIPES if row.l1]
    assert {row.label for row in rows} == {"ANL-CE", "ANL-FL", "ANL-CE-ER"}
    assert all(row.weight_decay == 0 for row in rows)
    assert {row.label for row in recipes.find(paper="anl", label="ANL*")} == {row.label for row in rows}
    assert all(row.l1 for row in recipes.find(paper="anl", label="ANL*"))


@pytest.mark.parametrize(
    ("name", "mean", "std"),
    [
        ("anl/mnist/symmetric:0.8/ce", 22.51, None),
        ("anl/mnist/symmetric:0.8/nce+rce", 74.04, None),
        ("anl/mnist/symmetric:0.8/anl-ce", 96.62, None),
        ("anl/cifar10/symmetric:0.4/anl-ce", 87.28, 0.02),
        ("anl/cifar10/symmetric:0.8/anl-ce", 61.27, 0.55),
        ("anl/cifar10/symmetric:0.4/ce", 58.19, None),
        ("anl/cifar10/symmetric:0.8/ce", 19.09, None),
        ("apl/cifar10/symmetric:0.8/nce+rce", 52.71, 1.90),
        ("apl/cifar10/asymmetric.sequential:0.4/sce", 78.20, 0.03),
        ("apl/cifar100/clean/gce", 69.00, 0.56),
        ("curriculum/cifar100n/human:cifar100n/mae-rescale", 54.65, 0.73),
        ("curriculum/mini_webvision/real/mae-shift", 60.76, None),
    ],
)
def test_cells(name, mean, std):
    row = recipes.get(name)
    assert (row.expected.mean, row.expected.std) == (mean, std)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        (
            "anl/mnist/symmetric:0.8/nce+rce",
            {
                "epochs": 50,
                "learning_rate": 0.01,
                "weight_decay": 1e-3,
                "batch_size": 128,
                "clip_norm": 5,
                "network": "cnn4",
            },
        ),
        ("anl/cifar10/clean/anl-fl", {"epochs": 120, "l1": 5e-5, "weight_decay": 0, "network": "cnn8"}),
        (
            "anl/cifar100/clean/anl-ce",
            {"epochs": 200, "learning_rate": 0.1, "l1": 5e-7, "loss": "ANLCE(alpha=10, beta=1)"},
        ),
        ("anl/mini_webvision/real/anl-ce", {"batch_size": 512, "decay": 0.97, "nesterov": True, "l1": 5e-6}),
        ("dal/cifar10/symmetric+true:0.4/dal", {"epochs": 150, "weight_decay": 1e-4, "network": "resnet18"}),
        ("curriculum/cifar100/clean/mae", {"learning_rate": 0.1, "weight_decay": 1e-5, "network": "resnet34"}),
    ],
)
def test_settings(name, fields):
    row = recipes.get(name)
    assert {field: getattr(row, field) for field in fields} == fields


def test_a_table_needs_a_cell_for_every_noise():
    with pytest.raises(ValueError, match="`rows` of Printed must be 2 cells for each loss. Received: rows='CE: 1'"):
        Printed("Table 1", "a paper", (None, "symmetric:0.4"), {"CE": "1"})
    table = Printed("Table 1", "a paper", (None, "symmetric:0.4"), {"CE": "- 12.5±0.5"}, runs=2)
    base = recipes.get("anl/cifar10/clean/ce").to_dict()
    clean, noisy = grid(base, {"CE": "CE()"}, (None, "symmetric:0.4"), (table,), exact_noise=True)
    assert not clean.verified
    assert not clean.exact_noise
    assert noisy.expected == recipes.Cell(12.5, 0.5, "a paper", 2)
    assert noisy.exact_noise


def test_the_committed_page_is_what_is_generated(tmp_path, capsys):
    document.main([str(tmp_path / "page.md")])
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8"), (
        "run: python -m keras_robust.recipes.document"
    )
    assert "page.md" in capsys.readouterr().out


def test_the_page_has_every_row_and_our_own_runs(monkeypatch):
    text = document.page()
    assert "| ANL-CE | - | - | 87.28 ± 0.02 | - | 61.27 ± 0.55 | `ANLCE(alpha=5, beta=5)`; L1 5e-05 |" in text
    cells = sum(line.count(" - |") for line in text[text.index("## apl") :].splitlines())
    assert cells == sum(not row.verified for row in recipes.RECIPES)
    own = {"anl/cifar10/symmetric:0.8/anl-ce": recipes.Cell(60.5, None, "jax")}
    monkeypatch.setattr(document, "OBTAINED", own)
    assert "61.27 ± 0.55 **60.50**" in document.page()
    assert "Numbers in bold are our own runs." in document.page()


def test_our_own_runs_stand_beside_the_papers(monkeypatch):
    name = "anl/cifar10/symmetric:0.8/anl-ce"
    values = dict.fromkeys(("mean_of_last_ten", "best", "memorized", "corrected", "auroc"), (1.0, 2.0))
    runs = [Obtained(name, scale, (1, 2), (60.0, 61.0), setup="a machine", **values) for scale in ("full", "quick")]
    cell = runs[0].cell()
    assert (cell.mean, cell.source, cell.runs) == (60.5, "a machine", 2)
    assert cell.std == pytest.approx(0.5**0.5)
    monkeypatch.setattr(document, "RUNS", tuple(runs))
    text = document.page()
    assert f"| {name} | 1, 2 | 61.27 ± 0.55 | 60.50 ± 0.71 | 1.50 ± 0.71 |" in text
    assert text.index("Scale full:") < text.index("Scale quick:") < text.rindex("- a machine")


def test_recorded_runs_are_of_recipes_that_are_there():
    for run in obtained.RUNS:
        assert recipes.get(run.recipe).runnable
        assert len(run.seeds) == len(run.last) == len(run.best) == len(run.memorized)
        assert all(0 <= last <= best <= 100 for last, best in zip(run.last, run.best, strict=True))
    assert set(obtained.OBTAINED) == {run.recipe for run in obtained.RUNS if run.scale == "full"}
