"""The tests of one loss are those of no other, however alike the names."""

from types import SimpleNamespace

import pytest
from cases import BATCH_CASES, CASES, NAMES, OTHER_CASES
from choice import of_loss
from harness import once

import keras_robust as kr

pytestmark = once


def item(**params):
    return SimpleNamespace(callspec=SimpleNamespace(params=params))


def test_a_name_matches_exactly():
    rows = [item(case=case, kind="init") for case in CASES]
    chosen = [test.callspec.params["case"].id for test in of_loss("GCE", rows)]
    assert chosen == [f"GCE(q={q})" for q in (0.7, 0.0, 1e-6, 1.0, 1.5)]
    others = [item(kind=kr.NGCE), item(loss=kr.GCEStar(0.7)), item(name="NGCE"), item(q=0.7), SimpleNamespace()]
    own = [item(kind=kr.GCE, name="q"), item(loss=kr.GCE(), slope=1.0), item(name="GCE", dtype="float32")]
    assert of_loss("GCE", [*others, *own]) == own


def test_every_loss_has_tests():
    rows = [item(case=case) for case in CASES] + [item(kind=kind) for kind, *_ in BATCH_CASES + OTHER_CASES]
    assert sum(len(of_loss(name, rows)) for name in NAMES) == len(rows)
    assert all(of_loss(name, rows) for name in NAMES)


def test_an_unknown_name_lists_the_known_ones():
    for name in ("gce", "GC", "", "RobustLoss"):
        with pytest.raises(pytest.UsageError, match=f"There is no loss '{name}'. Known losses: AEL, .*, NGCE, "):
            of_loss(name, [])
