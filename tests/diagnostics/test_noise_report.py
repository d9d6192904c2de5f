"""The report on wrong labels, and the command that writes it."""

import numpy as np
import pytest
from harness import REAL_DATA, once, real_data

from keras_robust import cli, diagnostics, noise

pytestmark = once


def test_report_on_digits(tmp_path):
    labels = diagnostics.report_noise(tmp_path / "new", "digits", "asymmetric:0.4", seed=3)
    again = noise.NoisyLabels.load(tmp_path / "new" / "labels.npz")
    np.testing.assert_array_equal(again.noisy, labels.noisy)
    assert (tmp_path / "new" / "noise.txt").read_text() == labels.report() + "\n"
    assert 0.1 < labels.rate < 0.3
    for name in ("transition.png", "mislabeled.png"):
        assert (tmp_path / "new" / name).read_bytes().startswith(b"\x89PNG")
    with pytest.raises(FileExistsError):
        diagnostics.report_noise(tmp_path / "new", "digits", None)
    assert diagnostics.report_noise(tmp_path / "clean", "digits", None).rate == 0


def test_command(tmp_path, capsys):
    out = tmp_path / "noise"
    assert cli.main(["noise", "--noise", "symmetric+true:0.4", "--seed", "1", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "symmetric+true:0.4" in printed
    assert "P(noisy = column | clean = row)" in printed
    assert "Written to" in printed
    with pytest.raises(SystemExit, match="2"):
        cli.main(["noise", "--dataset", "cifar10", "--data-dir", str(tmp_path), "--out", str(tmp_path / "other")])
    assert "No cifar10 in" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_human_labels_of_cifar10(tmp_path, capsys):
    real_data("tfds", "cifar10")
    real_data("noisy_labels")
    arguments = ["--dataset", "cifar10", "--noise", "human:worst", "--data-dir", str(REAL_DATA)]
    assert cli.main(["noise", *arguments, "--out", str(tmp_path / "human")]) == 0
    assert "20,104 (40.21%)" in capsys.readouterr().out
