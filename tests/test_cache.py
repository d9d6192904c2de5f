"""A value is read from the cache only while everything that it follows from is as it was."""

import os
import pathlib
import subprocess
import sys
from functools import partial
from types import ModuleType

import cache
import forked
import numpy as np
import pytest
import reference
from cases import CASES
from harness import once

pytestmark = once

SOURCE = pathlib.Path(reference.__file__).read_text()
LOGITS, IDS = np.array([[0.5, -1.0, 2.0], [3.0, 0.0, 0.25]], "float32"), np.array([2, 0])


def edited(old, new):
    """The module of references with an edit to its text."""
    assert SOURCE.count(old) == 1
    module = ModuleType("edited")
    exec(compile(SOURCE.replace(old, new), "edited", "exec"), vars(module))
    return module


def digests(module):
    return {name: cache.fingerprint(function) for name, function in module.REFERENCE.items()}


DIGESTS = digests(reference)
OF_GCE = {name for name in reference.REFERENCE if "GCE" in name and name != "AGCE" and name != "NCEandAGCE"} | {"DAL"}


@pytest.mark.parametrize(
    ("old", "new", "losses"),
    [
        ("else (1 - p**q) / q", "else (1 - p**q) / (q + 1)", OF_GCE),
        ("else (1 - p**q) / q", "else (q - p**q) / q", OF_GCE),
        ("if q == 0 else", "if q == 1 else", OF_GCE),
        ("def GCE(p, q=0.7)", "def GCE(p, q=0.6)", OF_GCE),
        ("def _exp_t(x, t):\n    return mp.exp(x)", "def _exp_t(x, t):\n    return mp.expm1(x)", {"BiTempered"}),
        ("in_floats, (0.5 / len(z), 2.0)", "in_floats, (0.5 / len(z), 3.0)", {"BiTempered"}),
        ("return [v / total for v in powers]", "return [v / top for v in powers]", {*reference.REFERENCE}),
        ("mp.dps = 150", "mp.dps = 151", {*reference.REFERENCE}),
        ("# Elementary losses of", "\n\n# Elementary losses of", set()),
        ("def RCE(p, A=-4.0):", "def New(p):\n    return p\n\n\ndef RCE(p, A=-4.0):", set()),
    ],
)
def test_a_changed_formula_is_computed_anew_and_no_other(old, new, losses):
    try:
        changed = {name for name, digest in digests(edited(old, new)).items() if digest != DIGESTS.get(name, digest)}
        assert changed == losses
    finally:
        reference.mp.dps = 150


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('STEP = mpf("1e-20")', 'STEP = mpf("1e-21")'),
        ("150 + int(", "140 + int("),
        ("/ (2 * STEP)\n    r", "/ STEP\n    r"),
    ],
)
def test_so_is_a_changed_way_to_evaluate(old, new):
    before, after = (cache.fingerprint(m.gradient.__wrapped__) for m in (reference, edited(old, new)))
    assert before != after


def test_a_changed_parameter_or_input_is_computed_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "FOLDER", tmp_path / "values")
    GCE = reference.REFERENCE["GCE"]
    other = LOGITS.copy()
    other[1, 2] = np.nextafter(other[1, 2], np.float32(1))
    asked = [
        ((partial(GCE, q=0.5), LOGITS, IDS), {}),
        ((partial(GCE, q=np.nextafter(0.5, 1)), LOGITS, IDS), {}),
        ((partial(GCE, q=reference.mpf(0.5)), LOGITS, IDS), {}),
        ((partial(reference.REFERENCE["NGCE"], q=0.5), LOGITS, IDS), {}),
        ((reference.logit_bias(GCE, 0.5), LOGITS, IDS), {}),
        ((reference.logit_bias(GCE, 0.25), LOGITS, IDS), {}),
        ((reference.logit_bias(partial(GCE, q=0.5), 0.25), LOGITS, IDS), {}),
        ((partial(GCE, q=0.5), other, IDS), {}),
        ((partial(GCE, q=0.5), LOGITS, IDS[::-1].copy()), {}),
        ((partial(GCE, q=0.5), LOGITS, IDS), {"entries": [0]}),
        ((partial(GCE, q=0.5), LOGITS, IDS), {"entries": [0, 1]}),
    ]
    first = [reference.gradient(*args, **keywords) for args, keywords in asked]
    files = list(cache.FOLDER.iterdir())
    assert len(files) == len(asked)
    for (args, keywords), value in zip(asked, first, strict=True):
        np.testing.assert_array_equal(value, reference.gradient.__wrapped__(*args, **keywords))
        np.testing.assert_array_equal(value, reference.gradient(*args, **keywords))
    for file in files:
        np.save(file, np.array(12.0))
    assert all(reference.gradient(*args, **keywords) == 12.0 for args, keywords in asked)
    assert sorted(cache.FOLDER.iterdir()) == sorted(files)


COMPUTING = """
import pathlib, sys
import cache

cache.FOLDER = pathlib.Path(sys.argv[1], "values")

@cache.cached
def evaluate(number):
    print("computed")
    return number + 0 * sum(range(50_000_000))  # about a second

print(evaluate(12))
"""


def test_processes_that_ask_at_once_compute_once(tmp_path):
    ends = [program.ended() for program in [forked.Started(COMPUTING, tmp_path) for _ in range(3)]]
    assert sorted(end.stdout for end in ends) == ["12\n", "12\n", "computed\n12\n"], ends


def test_every_row_of_the_table_has_a_digest_of_its_own():
    assert len({cache.fingerprint(case.reference) for case in CASES}) == len(CASES)


def test_digests_are_those_of_another_process():
    """Also where sets are ordered otherwise."""
    code = "import cache, reference; print(cache.fingerprint(reference.REFERENCE, reference.value.__wrapped__))"
    environment = os.environ | {"PYTHONPATH": str(pathlib.Path(cache.__file__).parent)}
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=environment | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert printed == {cache.fingerprint(reference.REFERENCE, reference.value.__wrapped__) + "\n"}


def test_what_has_no_digest_is_refused():
    class Scale:
        def __call__(self, z, y):
            return z[y]

    scale = Scale()
    for function in (scale, scale.__call__, lambda z, y: scale(z, y), iter([])):
        with pytest.raises(TypeError, match="A cached value follows from .* of which no digest is defined"):
            cache.fingerprint(function)
