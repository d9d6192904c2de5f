"""How many labels are worth a look."""

import numpy as np
import pytest
from harness import once

from keras_robust.diagnostics import WeightLog, review_count
from keras_robust.weight_log import RECORD, write_epoch

pytestmark = once


def log_of(folder, margins):
    records = np.zeros(len(margins), RECORD)
    records["margin"] = margins
    write_epoch(folder, 0, records)
    return WeightLog(folder)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.4, 0.7])
def test_wrong_labels_are_counted(tmp_path, share):
    rng = np.random.default_rng(0)
    wrong = rng.random(3000) < share
    margins = np.where(wrong, rng.normal(-5, 2, 3000), rng.normal(3, 1.5, 3000))
    log = log_of(tmp_path, margins)
    found = review_count(log)
    assert found.count == pytest.approx(wrong.sum(), rel=0.1)
    assert found.share == found.count / 3000
    ranks = np.arange(1, 3001)
    true = np.cumsum(wrong[log.suspects()]) / ranks
    np.testing.assert_allclose(found.precision[49:], true[49:], atol=0.1)
    assert np.all(np.diff(found.precision) <= 1e-12)


@pytest.mark.parametrize(
    "margins",
    [
        np.random.default_rng(0).normal(4, 1.5, 2000),
        np.random.default_rng(1).gamma(2.0, 2.0, 2000) - 0.5,
        np.append(np.random.default_rng(2).normal(2, 1.5, 1500), np.random.default_rng(3).normal(7, 1, 1500)),
        np.full(50, 3.0),
        np.full(50, -3.0),
        [1.5],
        [-1.5],
        [2.0, 3.0, 2.5],
    ],
    ids=["one", "skewed", "easy and hard", "constant", "constantly low", "single", "single low", "few"],
)
def test_where_nothing_is_wrong_nothing_is_counted(tmp_path, margins):
    found = review_count(log_of(tmp_path, margins))
    assert (found.count, found.share) == (0, 0.0)
    np.testing.assert_array_equal(found.precision, np.zeros(len(margins)))


def test_what_is_no_number_is_not_ranked(tmp_path):
    rng = np.random.default_rng(0)
    margins = np.append(rng.normal(-5, 1, 40), rng.normal(5, 1, 160))
    margins[[0, 100]], margins[1], margins[101] = np.nan, -np.inf, np.inf
    found = review_count(log_of(tmp_path / "some", margins))
    assert (found.count, found.share, len(found.precision)) == (39, 39 / 198, 198)
    assert review_count(log_of(tmp_path / "few", [4.0, 5.0, -4.0, 4.5])).count == 1
    with pytest.raises(ValueError, match="training diverged"):
        review_count(log_of(tmp_path / "none", np.full(5, np.nan)))
