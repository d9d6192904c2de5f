"""The weight log: files that are whole or absent, and statistics that are right."""

import contextlib
import os
import subprocess
import sys

import numpy as np
import pytest
from harness import once_on_jax

from keras_robust.diagnostics import Detection, WeightLog, merged_log
from keras_robust.weight_log import RECORD, drop_epochs, logged_epochs, write_epoch

pytestmark = once_on_jax


def records(**fields):
    size = len(next(iter(fields.values())))
    out = np.zeros(size, RECORD)
    out["learning_rate"] = 0.1
    for name, values in fields.items():
        out[name] = values
    return out


# Samples 0, 1: clean labels; 2, 3: wrong ones; 4: not seen in the second epoch.
FIRST = records(
    margin=[1, 2, -3, 0.5, 4],
    weight=[0.4, 0.2, 0.6, 0.8, 0.0],
    label=[0, 1, 2, 1, 2],
    clean=[0, 1, 0, 2, 2],
    predicted=[0, 1, 0, 1, 2],
    step=[0, 0, 1, 1, 1],
)
SECOND = records(
    margin=[3, 2, -5, 1.5, np.nan],
    weight=[0.2, 0.2, 0.2, 0.6, np.nan],
    learning_rate=[0.3, 0.3, 0.3, 0.3, np.nan],
    label=[0, 1, 2, 1, -1],
    clean=[0, 1, 0, 2, -1],
    predicted=[0, 0, 2, 1, -1],
    step=[1, 0, 0, 1, -1],
)


@pytest.fixture
def log(tmp_path):
    write_epoch(tmp_path, 0, FIRST)
    write_epoch(tmp_path, 3, SECOND)
    return WeightLog(tmp_path)


def test_damage_is_an_error_that_names_the_file(tmp_path):
    write_epoch(tmp_path, 0, FIRST)
    file = tmp_path / "epoch-00000.npy"
    whole = file.read_bytes()
    np.savez(tmp_path / "archive.npz", FIRST)
    for content in (
        b"",
        b"PK\x03\x04 and no archive",
        (tmp_path / "archive.npz").read_bytes(),
        whole[:100],
        whole[:-7],
        whole.replace(b"descr", b"desc'"),
        whole.replace(b"{'", b"((("),
        whole.replace(b"'shape': (5,)", b"'shape': (-5,"),
        whole.replace(b"(5,)", b"(5,9"),
    ):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"epoch-00000\.npy is (damaged|not an epoch)"):
            WeightLog(tmp_path)
    file.write_bytes(whole)
    for place in range(128):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x07]) + whole[place + 1 :])
        with contextlib.suppress(ValueError):
            assert WeightLog(tmp_path).num_samples == 5
    file.write_bytes(whole)
    for name in ("epoch-abc.npy", "epoch-.npy", "epoch-1.npy", "epoch--0001.npy"):
        (tmp_path / name).write_bytes(whole)
        with pytest.raises(
            ValueError, match=f"{name} is not an epoch of a weight log: those are called epoch-00000.npy"
        ):
            WeightLog(tmp_path)
        (tmp_path / name).unlink()


def test_arrays(log):
    assert log.epochs == [0, 3]
    assert log.num_samples == 5
    np.testing.assert_array_equal(log.array("margin"), np.stack([FIRST["margin"], SECOND["margin"]]))
    assert log.epoch(3).tobytes() == SECOND.tobytes()
    np.testing.assert_array_equal(log.labels, FIRST["label"])
    np.testing.assert_array_equal(log.clean, FIRST["clean"])
    assert log.wrong.tolist() == [False, False, True, True, False]
    with pytest.raises(ValueError, match="`epoch` of WeightLog must be one of the logged epochs, .0, 3.*epoch=1"):
        log.epoch(1)
    with pytest.raises(ValueError, match="`field` of WeightLog must be one of"):
        log.array("margins")


def test_statistics(log):
    assert log.mean_margin().tolist() == [2, 2, -4, 1, 4]
    assert log.suspects().tolist() == [2, 3, 0, 1, 4]
    assert log.suspects(1).tolist() == [2]
    assert log.detection() == Detection(1.0, 1.0)
    assert log.clean_accuracy() == pytest.approx([1.0, 0.5])
    assert log.memorized() == pytest.approx([0.5, 1.0])
    assert log.corrected() == pytest.approx([0.5, 0.0])
    assert log.alpha() == pytest.approx([0.1 * 0.3, 0.1 * 1.4 / 3, 0.3 * 0.2, 0.3 * 0.4])
    clean = (0.1 * (0.4 + 0.2 + 0.0) + 0.3 * (0.2 + 0.2)) / (3 * 0.1 + 2 * 0.3)
    wrong = (0.1 * (0.6 + 0.8) + 0.3 * (0.2 + 0.6)) / (2 * 0.1 + 2 * 0.3)
    assert log.mean_weights() == pytest.approx((clean, wrong))
    assert log.snr() == pytest.approx(clean / wrong)


def test_detection_counts_ties_by_half_and_equals_the_area_under_the_curve(tmp_path):
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    wrong = rng.random(500) < 0.3
    margin = np.round(rng.normal(size=500) - wrong, 1)
    write_epoch(tmp_path, 0, records(margin=margin, label=np.zeros(500), clean=wrong.astype(int)))
    found = WeightLog(tmp_path).detection()
    assert found.auroc == pytest.approx(roc_auc_score(wrong, -margin.astype("float32")))
    assert found.precision == pytest.approx(wrong[np.argsort(margin, kind="stable")[: wrong.sum()]].mean())


