"""Figures of training: their plans are the papers' settings, and runs are drawn as the curves that they fit."""

import csv
import pathlib

import numpy as np
import pytest
from harness import once_on_jax
from rich.console import Console

from keras_robust import cli, recipes
from keras_robust.diagnostics import figures as untrained
from keras_robust.recipes import figures, scales
from keras_robust.recipes.planning import Conditions
from keras_robust.training.folder import write_json, write_rows
from keras_robust.weight_log import RECORD, write_epoch

pytestmark = once_on_jax

EPOCHS, SAMPLES = 3, 12
#: Where grids are printed -> the figure and its number.
GRIDS = {
    ("anl", "App. D.2", "tuning grid alpha"): ("anl/5", "alpha"),
    ("anl", "App. D.2", "tuning grid beta"): ("anl/5", "beta"),
    ("anl", "App. D.2", "tuning grid delta"): ("anl/3", "delta"),
    ("anl", "App. D.1 / Fig. 5", "alpha grid"): ("anl/5", "alpha"),
    ("anl", "App. D.1 / Fig. 5", "beta grid"): ("anl/5", "beta"),
    ("anl", "App. D.1 / Fig. 6", "delta grid"): ("anl/6", "delta"),
    ("anl", "App. D.1 / Fig. 7", "p_min values"): ("anl/7", "p_min"),
    ("apl", "text 5.1 (Fig. 5)", "alpha grid"): ("apl/5", "alpha"),
    ("apl", "text 5.1 (Fig. 5)", "beta grid"): ("apl/5", "beta"),
}


def write_run(folder, recipe, seed=0, offset=0.0, epochs=EPOCHS, **changes):
    """The folder of a run, as the runner leaves it, with accuracies that rise by 0.1 an epoch."""
    folder.mkdir(parents=True)
    write_json(folder / "settings.json", Conditions().settings(recipe) | {"seed": seed} | changes)
    rows = [{"epoch": epoch + 1, "val_accuracy": 0.1 * (epoch + 1) + offset} for epoch in range(epochs)]
    write_rows(folder / "history.csv", rows)
    for epoch in range(epochs):
        records = np.zeros(SAMPLES, RECORD)
        records["margin"] = np.linspace(-1, 1 + epoch, SAMPLES)
        records["weight"], records["learning_rate"], records["step"] = 0.5 / (epoch + 1), 0.1, np.arange(SAMPLES) // 6
        records["label"] = np.arange(SAMPLES) % 2
        records["clean"] = np.where(np.arange(SAMPLES) < 4, 1 - records["label"], records["label"])
        # Of the four wrong labels one is memorized in the first epoch, one more in each, and the others are corrected.
        records["predicted"] = np.where(np.arange(SAMPLES) <= epoch, records["label"], records["clean"])
        write_epoch(folder / "weights", epoch, records)


def small_print(figure):
    return " ".join(figure._suptitle.get_text().split())


def inside(figure, path):
    figure.savefig(path)
    box, width, height = figure.get_tightbbox(), *figure.get_size_inches()
    return min(box.x0, box.y0, width - box.x1, height - box.y1) >= -0.05


def test_every_figure_is_drawn_drawn_from_runs_or_has_a_reason():
    drawn = {name for name, figure in untrained.FIGURES.items() if figure.drawing}
    assert drawn | set(figures.FROM_RUNS) == set(untrained.FIGURES)
    assert not drawn & set(figures.FROM_RUNS)
    states = {name: figures.plan(name) for name in figures.FROM_RUNS}
    assert [name for name, plan in states.items() if plan.reason] == ["anl/4"]
    assert all(bool(plan.curves) != bool(plan.reason) for plan in states.values())
    listed = figures.figure_listing().splitlines()
    assert [line.split()[0] for line in listed] == list(untrained.FIGURES)
    assert sum(" drawn " in line and " not " not in line for line in listed) == 15
    assert sum(" from " in line.split("  ", 1)[1][:30] for line in listed) == 20


