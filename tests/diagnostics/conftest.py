"""Logs and folders of results with known content."""

import csv
import json

import numpy as np
import pytest

from keras_robust.noise import NoisyLabels, corrupt, pair_flip
from keras_robust.weight_log import RECORD, write_epoch


@pytest.fixture
def write_log():
    """write_log(path, labels, clean, known=False): four epochs; the clean class is predicted from the second on.

    Margins of clean labels rise from 2, those of wrong ones fall from -2, the more the higher the sample's number.
    """

    def write(path, labels, clean, known=False):
        labels, clean = np.asarray(labels), np.asarray(clean)
        for epoch in range(4):
            records = np.zeros(len(labels), RECORD)
            records["label"], records["clean"] = labels, clean if known else -1
            records["predicted"] = labels if epoch == 0 else clean
            sign = np.where(labels == clean, 1.0, -1.0)
            records["margin"] = sign * (2.0 + epoch + np.arange(len(labels)) / len(labels))
            records["weight"], records["learning_rate"] = 0.25 / (1 + epoch), 0.1
            write_epoch(path, epoch, records)

    return write


@pytest.fixture
def digit_labels():
    """Labels of the digits, 30% of them flipped to the next class."""
    from keras_robust.data import load_arrays

    return corrupt(load_arrays("digits").y_train, pair_flip(10, 0.3), seed=0)


@pytest.fixture
def run_folder(tmp_path, write_log, digit_labels):
    """What a training run leaves; the clean labels are in labels.npz alone."""
    folder = tmp_path / "run"
    write_log(folder / "weights", digit_labels.noisy, digit_labels.clean)
    settings = {"dataset": "digits", "noise": "pair:0.3", "data_dir": None, "seed": 0, "loss": "GCE()"}
    (folder / "settings.json").write_text(json.dumps(settings))
    digit_labels.save(folder / "labels.npz")
    write_csv(folder / "history.csv", ["epoch", "loss", "val_accuracy"], *([e, 1.0, 0.6 + 0.1 * e] for e in range(4)))
    return folder


@pytest.fixture
def comparison_folder(tmp_path, write_log):
    """What a comparison of two losses on two seeds leaves, on a data set of 40 samples."""
    folder = tmp_path / "comparison"
    settings = json.dumps({"dataset": "digits", "noise": "symmetric:0.1"})
    clean = np.arange(40) % 4
    for seed in (0, 1):
        noisy = np.where(np.arange(40) % 8 == seed, (clean + 1) % 4, clean)
        for place, name in enumerate(("CE", "ANLCE-alpha-5-beta-5")):
            run = folder / f"{name}-seed{seed}"
            write_log(run / "weights", noisy, clean, known=True)
            NoisyLabels(noisy, clean, 4, seed).save(run / "labels.npz")
            (run / "settings.json").write_text(settings)
            rows = ([epoch + 1, 0.5 + 0.1 * place + 0.01 * epoch] for epoch in range(4))
            write_csv(run / "history.csv", ["epoch", "val_accuracy"], *rows)
    (folder / "settings.json").write_text(settings)
    return folder


def write_csv(path, *rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows(rows)
