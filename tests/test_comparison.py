"""The comparison job and its command, end to end on a few epochs."""

import csv
import io
import pathlib

import keras
import numpy as np
import pytest
from harness import assert_refused_in_one_line, once
from rich.console import Console

import keras_robust as kr
from keras_robust import cli, comparison, data, diagnostics, noise
from keras_robust.recipes.grid import Entry, Grid
from keras_robust.training import jobs, train
from keras_robust.training.folder import HistoryFile


def read_csv(path):
    return list(csv.DictReader(path.read_text().splitlines()))


@once
def test_command_writes_table_picture_and_a_folder_for_each_run(tmp_path, capsys, monkeypatch):
    out = tmp_path / "run"
    arguments = ["compare", "--noise", "symmetric:0.6", "--epochs", "3", "--seeds", "2", "--out", str(out)]
    assert cli.main([*arguments, "--losses", "CE", "ANLCE"]) == 0
    printed = capsys.readouterr().out
    for words in (
        "P(noisy = column | clean = row)",
        "ANLCE(alpha=5,",
        "of the training labels are wrong",
        "memorized",
        "mean ± std of 2 seed(s)",
    ):
        assert words in printed
    rows = read_csv(out / "table.csv")
    assert [row["loss"] for row in rows] == ["CE()", "ANLCE(alpha=5, beta=5)"]
    curve = read_csv(out / "runs.csv")
    assert len(curve) == 2 * 2 * 3
    for row in rows:
        accuracy = [
            [float(c["test_accuracy"]) for c in curve if (c["loss"], c["seed"]) == (row["loss"], s)] for s in "01"
        ]
        assert float(row["last"]) == pytest.approx(np.mean([run[-1] for run in accuracy]))
        assert float(row["best"]) == pytest.approx(np.mean([max(run) for run in accuracy]))
        assert float(row["last_std"]) == pytest.approx(np.std([run[-1] for run in accuracy], ddof=1))
        assert float(row["mean_of_last_ten"]) == pytest.approx(np.mean(accuracy))
        assert 0 <= float(row["memorized"]) <= 1
    names = diagnostics.log_names(out)
    assert names == [f"{loss}-seed{seed}" for loss in ("ANLCE-alpha-5-beta-5", "CE") for seed in (0, 1)]
    runs = [diagnostics.open_run(out, name) for name in names[:2]]
    assert float(rows[1]["auroc"]) == pytest.approx(np.mean([run.log.detection().auroc for run in runs]))
    assert float(rows[1]["precision"]) == pytest.approx(np.mean([run.log.detection().precision for run in runs]))
    assert [len(run.log.epochs) for run in runs] == [3, 3]
    assert runs[1].settings["noise"] == "symmetric:0.6"
    assert runs[1].settings["data_dir"] is None
    assert (runs[1].settings["l1"], runs[1].settings["moving"]) == (5e-5, None)
    drawn = noise.NoisyLabels.load(out / names[1] / "labels.npz")
    assert abs(drawn.rate - 0.6) < 0.05
    assert drawn.seed == 1
    assert drawn.report() in (out / names[1] / "noise.txt").read_text()
    assert (out / "accuracy.png").read_bytes().startswith(b"\x89PNG")

    # What is done is read, and a loss may be added.
    trained = []
    monkeypatch.setattr(jobs, "train", lambda *given, **named: trained.append(given[2]) or train(*given, **named))
    assert cli.main([*arguments, "--losses", "CE", "MAE", "ANLCE"]) == 0
    assert trained == [0, 1]
    again = read_csv(out / "table.csv")
    assert [row for row in again if row["loss"] != "MAE()"] == rows
    with pytest.raises(SystemExit, match="2"):
        cli.main([*arguments, "--epochs", "1", "--losses", "CE"])
    assert "holds a run with other settings (epochs: 3 there, 1 now)" in capsys.readouterr().err


