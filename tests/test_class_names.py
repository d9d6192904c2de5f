"""Class names in every form that people have them in, and every place that takes them."""

import enum
import json
import sys

import numpy as np
import pandas as pd
import pytest
from harness import once

from keras_robust.class_names import names_by_id
from keras_robust.diagnostics import WeightLog, open_run, pictures, plots, suspect_table
from keras_robust.weight_log import RECORD, write_epoch

pytestmark = once

NAMES = ["cat", "dog", "owl"]
FORMS = {
    "list": NAMES,
    "tuple": tuple(NAMES),
    "array": np.array(NAMES),
    "bytes": [b"cat", b"dog", b"owl"],
    "dict": {0: "cat", 1: "dog", 2: "owl"},
    "dict in another order": {2: "owl", 0: "cat", 1: "dog"},
    "dict with ids of numpy": {np.int64(1): "dog", np.int64(0): "cat", np.uint8(2): "owl"},
    "id2label of a JSON file": json.loads(json.dumps({1: "dog", 0: "cat", 2: "owl"})),
    "values of a dict": dict(enumerate(NAMES)).values(),
    "series": pd.Series(NAMES),
    "series in another order": pd.Series(["owl", "cat", "dog"], index=[2, 0, 1]),
    "index": pd.Index(NAMES),
    "categories": pd.Categorical(NAMES).categories,
}
PLACES = {
    "names_by_id": lambda names, folder: names_by_id("names_by_id", names, 3),
    "suspect_table": lambda names, folder: [one.given_name for one in suspect_table(WeightLog(folder), None, names)],
    "transition_matrix": lambda names, folder: ticks(plots.transition_matrix(np.eye(3), names)),
    "transition": lambda names, folder: ticks(pictures.transition(open_run(folder), names).axes[0]),
}


def ticks(ax):
    return [tick.get_text() for tick in ax.get_xticklabels()]


@pytest.fixture
def folder(tmp_path):
    records = np.zeros(3, RECORD)
    records["margin"], records["label"], records["predicted"] = [1.0, 2.0, 3.0], np.arange(3), np.arange(3)
    write_epoch(tmp_path, 0, records)
    return tmp_path


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", PLACES)
def test_every_form_in_every_place(place, form, folder):
    assert PLACES[place](FORMS[form], folder) == NAMES


REFUSED = {
    "set": set(NAMES),
    "frozen set": frozenset(NAMES),
    "keys": dict.fromkeys(NAMES).keys(),
    "one text": "cat",
    "number": 3,
    "names as keys": dict(zip(NAMES, range(3), strict=True)),
    "names as keys of a series": pd.Series(range(3), index=NAMES),
    "ids from 1": {1: "cat", 2: "dog", 3: "owl"},
    "an id is missing": {0: "cat", 2: "owl", 3: "fox"},
    "an id twice": {0: "cat", "0": "cat", 1: "dog", 2: "owl"},
    "bool keys": {False: "cat", True: "dog", 2: "owl"},
    "float keys": {0.0: "cat", 1.0: "dog", 2.0: "owl"},
    "a negative id": {"-1": "cat", "0": "dog", "1": "owl"},
    "too few": NAMES[:2],
    "a name is missing": ["cat", None, "owl"],
    "a table": pd.DataFrame({"name": NAMES}),
    "two dimensions": np.array([NAMES]),
    "lists": [["cat"], ["dog"], ["owl"]],
    "enumeration": list(enum.Enum("Pet", NAMES)),
}


@pytest.mark.parametrize("form", REFUSED)
@pytest.mark.parametrize("place", PLACES)
def test_what_has_no_order_is_refused(place, form, folder):
    with pytest.raises(
        ValueError, match=r"`class_names` of \w+ must be a list of .*3 names, one for each class, by id"
    ):
        PLACES[place](REFUSED[form], folder)


def test_the_error_says_what_to_do():
    with pytest.raises(ValueError, match="this one has ids by name, turn it round. Received: class_names={'cat': 0"):
        names_by_id("serving", REFUSED["names as keys"], 3)
    with pytest.raises(ValueError, match="a dict {id: name} with the keys 0 to 2. Received: class_names={1: 'cat'"):
        names_by_id("serving", REFUSED["ids from 1"], 3)


def test_pandas_is_not_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert names_by_id("serving", {0: "a", 1: 7}, 2) == ["a", "7"]
    assert names_by_id("suspect_table", list("abc"), 2, more=True) == list("abc")
