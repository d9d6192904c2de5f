"""Every row of the shared reference values that the contract can express, in float32 and in float64.

The folder is found through KERAS_ROBUST_ORACLE or beside the project; without it these tests have nothing to read.
"""

import json
import os
import pathlib

import numpy as np
import pytest
from harness import assert_close, value_and_gradient, wide_floats

import keras_robust as kr

FOLDER = pathlib.Path(os.environ.get("KERAS_ROBUST_ORACLE", pathlib.Path(__file__).parents[3] / "shared" / "oracle"))
MISSING = not (FOLDER / "manifest.json").exists()


def _pair(kind, **renamed):
    return lambda p: kind(p["alpha"], p["beta"] * p.get("mae_scale", 1), **{k: p[k] for k in p.keys() & renamed.keys()})


def _margin(p):
    base = kr.AGCE(p["a"], p["q"]) if p["base"] == "AGCE" else kr.MAE()
    wrapper = {"scale": kr.MarginScale, "shift": kr.MarginShift}[p["kind"]]
    return wrapper(base, tau=p["tau"], expected_margin=abs(p["E_Delta"]), from_logits=True)


def _nfl_mae_star(p):
    return kr.NFLandMAEStar(p["alpha"], p["mae_scale"] * p["beta"], p["gamma"], epsilon=p["eps"])


# How a row of the manifest is written with this package; None: the contract has no such loss.
EXPRESSED = {
    "CE": lambda p: kr.CE(),
    "FL": lambda p: kr.FL(p["gamma"]),
    "MAE": lambda p: p["scale"] * kr.MAE(),
    "RCE": lambda p: kr.RCE(p["A"]),
    "NMAE": lambda p: kr.NMAE(),
    "NRCE": lambda p: kr.NRCE(),
    "MSE": lambda p: None,
    "MSE-general": lambda p: kr.MSE(p["alpha"]),
    "NCE": lambda p: kr.NCE(),
    "NFL": lambda p: kr.NFL(p["gamma"]),
    "NF(log-of-product)": lambda p: None,
    "NGCE": lambda p: kr.NGCE(p["q"]),
    "GCE": lambda p: kr.GCE(p["q"]),
    "DGCE(q>1)": lambda p: kr.GCE(p["q"]),
    "SCE": lambda p: kr.SCE(p["alpha"], p["beta"], p["A"]),
    "SCE-convex": lambda p: (1 - p["q"]) * kr.CE() + p["q"] * kr.MAE(),
    "TCE": lambda p: kr.TCE(p["t"]),
    "Poly-1": lambda p: kr.Poly1(p["eps"]),
    "PHuber-CE": lambda p: kr.PHuberCE(p["tau"]),
    "JS": lambda p: kr.JS(p["pi"]),
    "AUL": lambda p: kr.AUL(p["a"], p["q"]),
    "AGCE": lambda p: kr.AGCE(p["a"], p["q"]),
    "AEL": lambda p: kr.AEL(p["a"]),
    "ANorm": lambda p: None,
    "CE+GLS": lambda p: kr.GLS(p["alpha"]),
    "CE+CR": lambda p: kr.CR(p["beta"]),
    "CE+SR": lambda p: kr.SparseRegularized(kr.CE(), p["tau"], p["lamb"], p["p"], from_logits=True),
    "NLNL term": lambda p: None,
    "NNCE": lambda p: kr.NNCE(p["p_min"]) if p["clip"] else None,
    "NNFL": lambda p: kr.NNFL(p["gamma"], p["p_min"]) if p["clip"] else None,
    "ANL-CE": lambda p: kr.ANLCE(p["alpha"], p["beta"], p["p_min"]) if p["clip"] else None,
    "ANL-FL": lambda p: kr.ANLFL(p["alpha"], p["beta"], p["gamma"], p["p_min"]) if p["clip"] else None,
    "NCE+MAE": _pair(kr.NCEandMAE),
    "NCE+RCE": _pair(kr.NCEandRCE, A=1),
    "NFL+MAE": _pair(kr.NFLandMAE, gamma=1),
    "NFL+RCE": _pair(kr.NFLandRCE, gamma=1, A=1),
    "NGCE+MAE": _pair(kr.NGCEandMAE, q=1),
    "NGCE+RCE": _pair(kr.NGCEandRCE, q=1, A=1),
    "NFL+NCE": lambda p: kr.APL(kr.NFL(p["gamma"]), kr.NCE(), p["alpha"], p["beta"]),
    "MAE+RCE": lambda p: kr.APL(p["mae_scale"] * kr.MAE(), kr.RCE(p["A"]), p["alpha"], p["beta"]),
    "NCE+AGCE": _pair(kr.NCEandAGCE, a=1, q=1),
    "NCE+AUL": _pair(kr.NCEandAUL, a=1, q=1),
    "NCE+AEL": _pair(kr.NCEandAEL, a=1),
    "NCE+MAE-convex": lambda p: (1 - p["q"]) * kr.NCE() + p["q"] * kr.MAE(),
    "NF-MAE (as printed)": lambda p: None,
    "NF-MAE (NFL form)": lambda p: kr.NFLandMAE(p["alpha"], p["mae_scale"] * p["beta"], p["gamma"]),
    "BS-hard": lambda p: kr.Bootstrap("hard"),
    "BS-soft": lambda p: kr.Bootstrap("soft"),
    "DAL": lambda p: kr.DAL(p["q"], p["lamb"], p["bs"]),
    "Bi-tempered": lambda p: kr.BiTempered(p["t1"], p["t2"]),
    "MAE*": lambda p: p["scale"] * kr.MAEStar(p["eps"]),
    "GCE*": lambda p: kr.GCEStar(p["q"], p["eps"]),
    "NF-MAE* (as printed)": lambda p: None,
    "NF-MAE* (NFL form)": _nfl_mae_star,
    "MAE-shift": _margin,
    "AGCE-shift": _margin,
    "MAE-scale": _margin,
    "AGCE-scale": _margin,
}