@pytest.mark.parametrize("name", [name for name in figures.FROM_RUNS if name != "anl/4"])
def test_runs_of_all_curves_are_drawn(name, tmp_path):
    plan = figures.plan(name)
    for place, curve in enumerate(plan.curves):
        write_run(tmp_path / "runs" / f"run-{place}", curve.recipe)
    figure = figures.draw_figure(name, [tmp_path / "runs"])
    assert inside(figure, tmp_path / "figure.png")
    assert untrained.FIGURES[name].reference in small_print(figure)
    for words in ("not the paper's", " curves: "):
        assert words not in small_print(figure)
    titles = {ax.get_title() for ax in figure.axes if ax.get_title()}
    for curve in plan.curves:
        assert any(curve.recipe.dataset in title and curve.panel.strip("*") in title for title in titles), str(curve)
    lines = [line for ax in figure.axes for line in ax.lines if not line.get_label().startswith("_")]
    shown = {
        "accuracies": len(plan.curves) + (2 if name == "anl/6" else 0),
        "fits": 3 * len(plan.curves),
        "corrections": 2 * len(plan.curves) - 9,  # on clean labels there is nothing to correct
        "effective_rates": len(plan.curves),
    }
    if plan.drawing == "corrections":
        shown["corrections"] = 2 * len(plan.curves)  # these logs have wrong labels everywhere
    if plan.drawing in shown:
        assert len(lines) == shown[plan.drawing]


def test_what_is_drawn_is_what_runs_hold(tmp_path):
    curves = {curve.label: curve for curve in figures.plan("dal/4").curves}
    for seed in (0, 1):
        write_run(tmp_path / "ce" / f"seed-{seed}", curves["CE"].recipe, seed, offset=0.2 * seed)
    figure = figures.draw_figure("dal/4", [tmp_path / "ce"])
    drawn = {line.get_label(): line.get_ydata().tolist() for line in figure.axes[0].lines}
    assert drawn["test"] == pytest.approx([20, 30, 40])
    assert drawn["training, wrong labels"] == pytest.approx([25, 50, 75])
    assert drawn["training, right labels"] == pytest.approx([100, 100, 100])
    assert "without 3 of 4 curves: MAE, GCE, DAL" in small_print(figure)

    write_run(tmp_path / "clean", figures.plan("curriculum/1").curves[1].recipe)
    ax = figures.draw_figure("curriculum/1", [tmp_path / "clean"]).axes[0]
    # eta_t w_t is 0.05, 0.025 and 0.1 / 6 in the three epochs, two steps each.
    means = np.cumsum(np.repeat([0.05, 0.025, 0.05 / 3], 2)) / np.arange(1, 7)
    assert ax.lines[0].get_ydata() == pytest.approx(means / means.max())


@pytest.mark.parametrize("name", ["anl/3", "anl/6"])
def test_the_penalty_on_the_jacobian_is_trained_with_each_factor_and_drawn(name, tmp_path):
    curves = [curve for curve in figures.plan(name).curves if curve.panel == "Jacobian"]
    assert [curve.recipe.jacobian for curve in curves] == [1e-7, 5e-7, 1e-6, 5e-6, 1e-5, 5e-5, 1e-4]
    for curve in curves:
        assert (curve.recipe.l1, curve.recipe.weight_decay) == (0.0, 0.0)
        assert scales.method(curve.recipe).jacobian == curve.values["delta"]
    write_run(tmp_path / "run", curves[2].recipe)
    ax = figures.draw_figure(name, [tmp_path / "run"]).axes[0]
    assert ax.get_title() == "cifar10, symmetric:0.8, Jacobian"
    assert [line.get_label() for line in ax.lines if line.get_xdata().size] == ["delta = 1e-06"]


def test_numbers_of_grids_and_ends(tmp_path):
    for place, curve in enumerate(figures.plan("apl/5").curves[:12]):
        write_run(tmp_path / "grid" / f"{place}", curve.recipe, offset=place / 100)
    (ax, *_) = figures.draw_figure("apl/5", [tmp_path / "grid"]).axes
    assert [text.get_text() for text in ax.texts] == [f"{30 + place:.1f}" for place in range(12)]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["alpha = 0.1", "alpha = 1", "alpha = 10"]
    with pytest.raises(ValueError, match=r"runs of all combinations; alpha, beta = \(0.1, 10.0\) lacks"):
        figures.draw_figure("apl/5", [tmp_path / "grid" / str(place) for place in (0, 1, 6)])

    for place, curve in enumerate(figures.plan("dal/3").curves[5:10]):
        write_run(tmp_path / "ends" / f"{place}", curve.recipe, offset=place / 100)
    (ax,) = figures.draw_figure("dal/3", [tmp_path / "ends"]).axes
    assert (ax.get_title(), ax.get_xlabel()) == ("cifar10, instance:0.4, GCE by q", "q")
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[0.85 + 0.025 * n, 30 + n] for n in range(5)])