@once  # a run of its resumes: tests/recipes/test_runner.py
def test_what_was_stopped_goes_on_as_if_nothing_had_happened(tmp_path, monkeypatch):
    options = {"losses": ["CE", "DAL"], "epochs": 4, "seeds": 1, "console": Console(quiet=True)}

    class Stopped(HistoryFile):
        def on_train_batch_end(self, batch, logs=None):
            if len(self.rows) == 2 and batch >= 3 and "DAL" in str(self.file):
                raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "HistoryFile", Stopped)
    with pytest.raises(KeyboardInterrupt):
        comparison.compare(tmp_path / "broken", **options)
    monkeypatch.undo()
    assert [path.name for path in (tmp_path / "broken").rglob("checkpoint*")] == ["checkpoint-00002.weights.h5"]
    broken, whole = (comparison.compare(tmp_path / name, **options).rows() for name in ("broken", "whole"))
    assert [row["loss"] for row in whole] == ["CE()", "DAL() scheduled"]
    for one, other in zip(broken, whole, strict=True):
        for name in ("last", "best", "memorized", "auroc"):
            assert one[name] == pytest.approx(other[name], abs=0.01)
    logs = [diagnostics.open_run(tmp_path / name, "DAL-scheduled-seed0").log for name in ("broken", "whole")]
    assert logs[0].epochs == [0, 1, 2, 3]
    np.testing.assert_array_equal(*(log.array("step") for log in logs))
    np.testing.assert_allclose(*(log.array("margin") for log in logs), rtol=1e-3, atol=2e-3)


def test_a_run_is_measured_on_clean_labels_and_counts_what_it_memorized(tmp_path):
    options = {"epochs": 12, "seeds": 1, "console": Console(quiet=True)}
    (row,) = comparison.compare(tmp_path / "GCE", losses=["GCE"], **options).rows()
    assert row["best"] >= row["last"]
    assert row["best"] > 0.8
    assert row["memorized"] < 0.3
    assert row["corrected"] > 0.7
    assert row["auroc"] > 0.9
    assert row["precision"] > 0.8
    clean = comparison.compare(tmp_path / "CE", noise=None, losses=["CE"], **options | {"epochs": 1})
    (row,) = clean.rows()
    assert [row[name] for name in ("memorized", "corrected", "precision", "auroc")] == [None] * 4
    assert clean.table().title == "digits, clean labels: 0.0% of the training labels are wrong"


@once
def test_bare_names_stand_for_what_suits_ten_classes():
    assert comparison.contender("ANLCE").loss().hyperparameters == {"alpha": 5.0, "beta": 5.0, "p_min": 1e-7}
    assert comparison.contender("ANLCE").l1 == 5e-5
    assert comparison.contender("ANLCE()").loss().hyperparameters == {"alpha": 1.0, "beta": 1.0, "p_min": 1e-7}
    assert comparison.contender("ANLCE()").l1 == 0.0
    assert comparison.contender("GCE").text == "GCE()"
    assert comparison.contender("DAL").label == "DAL() scheduled"
    assert comparison.contender("DAL").moving == "DALSchedule()"
    assert comparison.contender("DAL()").moving is None
    for name in comparison.RECOMMENDED:
        assert comparison.contender(name).loss().from_logits


@once
def test_wrong_arguments(tmp_path):
    quiet = Console(quiet=True)
    with pytest.raises(ValueError, match="`epochs` of compare must be a whole number, at least 1"):
        comparison.compare(tmp_path / "new", epochs=0, console=quiet)
    with pytest.raises(ValueError, match="`losses` of compare must be at least one loss, none of them twice"):
        comparison.compare(tmp_path / "new", losses=["CE", "CE()"], console=quiet)
    assert not (tmp_path / "new").exists()