def rows():
    if MISSING:
        return []
    cases = json.loads((FOLDER / "manifest.json").read_text())["cases"]
    unknown = {case["loss"] for case in cases} - EXPRESSED.keys()
    assert not unknown, f"the manifest holds losses that the table above does not name: {unknown}"
    return [(case, loss) for case in cases if (loss := EXPRESSED[case["loss"]](case["params"])) is not None]


def ties(case):
    """Rows where the largest logit is shared: there the gradient of a maximum has no single value."""
    return case.get("ill_defined", {}).get("grad_undefined_rows", [])


ROWS = {}
for case, loss in rows():
    ROWS.setdefault(type(loss).__name__, []).append((case, loss))


@pytest.mark.skipif(MISSING, reason="the folder of reference values is not on this machine")
def test_number_of_rows():
    assert sum(map(len, ROWS.values())) > 500


@pytest.fixture(scope="module")
def cases():
    return dict(np.load(FOLDER / "cases.npz"))


@pytest.fixture(scope="module")
def batches():
    """All inputs of a number of classes as one batch, so that JAX compiles once for all losses.

    Of each input, by its key: number of classes and where its rows lie. Of each number of classes: logits and labels.
    """
    inputs, places, parts = np.load(FOLDER / "inputs.npz"), {}, {}
    for key in sorted(name.removesuffix("__logits") for name in inputs if name.endswith("__logits")):
        z, y = inputs[f"{key}__logits"], inputs[f"{key}__labels"].astype("int32")
        before = parts.setdefault(z.shape[-1], [])
        start = sum(len(labels) for _, labels in before)
        places[key] = z.shape[-1], slice(start, start + len(y))
        before.append((z, y))
    return places, {classes: [np.concatenate(part) for part in zip(*of, strict=True)] for classes, of in parts.items()}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ROWS)
def test_reference_values(name, dtype, cases, batches):
    places, arrays = batches
    alike, wrong = {}, []  # rows that are one call: the same loss, the same number of classes
    for case, loss in ROWS[name]:
        classes, rows = places[case["inputs"].split(":")[1]]
        config = loss.get_config() | {"from_logits": True, "dtype": dtype}
        one = alike.setdefault((json.dumps(config, default=str), classes), (type(loss).from_config(config), []))
        one[1].append((case, rows))
    for (_, classes), (loss, of) in alike.items():
        z, y = arrays[classes][0].astype(dtype), arrays[classes][1]
        with wide_floats(dtype):
            values, gradient = value_and_gradient(loss, y, z)
        for case, rows in of:
            expected = [cases[case["keys"][part]] for part in ("loss", "grad")]
            try:
                assert_close(values[rows], gradient[rows], *expected, z[rows], dtype, ties(case))
            except AssertionError as error:
                wrong.append(f"{case['id']}: {error}")
    assert not wrong, f"{len(wrong)} of {len(ROWS[name])} rows differ:\n" + "\n".join(wrong[:40])
