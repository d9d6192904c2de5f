"""The comparison job and its command, end to end on a few epochs."""

import csv
import io
import json

import numpy as np
import pytest
from harness import once
from rich.console import Console

import keras_robust as kr
from keras_robust import cli, comparison, noise


def read_csv(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_command_writes_table_picture_and_settings(tmp_path, capsys):
    out = tmp_path / "run"
    arguments = ["compare", "--noise", "symmetric:0.6", "--losses", "CE", "ANLCE", "--epochs", "3", "--seeds", "2"]
    assert cli.main([*arguments, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    for words in (
        "P(noisy = column | clean = row)",
        "ANLCE(alpha=5, beta=5)",
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
        assert 0 <= float(row["memorized"]) <= 1
    logs = [kr.diagnostics.WeightLog(out / "weights" / f"ANLCE-alpha-5-beta-5-seed{seed}") for seed in (0, 1)]
    assert float(rows[1]["auroc"]) == pytest.approx(np.mean([log.detection().auroc for log in logs]))
    assert float(rows[1]["precision"]) == pytest.approx(np.mean([log.detection().precision for log in logs]))
    assert [len(log.epochs) for log in logs] == [3, 3]
    settings = json.loads((out / "settings.json").read_text())
    assert settings["noise"] == "symmetric:0.6"
    assert settings["data_dir"] is None
    drawn = noise.NoisyLabels.load(out / "labels-seed1.npz")
    assert settings["realized_rates"][1] == drawn.rate
    assert drawn.report() in (out / "noise.txt").read_text()
    assert settings["losses"][1] == {"text": "ANLCE(alpha=5, beta=5)", "l1": 5e-5, "scheduled": False}
    assert abs(settings["realized_rates"][0] - 0.6) < 0.05
    assert (out / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SystemExit, match="2"):
        cli.main([*arguments, "--epochs", "1", "--seeds", "1", "--losses", "CE", "--out", str(out)])
    assert "File exists" in capsys.readouterr().err


def test_a_run_is_measured_on_clean_labels_and_counts_what_it_memorized(tmp_path):
    training = comparison.Training(epochs=6, learning_rate=0.05)
    learned = comparison.task("digits", "symmetric:0.4", seed=0)
    run = comparison.train(comparison.contender("GCE"), learned, training, 0, tmp_path / "GCE")
    assert run.test_accuracy.shape == (6,)
    assert run.last == run.test_accuracy[-1]
    assert run.best == max(run.test_accuracy)
    assert run.best > 0.8
    assert run.memorized < 0.3
    assert run.detection.auroc > 0.9
    assert run.detection.precision > 0.8
    clean = comparison.task("digits", None, seed=0)
    run = comparison.train(comparison.contender("CE"), clean, comparison.Training(epochs=1), 0, tmp_path / "CE")
    assert np.isnan([run.memorized, *run.detection]).all()


@once
def test_cosine_annealing_by_epoch():
    training = comparison.Training(epochs=10, learning_rate=0.1)
    assert training.rate_at(0) == pytest.approx(0.1)
    assert training.rate_at(5) == pytest.approx(0.05)
    assert training.rate_at(10) == pytest.approx(0.0)


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
        (["compare", "--dataset", "mnist0"], "`dataset` of task must be one of"),
        (["logit-bias", "1"], "`K` of logit_bias must be"),
        (["compare", "--losses", "CE(reduction=None)"], "`reduction` of contender must be one that makes a number"),
        (["compare", "--losses", "CE(q='a' * 100000000000000)"], "too large or too long to be read"),
        (["compare", "--losses", " + ".join(["CE()"] * 30000)], "too large or too long to be read"),
        (["compare", "--epochs", "many"], "invalid int value: 'many'"),
        (["compare", "--nonsense"], "unrecognized arguments: --nonsense"),
        (["nonsense"], "invalid choice: 'nonsense'"),
        (["plot"], "arguments are required: PICTURE"),
        ([], "arguments are required: VERB"),
    ],
)
def test_the_command_says_what_is_wrong_in_one_line(arguments, words, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
    assert error.count("\n") == 1


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
@pytest.mark.parametrize("width", [30, 59, 80])
def test_the_table_can_be_read_on_a_narrow_terminal(width):
    run = comparison.Run(0, np.array([0.5, 0.75]), 0.25, kr.diagnostics.Detection(0.5, 0.875), 12.5)
    labels = noise.corrupt(np.arange(40) % 4, noise.symmetric(4, 0.5), seed=0)
    names = ("ANLCE(alpha=5, beta=5)", "CE(name='[/b]')")
    runs = {comparison.Contender(name): [run] for name in names}
    result = comparison.Comparison("", "digits", "symmetric:0.5", comparison.Training(2), None, [labels], runs)
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(result.table(width))
    printed = console.export_text()
    assert max(map(len, printed.splitlines())) <= width
    for words in ("75.0 ± 0.0", "25.0 ± 0.0", "50.0 ± 0.0", "87.5 ± 0.0", "12.5"):
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
def test_a_task_from_files_is_learned_from_its_pipeline(tmp_path, dataset):
    rng = np.random.default_rng(0)
    shape = {"mnist": (28, 28), "cifar10": (32, 32, 3)}[dataset]
    arrays = {"y_train": np.arange(40) % 10, "y_test": np.arange(10)}
    arrays |= {
        f"x_{s}": rng.integers(0, 256, (len(arrays[f"y_{s}"]), *shape)).astype("uint8") for s in ("train", "test")
    }
    np.savez(tmp_path / f"{dataset}.npz", **arrays)
    learned = comparison.task(dataset, "asymmetric:0.9", seed=1, data_dir=tmp_path, batch_size=16)
    assert learned.labels.mask.any()
    run = comparison.train(comparison.contender("GCE"), learned, comparison.Training(epochs=2), 0, tmp_path / "log")
    log = kr.diagnostics.WeightLog(tmp_path / "log")
    np.testing.assert_array_equal(log.labels, learned.labels.noisy)
    np.testing.assert_array_equal(log.clean, learned.labels.clean)
    assert run.test_accuracy.shape == (2,)
    assert run.memorized == log.memorized()[-1]
    assert not comparison.task(dataset, None, seed=1, data_dir=tmp_path).labels.mask.any()
