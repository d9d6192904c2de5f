"""What is measured on a run: last, mean of the last ten and best are three things."""

import numpy as np
import pytest
from harness import once

from keras_robust.measures import ASKED_FOR, HEADINGS, headings, measure, over_seeds
from keras_robust.weight_log import RECORD, WeightLog, write_epoch

pytestmark = once


def history(accuracies):
    return [{"epoch": n, "val_accuracy": a, "seconds": 2.0} for n, a in enumerate(accuracies, start=1)]


def log(folder, clean):
    """Four samples of which the model predicts classes 0, 1, 1, 0; the margins of the last two are lowest."""
    records = np.zeros(4, RECORD)
    records["label"], records["predicted"], records["clean"] = [0, 1, 0, 0], [0, 1, 1, 0], clean
    records["margin"], records["learning_rate"] = [3, 2, -2, -1], 0.1
    write_epoch(folder, 0, records)
    return WeightLog(folder)


def test_accuracies_are_not_mixed(tmp_path):
    accuracies = [0.1, 0.95, *np.linspace(0.5, 0.9, 9), 0.6]
    measured = measure(history(accuracies), log(tmp_path, [0, 1, 1, 1]))
    assert measured["last"] == 0.6
    assert measured["best"] == 0.95
    assert measured["mean_of_last_ten"] == pytest.approx(np.mean(accuracies[2:]))
    assert (measured["epochs"], measured["seconds"]) == (12, 24.0)


def test_wrong_labels_are_counted_in_the_last_logged_epoch(tmp_path):
    measured = measure(history([0.5]), log(tmp_path, [0, 1, 1, 1]))
    assert (measured["memorized"], measured["corrected"]) == (0.5, 0.5)
    assert (measured["precision"], measured["auroc"]) == (1.0, 1.0)


def test_what_only_some_runs_are_measured_on(tmp_path):
    rows = history([0.5, 0.7, 0.6, 0.8])
    plain = measure(rows, log(tmp_path / "plain", [0, 1, 1, 1]))
    assert {plain.get(name) for name in ASKED_FOR} == {None}
    for row, held_out, attack in zip(rows, [0.1, 0.4, 0.4, 0.3], [0.9, 0.8, 0.7, 0.6], strict=True):
        row |= {"held_out_accuracy": held_out, "attack_success_rate": attack}
    measured = measure(rows, log(tmp_path / "asked", [0, 1, 1, 1]))
    # The first of the two epochs in which the held-out images did best, not the best on test.
    assert (measured["validation"], measured["chosen"], measured["attack"]) == (0.3, 0.7, 0.6)
    assert headings([plain, plain]) == HEADINGS
    assert list(headings([plain, measured])) == [*HEADINGS, "validation", "chosen", "attack"]
    assert over_seeds([measured, measured])["chosen_std"] == 0
    rows[-1]["attack_success_rate"] = float("nan")
    assert measure(rows, log(tmp_path / "none left", [0, 1, 1, 1]))["attack"] is None


@pytest.mark.parametrize("clean", [[-1, -1, -1, -1], [0, 1, 0, 0]], ids=["unknown", "nothing wrong"])
def test_without_wrong_labels_there_is_nothing_to_count(tmp_path, clean):
    measured = measure(history([0.5]), log(tmp_path, clean))
    assert {measured[name] for name in ("memorized", "corrected", "precision", "auroc")} == {None}