@once
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compare", "--losses", "XCE"], "Known losses"),
        (["compare", "--noise", "odd:0.1"], "Noise must be None or one of"),
        (["compare", "--dataset", "mnist0"], "`dataset` of compare must be one of"),
        (["logit-bias", "1"], "`K` of logit_bias must be"),
        (["compare", "--losses", "CE(reduction=None)"], "`reduction` of contender must be one that makes a number"),
        (["compare", "--losses", "CE(reduction='none')"], "`reduction` of contender must be one that makes a number"),
        (["compare", "--losses", "CE(q='a' * 100000000000000)"], "a product is one with a number"),
        (["compare", "--losses", " + ".join(["CE()"] * 30000)], "of 209,997 characters, too long to be read"),
        (["compare", "--epochs", "many"], "invalid int value: 'many'"),
        (["compare", "--nonsense"], "unrecognized arguments: --nonsense"),
        (["nonsense"], "invalid choice: 'nonsense'"),
        (["plot"], "arguments are required: PICTURE"),
        ([], "arguments are required: VERB"),
    ],
)
def test_the_command_says_what_is_wrong_in_one_line(arguments, words, capsys):
    assert_refused_in_one_line(arguments, words, capsys)


@once
@pytest.mark.parametrize("out", ["folder", "picture", "picture.svg"])
def test_a_picture_is_where_it_is_said_to_be(out, tmp_path, capsys):
    (tmp_path / "folder").mkdir()
    assert cli.main(["plot", "bias", "--out", str(tmp_path / out)]) == 0
    path = capsys.readouterr().out.strip().removeprefix("Written to ")
    wanted = {"folder": "folder/bias.png", "picture": "picture.png", "picture.svg": "picture.svg"}[out]
    assert path == str(tmp_path / wanted)
    assert (tmp_path / wanted).stat().st_size > 1000


@once
@pytest.mark.parametrize("width", [30, 59, 80, 130])
def test_the_table_can_be_read_on_a_narrow_terminal(width):
    result = {"last": 0.75, "mean_of_last_ten": 0.7, "best": 0.8, "memorized": 0.25, "corrected": 0.6}
    result |= {"precision": 0.5, "auroc": 0.875, "wrong": 0.4, "epochs": 2, "seconds": 12.5}
    entries = [Entry(name, None, {"loss": name}, {0: result}) for name in ("ANLCE(alpha=5, beta=5)", "CE(name='[/b]')")]
    grid = Grid(pathlib.Path(), "digits, symmetric:0.5", tuple(entries))
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(grid.table(width))
    printed = console.export_text()
    assert max(map(len, printed.splitlines())) <= width
    numbers = ["75.0 ± 0.0", "25.0 ± 0.0", "50.0 ± 0.0", "87.5 ± 0.0", "12.5"]
    for words in numbers + ["70.0 ± 0.0", "80.0 ± 0.0", "60.0 ± 0.0"] * (width not in (80,)):
        assert printed.count(words) >= 2, words
    assert "[/b]" in printed


@once
def test_logit_bias_command(capsys):
    assert cli.main(["logit-bias", "10", "1000"]) == 0
    assert capsys.readouterr().out == "K = 10: epsilon = 0.5246\nK = 1000: epsilon = 5.3576\n"


@once
def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"keras-robust {kr.__version__}\n"


@once
@pytest.mark.parametrize("dataset", ["mnist", "cifar10"])
def test_images_from_files_are_learned_from_their_pipeline(tmp_path, dataset):
    rng = np.random.default_rng(0)
    shape = {"mnist": (28, 28), "cifar10": (32, 32, 3)}[dataset]
    arrays = {"y_train": np.arange(40) % 10, "y_test": np.arange(10)}
    arrays |= {
        f"x_{s}": rng.integers(0, 256, (len(arrays[f"y_{s}"]), *shape)).astype("uint8") for s in ("train", "test")
    }
    np.savez(tmp_path / f"{dataset}.npz", **arrays)
    options = {"losses": ["GCE"], "epochs": 2, "seeds": 1, "console": Console(quiet=True), "data_dir": tmp_path}
    (row,) = comparison.compare(tmp_path / "run", dataset, "asymmetric:0.9", **options).rows()
    run = diagnostics.open_run(tmp_path / "run")
    labels = noise.NoisyLabels.load(run.folder / "labels.npz")
    assert labels.mask.any()
    np.testing.assert_array_equal(run.log.labels, labels.noisy)
    np.testing.assert_array_equal(run.log.clean, labels.clean)
    assert run.accuracy.shape == (2,)
    assert row["memorized"] == run.log.memorized()[-1]
    assert run.settings["data_dir"] == str(tmp_path)