def test_runs_on_other_data_say_so(tmp_path):
    recipe = (
        figures.plan("anl/5")
        .curves[18]
        .recipe.changed(
            dataset="digits", network="cnn2", augmentation=None, noise="symmetric:0.4", loss="ANLCE(5, 5)", l1=5e-5
        )
    )
    write_run(tmp_path / "run", recipe)
    figure = figures.draw_figure("anl/5", [tmp_path / "run"])
    assert figure.axes[0].get_title() == "digits, symmetric:0.4\nalpha = 5, beta = 5"
    told = "not the paper's: dataset digits (cifar10); noise symmetric:0.4 (symmetric:0.8); network cnn2 (cnn8); l1"
    assert told in small_print(figure)
    assert "without 24 of 25 curves" in small_print(figure)
    # On data of the paper, a run is a curve of these data: 5, 5 are the weights of CIFAR-10.
    write_run(tmp_path / "other", recipe.changed(l1=5e-5), dataset="cifar100", noise="symmetric:0.6", weight_decay=0.0)
    with pytest.raises(ValueError, match="does not fit anl/7: it has"):
        figures.draw_figure("anl/7", [tmp_path / "other"])


def test_one_loss_on_other_data_stands_for_the_data_set_of_its_settings(tmp_path):
    for place, curve in enumerate(figures.plan("apl/5").curves):
        recipe = curve.recipe.changed(epochs=60)
        write_run(tmp_path / "runs" / str(place), recipe, offset=place / 100, dataset="digits")
    figure = figures.draw_figure("apl/5", [tmp_path / "runs"])
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles == [f"digits, symmetric:0.6, as {name}" for name in ("cifar10", "cifar100")]
    numbers = [[text.get_text() for text in ax.texts] for ax in figure.axes if ax.texts]
    assert numbers == [[f"{30 + place:.1f}" for place in range(start, start + 12)] for start in (0, 12)]


def test_what_does_not_fit_is_refused(tmp_path, capsys):
    write_run(tmp_path / "gce", recipes.get("anl/mnist/clean/gce"))
    words = (
        r"gce does not fit curriculum/1: it has loss='GCE\(q=0.7\)'. The figure is of: curriculum/cifar100/clean/ce; "
    )
    with pytest.raises(ValueError, match=words):
        figures.draw_figure("curriculum/1", [tmp_path / "gce"])
    with pytest.raises(
        ValueError, match="`runs` of figure must be folders of runs, at least one and none of them twice"
    ):
        figures.draw_figure("curriculum/1", [tmp_path / "gce", tmp_path / "gce"])
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        figures.draw_figure("curriculum/1", [tmp_path / "nowhere"])
    with pytest.raises(ValueError, match="anl/4 is not drawn: it needs all probabilities"):
        figures.draw_figure("anl/4", [tmp_path / "gce"])
    with pytest.raises(ValueError, match="anl/1 needs none, `diagnostics.figures.figure` draws it"):
        figures.draw_figure("anl/1", [tmp_path / "gce"])
    with pytest.raises(ValueError, match="`name` of plan must be one of"):
        figures.draw_figure("anl/9", [tmp_path / "gce"])
    ce = figures.plan("curriculum/1").curves[0].recipe
    for epochs in (2, 3):
        write_run(tmp_path / "lengths" / str(epochs), ce, epochs=epochs)
    with pytest.raises(ValueError, match="those of one curve with as many epochs.* of 2, .* of 3"):
        figures.draw_figure("curriculum/1", [tmp_path / "lengths"])
    for rate in (0.1, 0.2):
        write_run(tmp_path / "rates" / str(rate), ce.changed(learning_rate=rate))
    with pytest.raises(ValueError, match="with other seeds alone.* has learning_rate=0.1, .*0.2"):
        figures.draw_figure("curriculum/1", [tmp_path / "rates"])
    (tmp_path / "gce" / "history.csv").unlink()
    with pytest.raises(ValueError, match="runs with a history.csv"):
        figures.draw_figure("curriculum/1", [tmp_path / "gce"])
    write_epoch(tmp_path / "log", 0, np.zeros(3, RECORD))
    with pytest.raises(ValueError, match="folders of `recipes.run`"):
        figures.draw_figure("curriculum/1", [tmp_path / "log"])
    with pytest.raises(ValueError, match="one that can be run: it lacks epochs"):
        figures.train_figure("logit-bias/4", folder=tmp_path / "none")
    assert not (tmp_path / "none").exists()
    for arguments, said in (
        (["dal/4"], "dal/4 is drawn from runs: --runs FOLDER ..., or --scale full, quick or smoke"),
        (["dal/4", "--runs", "x", "--scale", "smoke"], "from --runs that are there, or"),
    ):
        with pytest.raises(SystemExit, match="2"):
            cli.main(["figure", *arguments])
        assert said in capsys.readouterr().err


