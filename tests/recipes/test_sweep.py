"""Sweeps: every combination is trained once, in a folder of its own, and stands in a table and a picture."""

import csv
import json

import numpy as np
import pytest
from harness import once
from rich.console import Console

from keras_robust import cli, diagnostics, recipes
from keras_robust.recipes import sweeps
from keras_robust.training import jobs

pytestmark = once

NAME = "anl/mnist/symmetric:0.8/anl-ce"
AXES = diagnostics.plots.accuracy_curves({"CE": [np.array([0.5])]})
REHEARSAL = {"scale": "smoke", "console": Console(quiet=True)}


def refused(*arguments, **named):
    raise AssertionError("trained")


def test_command_trains_all_combinations(tmp_path, capsys, monkeypatch):
    out = tmp_path / "sweep"
    arguments = ["run", NAME, "--scale", "smoke", "--out", str(out), "--sweep", "beta=1", "learning_rate=0.1,0.01"]
    assert cli.main([*arguments, "--seeds", "1", "2"]) == 0
    printed = capsys.readouterr().out
    for words in ("beta", "learning_rate", "a rehearsal", "mean ± std of 2 seed(s)", f"Written to {out}"):
        assert words in printed
    assert diagnostics.log_names(out) == [f"beta-1-learning-rate-0.{d}-seed{s}" for d in ("01", "1") for s in (1, 2)]
    settings = json.loads((out / "beta-1-learning-rate-0.01-seed2" / "settings.json").read_text())
    assert (settings["loss"], settings["learning_rate"], settings["seed"]) == ("ANLCE(alpha=1, beta=1)", 0.01, 2)
    with open(out / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["beta"], row["learning_rate"]) for row in rows] == [("1", "0.1"), ("1", "0.01")]
    assert (out / "heatmap.png").read_bytes().startswith(b"\x89PNG")
    with open(out / "runs.csv", newline="") as file:
        assert next(csv.reader(file)) == ["beta", "learning_rate", "seed", "epoch", "test_accuracy"]
    assert cli.main(["plot", "memorization", str(out), "--log", "beta-1-learning-rate-0.1-seed1"]) == 0

    monkeypatch.setattr(jobs, "train", refused)
    again = recipes.sweep(NAME, [1, 2], folder=out, beta=[1], learning_rate=[0.01], **REHEARSAL)
    assert again.rows()[0]["last"] == pytest.approx(float(rows[1]["last"]))
    with pytest.raises(AssertionError, match="trained"):  # a value that was not there
        recipes.sweep(NAME, folder=out, beta=[1, 3], learning_rate=[0.01], **REHEARSAL)
    with pytest.raises(FileExistsError, match="holds a run with other settings"):
        recipes.sweep(NAME, folder=out, alpha=[1], **REHEARSAL)


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        (NAME, {}, "`values` of sweep must be at least one list of values"),
        (NAME, {"alpha": 1}, "`alpha` of sweep must be a list of values, none of them twice"),
        (NAME, {"alpha": [1, 1.0]}, "`alpha` of sweep must be a list of values, none of them twice"),
        (NAME, {"gamma": [1]}, "`gamma` of sweep must be an argument of the loss or one of dataset, loss"),
        (NAME, {"seed": [1, 2]}, "`seed` of sweep must be an argument of the loss or one of"),
        (NAME, {"alpha": [-1]}, "`alpha` of ANLCE must be"),
        (NAME, {"network": ["resnet"]}, "`network` of Recipe must be one of"),
        (NAME, {"loss": ["CE(reduction=None)"]}, "`reduction` of sweep must be one that makes a number"),
        ("dal/cifar10/symmetric+true:0.4/dal", {"q": [1]}, "`q` of sweep must be something that stays"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_there_is_a_folder(name, values, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        recipes.sweep(name, folder=tmp_path / "new", **REHEARSAL, **values)
    assert not (tmp_path / "new").exists()


def test_folders_of_values_that_look_alike(tmp_path, monkeypatch):
    assert diagnostics.runs.log_name("epsilon=-1", 0) != diagnostics.runs.log_name("epsilon=1", 0)
    monkeypatch.setattr(jobs, "train", refused)
    with pytest.raises(ValueError, match="must be told apart by letters and numbers"):
        recipes.sweep(NAME, folder=tmp_path, loss=["CE() + MAE()", "CE()+MAE()"], **REHEARSAL)


def test_what_moves_the_loss_is_swept_by_its_own_arguments(tmp_path):
    row = recipes.get("dal/cifar10/symmetric+true:0.4/dal").changed(network="mlp1024")
    grid = recipes.sweep(row, folder=tmp_path / "sweep", q_start=[0.5, 0.8], **REHEARSAL)
    moving = [entry.recipe.moving for entry in grid.entries]
    assert moving == ["DALSchedule(q_start=0.5, q_end=1.5)", "DALSchedule(q_start=0.8, q_end=1.5)"]


def test_a_sweep_is_decided_on_images_that_are_held_out(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        sweeps.plots, "heat_map", lambda *values, **named: drawn.update(named, values=values[0]) or AXES
    )
    changes = {"validation": 0.5, "validation_labels": "clean"}
    grid = recipes.sweep(NAME, folder=tmp_path / "sweep", beta=[1, 5], changes=changes, **REHEARSAL)
    assert drawn["label"] == "accuracy on held-out images (%)"
    assert drawn["values"].tolist() == [[row["validation"] for row in grid.rows()]]
    assert {"chosen", "chosen_std"} <= grid.rows()[0].keys()
    assert "held out" in str([column.header for column in grid.table(140).columns])
