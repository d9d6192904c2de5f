"""The labels most likely wrong, as table, file, pictures and command."""

import csv

import numpy as np
import pytest
from harness import once
from rich.console import Console

from keras_robust import cli, comparison, diagnostics
from keras_robust.weight_log import RECORD, write_epoch


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_rows_say_what_the_log_says(tmp_path):
    for epoch, (predicted, margin) in enumerate(
        [([0, 1, 2], [1, -1, 5]), ([0, 2, 1], [3, -2, 7]), ([0, 2, 1], [2] * 3)]
    ):
        records = np.zeros(4, RECORD)
        records["label"], records["clean"], records["predicted"] = [0, 1, 1, -1], [0, 2, -1, -1], [*predicted, -1]
        records["margin"], records["weight"] = [*margin, np.nan], 0.1 * epoch
        write_epoch(tmp_path, epoch, records)
    log = diagnostics.WeightLog(tmp_path)
    first, second, third = diagnostics.suspect_table(log, class_names=["cat", "dog", "cow"])
    assert (first.rank, first.sample, first.given_name, first.believed_name) == (1, 1, "dog", "cow")
    assert (first.clean, first.wrong, first.mean_margin) == (2, True, pytest.approx(-1 / 3))
    assert (first.last_margin, first.last_weight) == (2.0, pytest.approx(0.2))
    assert first.epochs_against == pytest.approx(2 / 3)
    assert (second.sample, second.wrong, second.mean_margin, second.epochs_against) == (0, False, 2.0, 0.0)
    assert (third.sample, third.clean, third.clean_name, third.wrong) == (2, -1, "", None)
    assert (third.believed, third.predicted) == (1, 1)
    assert len(diagnostics.suspect_table(log, n=2)) == 2
    assert len(diagnostics.suspect_table(log, n=None)) == 3
    with pytest.raises(ValueError, match="`class_names` of suspect_table must be a list of at least 3 names"):
        diagnostics.suspect_table(log, class_names=["cat"])


def test_command_on_a_run(run_folder, digit_labels, capsys):
    assert cli.main(["suspects", str(run_folder), "--n", "30"]) == 0
    printed = capsys.readouterr().out
    assert "digits, pair:0.3, GCE(): the 30 most suspect of 1,438 labels, of which 30 are truly wrong" in printed
    assert "AUROC 1.0000" in printed
    rows = rows_of(run_folder / "suspects.csv")
    assert len(rows) == 30
    wrong = np.flatnonzero(digit_labels.mask)
    assert [int(row["sample"]) for row in rows] == wrong[::-1][:30].tolist()
    for row in rows:
        sample = int(row["sample"])
        assert int(row["given"]) == digit_labels.noisy[sample]
        assert int(row["clean"]) == int(row["believed"]) == digit_labels.clean[sample]
        assert row["given_name"] == row["given"]
    assert (run_folder / "suspects.png").read_bytes().startswith(b"\x89PNG")


def test_the_sheet_shows_the_image_of_each_suspect(run_folder):
    from keras_robust.data import load_arrays

    suspects = diagnostics.suspect_table(diagnostics.open_run(run_folder).log, 12)
    images = load_arrays("digits").x_train[[one.sample for one in suspects]]
    ax = diagnostics.suspect_sheet(suspects, images)
    np.testing.assert_array_equal(ax.images[3].get_array(), images[3, :, :, 0])
    one = suspects[3]
    assert ax.texts[3].get_text() == f"{one.given} → {one.believed}\n#{one.sample}"
    levels = diagnostics.suspect_sheet(suspects, images * 255.0)
    np.testing.assert_allclose(levels.images[3].get_array(), images[3, :, :, 0], atol=1e-6)
    with pytest.raises(ValueError, match="`images` of suspect_sheet must be uint8, floats from 0 to 1.*from -1 to 1'"):
        diagnostics.suspect_sheet(suspects, 2 * images - 1)
    with pytest.raises(ValueError, match="`images` of suspect_sheet must be one for each of the 12 suspects"):
        diagnostics.suspect_sheet(suspects, images[:5])


def test_command_on_a_comparison_and_on_a_log(comparison_folder, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["suspects", str(comparison_folder)])
    assert "CE-seed0" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        cli.main(["suspects", str(comparison_folder), "--log", "CE-seed0"])
    assert "holds 40 samples, and digits has 1,438 training images" in capsys.readouterr().err
    assert not (comparison_folder / "suspects.csv").exists()
    command = ["suspects", str(comparison_folder), "--log", "CE-seed0", "--n", "5"]
    assert cli.main([*command, "--dataset", "none", "--out", str(tmp_path / "new" / "out")]) == 0
    assert [row["sample"] for row in rows_of(tmp_path / "new" / "out" / "suspects.csv")] == ["32", "24", "16", "8", "0"]
    alone = comparison_folder / "CE-seed1" / "weights"
    assert cli.main(["suspects", str(alone)]) == 0
    assert "no pictures, for no data set is named" in capsys.readouterr().out
    assert (alone / "suspects.csv").exists()
    assert not (alone / "suspects.png").exists()
    with pytest.raises(SystemExit, match="2"):
        cli.main(["suspects", str(alone), "--dataset", "nonsense"])
    assert "`name` of gallery must be one of" in capsys.readouterr().err


@once
def test_suspects_of_a_robust_loss_are_the_wrong_labels(tmp_path):
    quiet = Console(quiet=True)
    (row,) = comparison.compare(tmp_path / "run", losses=["ANLCE"], epochs=20, seeds=1, console=quiet).rows()
    assert row["auroc"] >= 0.97
    suspects = diagnostics.suspect_table(diagnostics.open_run(tmp_path / "run").log, n=100)
    assert np.mean([one.wrong for one in suspects]) > 0.95
    assert np.mean([one.believed == one.clean for one in suspects]) > 0.9