def test_clean_labels_may_come_later(tmp_path):
    write_epoch(tmp_path, 0, records(margin=[1.0, -1.0], label=[0, 1], clean=[-1, -1], predicted=[0, 0]))
    log = WeightLog(tmp_path)
    assert log.clean is None
    assert log.suspects().tolist() == [1, 0]
    with pytest.raises(ValueError, match="holds no clean labels.*WeightLog.path, clean=..."):
        log.memorized()
    assert WeightLog(tmp_path, clean=[0, 0]).corrected() == [1.0]
    with pytest.raises(ValueError, match=r"`clean` of WeightLog must be class ids of shape \(2,\)"):
        WeightLog(tmp_path, clean=[0])


def test_without_wrong_labels_there_is_nothing_to_detect(tmp_path):
    write_epoch(tmp_path, 0, records(margin=[1.0, -1.0], label=[0, 1], clean=[0, 1]))
    log = WeightLog(tmp_path)
    assert np.isnan(log.detection()).all()
    assert np.isnan(log.memorized()).all()
    assert np.isnan(log.mean_weights()[1])


def test_files_are_whole_or_an_error_names_them(tmp_path):
    with pytest.raises(FileNotFoundError, match="no epoch of a weight log"):
        WeightLog(tmp_path / "nothing")
    write_epoch(tmp_path, 0, FIRST)
    write_epoch(tmp_path, 1, SECOND)
    write_epoch(tmp_path, 1, FIRST)
    assert sorted(os.listdir(tmp_path)) == ["epoch-00000.npy", "epoch-00001.npy"]
    np.testing.assert_array_equal(WeightLog(tmp_path).epoch(1), FIRST)
    file = tmp_path / "epoch-00001.npy"
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(ValueError, match="epoch-00001.npy is damaged"):
        WeightLog(tmp_path).labels  # noqa: B018
    np.save(file, np.arange(3))
    with pytest.raises(ValueError, match="epoch-00001.npy is not an epoch of a weight log: dtype int64"):
        WeightLog(tmp_path).labels  # noqa: B018
    np.save(file, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="epoch-00001.npy is damaged"):
        WeightLog(tmp_path).labels  # noqa: B018
    drop_epochs(tmp_path, 1)
    assert logged_epochs(tmp_path) == [0]
    write_epoch(tmp_path, 1, FIRST[:4])
    with pytest.raises(ValueError, match="epoch-00000.npy holds 5 samples, epoch-00001.npy holds 4"):
        WeightLog(tmp_path)


MILLION = """
import resource, sys
import numpy as np
from keras_robust.weight_log import RECORD, WeightLog, write_epoch
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
rng, before = np.random.default_rng(0), peak()
records = np.zeros(1_000_000, RECORD)
for epoch in range(10):
    records["margin"] = rng.normal(size=len(records)).astype("float32")
    records["label"], records["clean"] = np.arange(len(records)) % 10, np.arange(len(records)) % 7
    write_epoch(sys.argv[1], epoch, records)
log = WeightLog(sys.argv[1])
log.suspects(100), log.detection(), log.alpha(), log.snr(), log.memorized(), log.corrected(), log.clean_accuracy()
print(peak() - before)
"""


def test_a_million_samples_and_ten_epochs_stay_within_200_mb(tmp_path):
    command = [sys.executable, "-c", MILLION, str(tmp_path)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert float(out) < 200


def test_logs_of_two_processes_become_one(tmp_path):
    """Each saw its share; sample 1 was seen by both, later by the second; sample 4 by nobody in the second epoch."""
    for rank, hidden in enumerate(([3, 4], [0, 2])):
        for epoch, whole in enumerate((FIRST, SECOND)):
            part = whole.copy()
            part[hidden] = np.array((np.nan, np.nan, 0.0, np.nan, -1, -1, -1, -1), RECORD)
            if rank == 0:
                part["step"][1], part["margin"][1] = -1, 99.0
            write_epoch(tmp_path / str(rank), 2 * epoch, part)
    folders = [tmp_path / "0", tmp_path / "1"]
    for order in (folders, folders[::-1]):
        log = merged_log(order, tmp_path / "whole", overwrite=True)
        assert log.epochs == [0, 2]
        for epoch, expected in zip((0, 2), (FIRST, SECOND), strict=True):
            assert np.array_equal(log.epoch(epoch).tolist(), expected.tolist(), equal_nan=True)
    with pytest.raises(ValueError, match="whole holds a log already. Give merged_log a new folder"):
        merged_log(folders, tmp_path / "whole")
    write_epoch(tmp_path / "whole", 9, FIRST)
    assert merged_log(folders, tmp_path / "whole", overwrite=True).epochs == [0, 2]
    drop_epochs(folders[1], 2)
    with pytest.raises(ValueError, match=r"are not of one run: epochs \[0, 2\] of 5 samples, epochs \[0\] of 5."):
        merged_log(folders, tmp_path / "other")
    with pytest.raises(ValueError, match="`paths` of merged_log must be at least one folder"):
        merged_log([], tmp_path / "other")
