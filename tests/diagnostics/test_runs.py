"""Folders of results are read whatever wrote them, and what is damaged is named."""

import numpy as np
import pytest
from harness import once

from keras_robust import diagnostics
from keras_robust.weight_log import RECORD, write_epoch

pytestmark = once


def test_the_folder_of_a_run(run_folder, digit_labels):
    run = diagnostics.open_run(run_folder)
    assert (run.name, run.settings["dataset"], run.title) == ("", "digits", "digits, pair:0.3, GCE()")
    np.testing.assert_array_equal(run.log.clean, digit_labels.clean)
    assert run.accuracy.tolist() == pytest.approx([0.6, 0.7, 0.8, 0.9])


def test_a_comparison_has_several_logs(comparison_folder):
    with pytest.raises(ValueError, match="one must be named.*: ANLCE-alpha-5-beta-5-seed0, ANLCE.*seed1, CE-seed0, CE"):
        diagnostics.open_run(comparison_folder)
    with pytest.raises(ValueError, match="none of them is 'CE'.*CE-seed0"):
        diagnostics.open_run(comparison_folder, "CE")
    run = diagnostics.open_run(comparison_folder, "ANLCE-alpha-5-beta-5-seed1")
    assert np.flatnonzero(run.log.wrong).tolist() == [1, 9, 17, 25, 33]
    assert run.accuracy.tolist() == pytest.approx([0.6, 0.61, 0.62, 0.63])
    assert run.title == "digits, symmetric:0.1, ANLCE-alpha-5-beta-5-seed1"


def test_a_log_by_itself(comparison_folder):
    run = diagnostics.open_run(comparison_folder / "CE-seed0" / "weights")
    assert (run.name, run.settings, run.accuracy, run.title) == ("", {}, None, "")
    with pytest.raises(ValueError, match="`log` of open_run must be None: .* holds one log"):
        diagnostics.open_run(comparison_folder / "CE-seed0" / "weights", "CE-seed0")


def test_a_resumed_history_counts_its_later_lines(run_folder):
    with open(run_folder / "history.csv", "a") as file:
        file.write("3,1.0,0.95\n")
    assert diagnostics.open_run(run_folder).accuracy.tolist() == pytest.approx([0.6, 0.7, 0.8, 0.95])


def test_what_is_missing_or_damaged_is_named(run_folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        diagnostics.open_run(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="empty holds no weight log.*SampleWeightLogger"):
        diagnostics.open_run(tmp_path / "empty")
    (run_folder / "history.csv").write_text("epoch,val_accuracy\n0,nonsense\n")
    with pytest.raises(ValueError, match="history.csv is damaged: could not convert"):
        diagnostics.open_run(run_folder)
    (run_folder / "history.csv").write_text("a,b\n0,1\n")
    with pytest.raises(ValueError, match="history.csv is damaged: it must have the columns epoch"):
        diagnostics.open_run(run_folder)
    (run_folder / "history.csv").unlink()
    assert diagnostics.open_run(run_folder).accuracy is None
    for text in ("{", "[1]"):
        (run_folder / "settings.json").write_text(text)
        with pytest.raises(ValueError, match="settings.json is damaged"):
            diagnostics.open_run(run_folder)
    (run_folder / "settings.json").write_text('{"dataset": 5, "noise": ["x"], "loss": null}')
    assert diagnostics.open_run(run_folder).title == "5, ['x']"
    (run_folder / "settings.json").unlink()
    records = np.zeros(1438, RECORD)
    write_epoch(run_folder / "weights", 3, records)
    with pytest.raises(ValueError, match="labels.npz and the log in .* are not of one run"):
        diagnostics.open_run(run_folder)
    (run_folder / "labels.npz").write_bytes(b"no archive")
    with pytest.raises(ValueError, match="labels.npz is damaged"):
        diagnostics.open_run(run_folder)


@pytest.mark.parametrize("name", ["settings.json", "labels.npz", "history.csv", "weights/epoch-00000.npy"])
def test_a_damaged_file_is_named(run_folder, name):
    file = run_folder / name
    content = file.read_bytes()
    # A table that ends early, or holds nothing, may be that of a young run.
    kinds = [b"\xff\xfe\x00\x81" * 40] + [content[: len(content) // 2], b""] * (file.suffix != ".csv")
    for damaged in kinds:
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match=f"{file.name} is damaged"):
            diagnostics.open_run(run_folder)