@once
def test_losses_are_attacked_with_a_trigger(tmp_path, capsys, monkeypatch):
    out = tmp_path / "attacked"
    arguments = ["--trigger", "local", "global", "--n", "60", "--target", "2", "--epochs", "2", "--seeds", "1"]
    monkeypatch.setenv("COLUMNS", "120")
    assert cli.main(["backdoor", *arguments, "--losses", "CE", "GCE(q=0.5)", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    for words in ("digits, a trigger in 60 images that are labeled 2", "success", "4.2% of the training labels"):
        assert words in printed
    rows = read_csv(out / "table.csv")
    assert [(row["loss"], row["trigger"]) for row in rows] == [
        (loss, trigger) for trigger in ("local", "global") for loss in ("CE()", "GCE(q=0.5)")
    ]
    assert len(diagnostics.log_names(out)) == 4
    for row in rows:
        run = diagnostics.runs.log_name(f"{row['loss']} {row['trigger']}", 0)
        history = read_csv(out / run / "history.csv")
        assert float(row["attack"]) == pytest.approx(float(history[-1]["attack_success_rate"]))
        assert float(row["last"]) == pytest.approx(float(history[-1]["val_accuracy"]))
        assert diagnostics.open_run(out, run).settings["backdoor"] == row["trigger"]
    monkeypatch.setattr(jobs, "train", None)  # what is done is read
    grid = comparison.compare_backdoors(
        out, "digits", ["local"], ["GCE(q=0.5)"], 2, 1, 60, 2, console=Console(quiet=True)
    )
    assert grid.rows()[0]["attack"] == pytest.approx(float(rows[1]["attack"]))


@once
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--trigger", "corner"], "`backdoor` of Recipe must be one of 'local', 'global'"),
        (["--trigger", "local", "local"], "`triggers` of compare_backdoors must be at least one trigger, none of them"),
        (["--target", "10"], "`target` of Recipe must be a class of digits, less than 10"),
        (["--n", "0"], "`poisoned` of Recipe must be a whole number, at least 1"),
        (["--losses", "CE", "CE"], "`losses` of compare_backdoors must be at least one loss, none of them twice"),
        (["--dataset", "webvision"], "`dataset` of compare_backdoors must be one of 'digits'"),
    ],
)
def test_what_cannot_be_attacked_is_refused(arguments, words, tmp_path, capsys):
    assert_refused_in_one_line(["backdoor", *arguments, "--out", str(tmp_path / "new")], words, capsys)
    assert not (tmp_path / "new").exists()


@once
def test_losses_are_ranked_by_noisy_held_out_labels(tmp_path, capsys, monkeypatch):
    """The slow loss comes last without a clean label in sight; the interval holds the test accuracy."""
    out = tmp_path / "ranked"
    monkeypatch.setenv("COLUMNS", "120")
    arguments = ["--losses", "GCE(q=4)", "CE", "--epochs", "3", "--seeds", "1", "--validation", "0.3"]
    assert cli.main(["compare", *arguments, "--noise", "symmetric:0.2", "--out", str(out)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "ranked by the accuracy on clean labels" in printed
    rows = read_csv(out / "table.csv")
    assert [row["loss"] for row in rows] == ["CE()", "GCE(q=4)"]
    labels = noise.NoisyLabels.load(out / "CE-seed0" / "labels.npz")
    positions = np.load(out / "CE-seed0" / "held_out.npy")
    network = keras.models.load_model(out / "CE-seed0" / "model.keras", compile=False)
    predicted = keras.ops.convert_to_numpy(network(data.load_arrays("digits").x_train[positions])).argmax(axis=1)
    found = diagnostics.clean_accuracy(predicted, labels.noisy[positions], labels.transition)
    assert float(rows[0]["estimated"]) == pytest.approx(found.estimate)
    assert float(rows[0]["estimated_low"]) == pytest.approx(found.low)
    right = np.mean(predicted == labels.clean[positions])
    assert float(rows[0]["estimated_low"]) <= right <= float(rows[0]["estimated_high"])
    assert f"{100 * found.low:.1f} to {100 * found.high:.1f}" in printed
