"""The runner: its files, going on after a kill, what it refuses, and the command."""

import csv
import dataclasses
import json
import signal

import forked
import keras
import numpy as np
import pytest
from filelock import FileLock
from harness import assert_refused_in_one_line, once
from rich.console import Console

from keras_robust import cli, data, models, recipes
from keras_robust.diagnostics import WeightLog, log_names
from keras_robust.noise import NoisyLabels
from keras_robust.training import jobs
from keras_robust.training.folder import read_history

NAME = "anl/mnist/symmetric:0.8/anl-ce"
QUIET = Console(quiet=True)
# A network that compiles fast, on images that are augmented, with a loss that moves.
SMALL = {
    "network": "cnn4",
    "loss": "DAL()",
    "moving": "DALSchedule()",
    "epochs": 4,
    "batch_size": 16,
    "exact_noise": False,
}


#: On PyTorch and JAX.
on_two = pytest.mark.only("jax", "torch")  # two backends are enough


def rehearse(folder, **options):
    return recipes.run(NAME, scale="smoke", folder=folder, console=QUIET, **options)


@pytest.fixture
def cifar(tmp_path):
    """A folder with 40 images of the shape of CIFAR-10."""
    arrays = data.generated("cifar10", 40, 16)
    content = {name: getattr(arrays, name) for name in ("x_train", "y_train", "x_test", "y_test")}
    np.savez(tmp_path / "cifar10.npz", **content)
    return tmp_path


