"""Pictures are drawn from arrays and say what they show."""

import numpy as np

from keras_robust.diagnostics import plots


def test_accuracy_curves(tmp_path):
    curves = {"CE": np.array([[0.5, 0.8, 0.7], [0.4, 0.9, 0.6]]), "ANLCE": np.array([0.5, 0.9, 0.95])}
    ax = plots.accuracy_curves(curves, title="digits")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [45.0, 85.0, 65.0])
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [50.0, 90.0, 95.0])
    assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["CE", "ANLCE"]
    assert ax.get_xlabel() == "epoch"
    assert ax.get_ylabel().endswith("(%)")
    ax.figure.savefig(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 5000
    assert plots.accuracy_curves({"GCE": [0.1, 0.2]}, ax=ax) is ax