def test_the_runs_of_a_figure_are_trained_once(tmp_path, monkeypatch, capsys):
    shared = {"scale": "smoke", "folder": tmp_path / "runs", "console": Console(quiet=True)}
    small = {"dataset": "digits", "network": "cnn2", "augmentation": None}
    first = figures.train_figure("dal/4", changes=small, **shared)
    assert sorted(ax.get_title().split("\n")[1] for ax in first.axes if ax.get_title()) == ["CE", "DAL", "GCE", "MAE"]
    assert "dataset digits (cifar100)" in small_print(first)
    assert "scale smoke" in small_print(first)
    monkeypatch.setattr("keras_robust.training.jobs.train", None)
    again = figures.train_figure("dal/4", changes=small, **shared)
    assert [line.get_ydata().tolist() for ax in again.axes for line in ax.lines] == [
        line.get_ydata().tolist() for ax in first.axes for line in ax.lines
    ]
    folders = [str(folder) for folder in (tmp_path / "runs").iterdir() if folder.is_dir()]
    assert cli.main(["figure", "dal/4", "--runs", *folders, "--out", str(tmp_path / "drawn.png")]) == 0
    assert "Written to" in capsys.readouterr().out


def test_grids_are_the_printed_ones():
    with open(pathlib.Path(__file__).parent / "hyperparameters.csv", encoding="utf-8", newline="") as file:
        lines = [line for line in csv.DictReader(file) if (line["paper"], line["where"], line["name"]) in GRIDS]
    assert {(line["paper"], line["where"], line["name"]) for line in lines} == set(GRIDS)
    for line in lines:
        name, number = GRIDS[line["paper"], line["where"], line["name"]]
        drawn = [curve.values[number] for curve in figures.plan(name).curves if number in curve.values]
        assert sorted(set(drawn)) == sorted(map(float, line["value"].split(", "))), line


def test_ranges_and_changes_are_the_printed_ones():
    by_panel = {}
    for curve in figures.plan("dal/3").curves:
        by_panel.setdefault(curve.panel, []).extend(curve.values.values())
    assert [(min(found), max(found)) for found in by_panel.values()] == [
        (0.75, 0.85),
        (0.85, 0.95),
        (1.2, 1.8),
        (0.5, 1.5),
    ]
    q_s = [curve.values["q"] for curve in figures.plan("dal/1").curves if curve.panel == "DAL"]
    assert (min(q_s), max(q_s)) == (0.55, 0.65)
    for curve in figures.plan("anl/5").curves:  # the weight decay of NCE+RCE
        assert curve.recipe.weight_decay == recipes.get("anl/cifar10/symmetric:0.8/nce+rce").weight_decay
        assert curve.recipe.l1 == 0.0
    for curve in figures.plan("apl/4").curves:
        assert curve.recipe.build_loss().from_logits
    assert {curve.recipe.noise for curve in figures.plan("curriculum/9").curves} == {
        "symmetric:0.2",
        "human:worst",
        "asymmetric:0.4",
    }