def test_command_trains_and_compares_with_the_paper(tmp_path, capsys):
    out = tmp_path / "run"
    assert cli.main(["run", NAME, "--scale", "smoke", "--seeds", "3", "5", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    for words in ("symmetric:0.8", "Table 2", "seed 3", "seed 5", "paper", "96.62", "a rehearsal"):
        assert words in printed
    results = [json.loads((out / f"seed-{seed}" / "result.json").read_text()) for seed in (3, 5)]
    with open(out / "results.csv", newline="") as file:
        rows = {row["run"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["seed 3", "seed 5", "mean", "standard deviation", "paper"]
    assert float(rows["mean"]["last"]) == pytest.approx(np.mean([result["last"] for result in results]))
    assert float(rows["standard deviation"]["last"]) == pytest.approx(
        np.std([result["last"] for result in results], ddof=1)
    )
    assert float(rows["paper"]["last"]) == pytest.approx(0.9662)

    assert log_names(out) == ["seed-3", "seed-5"]
    folder, result = out / "seed-5", results[1]
    history = read_history(folder / "history.csv")
    assert [row["epoch"] for row in history] == [1]
    assert result["last"] == result["best"] == result["mean_of_last_ten"] == history[-1]["val_accuracy"]
    labels = NoisyLabels.load(folder / "labels.npz")
    assert labels.seed == 5
    assert labels.mask.any()
    log = WeightLog(folder / "weights")
    np.testing.assert_array_equal(log.labels, labels.noisy)
    np.testing.assert_array_equal(log.wrong, labels.mask)
    assert result["memorized"] == log.memorized()[-1]
    assert result["auroc"] == log.detection().auroc
    arrays = data.generated("mnist", 16, 8)
    model = keras.saving.load_model(folder / "model.keras", compile=False)
    splits = data.load("mnist", arrays=arrays, augment=False)
    accuracy = np.mean(np.argmax(model.predict(splits.test, verbose=0), axis=-1) == arrays.y_test)
    assert accuracy == pytest.approx(result["last"])
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    settings = json.loads((folder / "settings.json").read_text())
    assert (settings["recipe"], settings["seed"], settings["scale"]) == (NAME, 5, "smoke")
    assert settings["versions"]["backend"] == keras.backend.backend()
    assert not list(folder.glob("checkpoint*"))


@on_two  # and all three in tests/callbacks
def test_a_run_goes_on_after_a_kill_as_if_nothing_had_happened(cifar, tmp_path):
    changes = SMALL | {"jacobian": 0.01, "validation": 0.25, "validation_labels": "noisy"}
    options = {"data_dir": str(cifar), "changes": changes}
    code = f"""
import os, signal
from keras_robust import recipes
from keras_robust.training import jobs
from keras_robust.training.folder import HistoryFile

class Killed(HistoryFile):
    def on_train_batch_end(self, batch, logs=None):
        if len(self.rows) == 2:
            os.kill(os.getpid(), signal.SIGKILL)

jobs.HistoryFile = Killed
recipes.run("anl/cifar10/symmetric:0.4/ce", folder={str(tmp_path / "broken")!r}, **{options!r})
"""
    killed = forked.run(code)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    broken, whole = tmp_path / "broken" / "seed-1", tmp_path / "whole" / "seed-1"
    assert [path.name for path in broken.glob("checkpoint*")] == ["checkpoint-00002.weights.h5"]
    assert not (broken / "result.json").exists()
    for folder in (broken, whole):
        recipes.run("anl/cifar10/symmetric:0.4/ce", folder=folder.parent, console=QUIET, **options)
    histories = [read_history(folder / "history.csv") for folder in (broken, whole)]
    assert [row["epoch"] for row in histories[0]] == [1, 2, 3, 4]
    for name in ("loss", "accuracy", "val_loss", "val_accuracy", "held_out_accuracy", "learning_rate", "q", "lam"):
        pair = [[row[name] for row in history] for history in histories]
        np.testing.assert_allclose(*pair, rtol=1e-3, atol=1e-5, err_msg=name)
    recipe = recipes.get("anl/cifar10/symmetric:0.4/ce").changed(**SMALL)
    rates = [recipe.rate(epoch) for epoch in range(4)]
    assert rates[3] < 0.2 * rates[0]
    assert [row["learning_rate"] for row in histories[1]] == pytest.approx(rates)
    logs = [WeightLog(folder / "weights") for folder in (broken, whole)]
    assert logs[0].epochs == logs[1].epochs == [0, 1, 2, 3]
    for name in ("margin", "weight", "loss", "step", "label", "learning_rate"):
        np.testing.assert_allclose(*(log.array(name) for log in logs), rtol=1e-3, atol=1e-4, err_msg=name)


@once
def test_seeds_are_a_list():
    with pytest.raises(ValueError, match="`seeds` of run must be a list of them, one run for each. Received: seeds=3"):
        rehearse("nowhere", seeds=3)


@once
def test_a_run_that_is_done_is_read(tmp_path, monkeypatch):
    first = rehearse(tmp_path / "run")
    monkeypatch.setattr(jobs, "train", None)
    assert rehearse(tmp_path / "run").results == first.results


@once
def test_two_runs_do_not_share_a_folder(tmp_path):
    folder = tmp_path / "run"
    rehearse(folder)
    with pytest.raises(FileExistsError, match="holds a run with other settings .*network: 'cnn4' there, 'mlp1024' now"):
        rehearse(folder, changes={"network": "mlp1024"}, seeds=[7])
    with pytest.raises(FileExistsError, match="recipe: 'anl/mnist/symmetric:0.8/anl-ce' there"):
        recipes.run("anl/mnist/clean/ce", scale="smoke", folder=folder, console=QUIET)
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.tex").touch()
    with pytest.raises(FileExistsError, match="holds thesis.tex, which no run left"):
        rehearse(other)
    with FileLock(folder / ".lock"), pytest.raises(TimeoutError, match="Another process is running in"):
        rehearse(folder)
    (folder / "seed-1" / "settings.json").write_text("{")
    with pytest.raises(ValueError, match="settings.json is damaged"):
        rehearse(folder)


@once
def test_other_data_are_noticed(cifar, tmp_path, monkeypatch):
    options = {"data_dir": cifar, "changes": SMALL, "folder": tmp_path / "run", "console": QUIET}

    def stopped(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "train", stopped)
    with pytest.raises(KeyboardInterrupt):
        recipes.run("anl/cifar10/symmetric:0.4/ce", **options)
    with np.load(cifar / "cifar10.npz") as archive:
        np.savez(cifar / "cifar10.npz", **{**archive, "y_train": archive["y_train"][::-1]})
    with pytest.raises(ValueError, match="holds other labels than those drawn now"):
        recipes.run("anl/cifar10/symmetric:0.4/ce", **options)


@once
def test_a_share_of_the_images_and_of_the_epochs(cifar, tmp_path):
    options = {"data_dir": cifar, "folder": tmp_path / "run", "console": QUIET}
    changes = SMALL | {"epochs": 8}
    report = recipes.run("anl/cifar10/symmetric:0.4/ce", scale="quick", changes=changes, **options)
    log = WeightLog(tmp_path / "run" / "seed-1" / "weights")
    assert log.epochs == [0, 1]
    assert log.num_samples == 40
    assert [np.count_nonzero(records["label"] >= 0) for records in log] == [4, 4]
    assert report.remarks[0] == "2 of 8 epochs on 10% of the images: no comparison with the paper"
    assert "network='cnn4'" in report.remarks[1]


@once
@pytest.mark.parametrize(("scale", "logged"), [("smoke", 8), ("quick", 144)])
def test_a_recipe_of_your_own_on_the_digits(scale, logged, tmp_path):
    mine = recipes.Recipe(
        paper=None, dataset="digits", label="mine", loss="GCE()", network="cnn2", source="a test", noise="pair:0.2",
        epochs=4, batch_size=4, learning_rate=0.01, schedule="constant", momentum=0.9, weight_decay=0,
    )  # fmt: skip
    report = recipes.run(mine, seeds=[3], scale=scale, folder=tmp_path / "run", console=QUIET)
    assert report.table().title == "own/digits/pair:0.2/mine (no accuracy is printed)"
    assert [row["run"] for row in report.rows()] == ["seed 3"]
    log = WeightLog(tmp_path / "run" / "seed-3" / "weights")
    records = log.epoch(0)
    assert np.count_nonzero(records["label"] >= 0) == logged
    labels = NoisyLabels.load(tmp_path / "run" / "seed-3" / "labels.npz")
    seen = records["label"] >= 0
    np.testing.assert_array_equal(records["label"][seen], labels.noisy[seen])


ASKED = {"jacobian": {"jacobian": 0.5}, "adam": {"optimizer": "adam", "momentum": None, "weight_decay": 0.5}}


@on_two
@pytest.mark.parametrize("changes", ASKED.values(), ids=ASKED)
def test_what_a_setting_asks_for_moves_the_weights(changes, tmp_path):
    """The same two steps without it end elsewhere."""
    weights = []
    for name, wanted in (("with", changes), ("without", changes | {next(reversed(changes)): 0.0})):
        rehearse(tmp_path / name, changes=wanted, seeds=[1])
        model = keras.saving.load_model(tmp_path / name / "seed-1" / "model.keras", compile=False)
        weights.append(np.concatenate([value.ravel() for value in model.get_weights()]))
    assert np.abs(weights[0] - weights[1]).max() > 1e-4


@on_two
def test_training_starts_from_the_weights_of_a_file(tmp_path):
    """With a rate of nearly nothing the weights stay what they were, all but the classifier's."""
    keras.utils.set_random_seed(9)
    source = models.mlp1024((28, 28, 1), 7)
    source.save(tmp_path / "source.keras")
    options = {"pretrained": tmp_path / "source.keras", "changes": {"network": "mlp1024", "learning_rate": 1e-12}}
    report = rehearse(tmp_path / "run", **options)
    model = keras.saving.load_model(tmp_path / "run" / "seed-1" / "model.keras", compile=False)
    for name in ("hidden1", "hidden3"):
        np.testing.assert_allclose(
            model.get_layer(name).kernel.numpy(), source.get_layer(name).kernel.numpy(), atol=1e-6
        )
    assert model.get_layer("predictions").kernel.shape == (512, 10)
    assert report.remarks[2] == "weights of source.keras: 3 layers loaded, left as drawn: predictions"
    settings = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert (settings["pretrained"], settings["weights"]["file"]) == (True, "source.keras")
    models.mlp1024((28, 28, 1), 7).save(tmp_path / "source.keras")
    with pytest.raises(FileExistsError, match="holds a run with other settings .*weights.sha256: "):
        rehearse(tmp_path / "run", **options)
    models.cnn4((28, 28, 1), 7).save(tmp_path / "source.keras")
    with pytest.raises(ValueError, match="do not fit mlp1024: of 3 layers, 3 not in the file"):
        rehearse(tmp_path / "other", **options)
    assert not (tmp_path / "other").exists()


@once
def test_a_row_that_starts_from_weights_is_rehearsed_without(tmp_path):
    row = recipes.get("anl/clothing1m/real/anl-ce")
    report = recipes.run(row, scale="smoke", folder=tmp_path, changes={"network": "mlp1024"}, console=QUIET)
    assert report.remarks[1] == "from weights that are drawn, no file being given"
    assert json.loads((tmp_path / "settings.json").read_text())["pretrained"] is False


@once
def test_data_without_clean_labels(tmp_path):
    report = recipes.run("dal/mini_webvision/real/ce", scale="smoke", folder=tmp_path / "run", console=QUIET,
                         changes={"network": "mlp1024"})  # fmt: skip
    (result,) = report.results.values()
    assert result["memorized"] is None
    assert WeightLog(tmp_path / "run" / "seed-0" / "weights").clean is None
    assert not (tmp_path / "run" / "seed-0" / "labels.npz").exists()
    assert [row["run"] for row in report.rows()] == ["seed 0", "paper"]
    assert report.table().title == "dal/mini_webvision/real/ce (dal, Table 4)"
    other = recipes.get("apl/mini_webvision/real/ce")
    assert "Table 5, evaluated on mini_ilsvrc12" in dataclasses.replace(report, recipe=other).table().title


@once
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "anl/mnist"], "There is no recipe 'anl/mnist'"),
        (["run", NAME, "--scale", "half"], "`scale` of run must be one of 'full', 'quick', 'smoke'"),
        (
            ["run", "logit-bias/fashion_mnist/clean/mae/mlp1024"],
            "one that can be run: it lacks epochs; `changes` gives what it lacks",
        ),
        (
            ["run", "dal/cifar100/instance:0.2/elr", "--set", "jacobian=0.1"],
            "`jacobian` of Recipe must be 0 with an algorithm",
        ),
        (
            ["run", "anl/cifar10/symmetric:0.4/ce", "--set", "algorithm=JoCoR(forget_rate=0.4)"],
            "`clip_norm` of Recipe must be None for JoCoR(forget_rate=0.4)",
        ),
        (["run", "anl/clothing1m/real/ce"], "`pretrained` of run must be a file with weights of imagenet, from which"),
        (
            ["run", NAME, "--scale", "smoke", "--pretrained", "x.keras"],
            "There is no file x.keras with weights",
        ),
        (["run", "logit-bias/cifar10/clean/symce/mlp1024", "--scale", "smoke"], "it lacks loss"),
        (["run", "dal/animal10n/real/dal"], "it lacks augmentation; `changes` gives what it lacks"),
        (["run", NAME, "--set", "augmentation=dal"], "`augmentation` of Recipe must be one of 'anl'"),
        (["run", NAME, "--seeds", "1", "1"], "`seeds` of run must be at least one whole number, none of them twice"),
        (["run", NAME, "--seeds", "-1"], "`seeds` of run must be a whole number, at least 0"),
        (["run", NAME, "--set", "epochs"], "Settings are written as SETTING=VALUE"),
        (["run", NAME, "--set", "epoch=3"], "A recipe has no setting 'epoch'. It has: paper, dataset, label, loss"),
        (["run", NAME, "--scale", "smoke", "--set", "loss=GEC(q=0.5)"], "Known losses"),
        (["run", NAME, "--scale", "smoke", "--set", "loss=CE(reduction=None)"], "`reduction` of run must be"),
        (["run", NAME, "--scale", "smoke", "--set", "moving=DALShedule()"], "Known callbacks"),
        (["run", NAME, "--set", "network=resnet"], "`network` of Recipe must be one of"),
        (["run", NAME, "--data-dir", "nowhere"], "No mnist in nowhere"),
        (["recipes", "zzz"], "No recipe is called 'zzz'"),
    ],
)
def test_the_command_says_what_is_wrong_in_one_line(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_refused_in_one_line(arguments, words, capsys)
    if "smoke" in arguments:  # the corrected command finds no folder of another run
        assert not (tmp_path / "runs").exists()


@once
def test_interrupted_by_hand(monkeypatch, capsys):
    def stopped(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(recipes, "run", stopped)
    with pytest.raises(SystemExit) as end:
        cli.main(["run", NAME])
    assert end.value.code == 130


@once
def test_the_list_of_recipes(capsys):
    assert cli.main(["recipes", "a?l/mnist/symmetric:0.8/*", "--verified"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 3
    assert any(line.split()[:2] == ["anl/mnist/symmetric:0.8/anl-ce", "96.62"] for line in lines)
    listed = {line.split()[0] for line in lines if line.strip()}
    assert "apl/mnist/symmetric:0.8/gce" in listed
    assert "apl/mnist/symmetric:0.8/ngce" not in listed  # nobody prints it
