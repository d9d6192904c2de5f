"""The page on other tools: its code runs, and what it hands over has the layout that they read."""

import json
import pathlib
import re
import sys
import types

import numpy as np
import pytest
from harness import once

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "how-to" / "hand-over.md"
BLOCKS = re.findall(r"^```py\n(.*?)^```$", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)


class Datalab:
    """Takes what cleanlab's takes, which needs packages that are not here."""

    def __init__(self, data, label_name):
        self.data, self.label_name = data, label_name

    def find_issues(self, pred_probs):
        self.pred_probs = pred_probs

    def get_issues(self, name):
        return name


class Rows:
    """Looks like a data set of the package datasets."""

    features = {"label": types.SimpleNamespace(names=["cat", "dog", "owl"])}
    columns = {"image": [np.full((4, 4, 3), number, "uint8") for number in range(5)], "label": [0, 2, 1, 1, 0]}

    def with_format(self, kind):
        assert kind == "numpy"
        return self

    def __getitem__(self, key):
        assert key == slice(None)
        return {name: np.array(column) for name, column in self.columns.items()}


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """What is there after the code of the page, and its folder."""
    import cleanlab

    folder, read = tmp_path_factory.mktemp("page"), {}
    kind = types.SimpleNamespace(FiftyOneImageClassificationDataset="classification")
    dataset = types.SimpleNamespace(from_dir=lambda **keywords: read.update(keywords))
    modules = {
        "fiftyone": types.SimpleNamespace(types=kind, Dataset=dataset),
        "datasets": types.SimpleNamespace(load_dataset=lambda *args, **keywords: Rows()),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(cleanlab, "Datalab", Datalab)
        for name, module in modules.items():
            patch.setitem(sys.modules, name, module)
        found = {"__name__": "page"}
        for block in BLOCKS:
            if "export.json" in block:
                annotate(folder)
            exec(compile(block, str(PAGE), "exec"), found)
    return found | {"folder": folder, "read": read}


def annotate(folder):
    """Somebody takes the believed class of three tasks, keeps one, skips one, and leaves the others."""
    tasks = json.loads((folder / "tasks.json").read_text())
    for place, one in enumerate(tasks):
        choice = one["predictions"][0]["result"] if place else [given_of(one)]
        one["annotations"] = [{"result": choice if place < 4 else []}] if place < 5 else []
    (folder / "export.json").write_text(json.dumps(tasks))


def given_of(one):
    return {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [one["data"]["given"]]}}


pytestmark = once


def test_pandas(names):
    table = names["table"]
    assert len(table) == 100
    assert table["sample"].tolist() == [one.sample for one in names["suspects"]]
    assert table["mean_margin"].is_monotonic_increasing
    assert {"given", "given_name", "believed", "path", "epochs_against"} <= set(table.columns)


def test_cleanlab(names):
    lab, given, clean = names["lab"], names["given"], names["clean"]
    assert lab.pred_probs.shape == (300, 3)
    assert lab.pred_probs.dtype == np.float32
    np.testing.assert_allclose(lab.pred_probs.sum(axis=1), 1.0, rtol=1e-5)
    assert lab.data[lab.label_name].tolist() == given.tolist()
    assert all(np.shape(column) == (300,) for column in lab.data.values())
    wrong = given != clean
    assert names["flagged"].dtype == bool
    assert wrong[names["flagged"]].mean() > 0.8


def test_fiftyone(names):
    content = json.loads((names["folder"] / "labels.json").read_text())
    assert content["classes"] == ["cat", "dog", "owl"]
    assert len(content["labels"]) == 100
    first = names["suspects"][0]
    assert content["labels"][f"{first.sample:03}"] == {
        "label": int(names["given"][first.sample]),
        "attributes": {"believed": first.believed_name, "mean_margin": first.mean_margin, "rank": 1},
    }
    assert names["read"] == {"dataset_type": "classification", "data_path": "photos", "labels_path": "labels.json"}


def test_label_studio(names):
    first, *others = json.loads((names["folder"] / "tasks.json").read_text())
    one = names["suspects"][0]
    assert len(others) == 99
    assert first["data"]["image"].endswith(f"photos/{one.sample:03}.jpg")
    (prediction,) = first["predictions"]
    assert 0 <= prediction["score"] <= 1
    result = {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [one.believed_name]}}
    assert prediction["result"] == [result]
    corrections, suspects = names["corrections"], names["suspects"]
    assert corrections.sample.tolist() == [one.sample for one in suspects[:4]]
    fixed = [one.believed for one in suspects[1:4]]
    assert corrections.corrected.tolist() == [suspects[0].given, *fixed]
    changed = names["given"].copy()
    changed[[one.sample for one in suspects[1:4]]] = fixed
    np.testing.assert_array_equal(names["corrected"], changed)


def test_hugging_face(names):
    (x, targets), names_of_classes = next(iter(names["batches"])), names["batches"].class_names
    assert tuple(x.shape) == (5, 4, 4, 3)
    assert names_of_classes == ["cat", "dog", "owl"]
    order = np.asarray(targets["index"])
    assert np.asarray(x)[:, 0, 0, 0].tolist() == order.tolist()
    assert np.asarray(targets["label"]).tolist() == np.array(Rows.columns["label"])[order].tolist()
