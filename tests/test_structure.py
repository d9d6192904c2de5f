"""Promises about the tree: imports point down, importing is light, public names are what the contract lists."""

import ast
import pathlib
import subprocess
import sys

import pytest
from harness import once

import keras_robust as kr

pytestmark = once

PACKAGE = pathlib.Path(kr.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

# The house, from the ground up: a file imports from lower lines only, or from files above it on its own line.
FLOORS = [
    [
        "checks",
        "registration",
        "version",
        "backend",
        "numerics",
        "sample_numbers",
        "labels",
        "class_names",
        "schedules",
        "files",
        "digests",
        "log_writers",
        "weight_log",
        "merging",
        "measures",
    ],
    ["optimizers.steps", "optimizers.coupled", "optimizers.rates", "optimizers"],
    ["catalog.schema", "catalog.classes", "catalog.table", "catalog"],
    ["losses.rows.generic", "losses.rows.jax", "losses.rows.tensorflow", "losses.rows.torch", "losses.rows"],
    ["losses.initialization", "losses.evidence", "losses.saved", "losses.declaration"],
    ["noise.transition", "noise.grammar", "noise.storage", "noise.label_files", "noise.corruption"],
    [
        "noise.instance",
        "noise.human",
        "noise.backdoor",
        "noise.stream",
        "noise.estimate",
        "noise.annotators",
        "noise.specification",
    ],
    ["data.archives", "data.sources", "data.generated", "data.folders", "data.augment"],
    ["data.choice", "data.draws", "data.own_labels", "data.preprocessing", "data.feed", "data.decoding"],
    ["data.image_folders", "data.reading"],
    [
        "data.pipeline",
        "data.ordering",
        "data.numbered",
        "data.counted",
        "data.provenance",
        "data.noisy",
        "data.loading",
        "data.validation",
        "data.gallery",
    ],
    ["losses.inputs", "losses.samples", "losses.calling", "losses.base", "losses.algebra", "losses.margins"],
    ["losses.elementary", "losses.asymmetric", "losses.jensen_shannon", "losses.bi_tempered"],
    ["losses.whole_prediction", "losses.active_passive", "losses.active_negative", "losses.logit_bias"],
    ["losses.peer", "losses.binary", "losses.corrected", "regularization", "jacobian"],
    ["models.blocks", "models.small", "models.resnet", "models.vgg", "models.backbone", "models.pretrained"],
    ["losses", "noise", "data", "models"],
    ["theory.log_sum", "theory.cubature", "theory.evaluation", "theory.margins", "theory.normalization"],
    ["theory.errors", "theory.hyperparameters", "theory.symmetry", "theory.asymmetry", "theory.tolerance"],
    ["theory.weights", "theory"],
    [
        "metrics",
        "metric_group",
        "last_layer",
        "watchers",
        "carrier",
        "overrides",
        "targets",
        "nan_losses",
        "class_weights",
    ],
    ["provenance"],
    ["expressions", "losses.reading"],
    ["callbacks.positions", "callbacks.recorder", "callbacks.looking", "callbacks.histograms", "callbacks.moving"],
    ["callbacks.sample_weights", "callbacks.skipped_steps", "callbacks"],
    ["algorithms.requirements", "algorithms.base", "algorithms.remembering", "algorithms.selecting"],
    ["algorithms.views", "algorithms.mixing", "algorithms.gjs", "algorithms.mixup"],
    ["algorithms.probe", "algorithms.mixture", "algorithms.divide_mix"],
    ["algorithms.elr", "algorithms.small_loss", "algorithms.self_adaptive", "algorithms.nlnl"],
    ["algorithms.co_teaching", "algorithms.co_teaching_plus", "algorithms.jocor", "algorithms"],
    ["algorithms.reading"],
    [
        "diagnostics.plots.canvas",
        "diagnostics.plots.pixels",
        "diagnostics.plots.curves",
        "diagnostics.plots.grids",
        "diagnostics.plots.losses",
    ],
    ["diagnostics.plots.margins", "diagnostics.plots", "diagnostics.noise_report", "diagnostics.runs"],
    [
        "diagnostics.selected",
        "diagnostics.believed",
        "diagnostics.statistics",
        "diagnostics.agreement",
        "diagnostics.samples",
        "diagnostics.cross_validation",
        "diagnostics.repeated",
        "diagnostics.suspects",
        "diagnostics.pages.markup",
        "diagnostics.pages.file",
        "diagnostics.pages.cards",
        "diagnostics.pages",
        "diagnostics.review",
        "diagnostics.accuracy",
        "diagnostics.review_size",
        "diagnostics.corrections",
        "diagnostics.class_folders",
        "diagnostics.cleaning",
    ],
    ["diagnostics.report.figures", "diagnostics.report.sections", "diagnostics.report.together", "diagnostics.report"],
    ["diagnostics.pictures", "diagnostics.figures.schema", "diagnostics.figures.fresh"],
    ["diagnostics.figures.anl", "diagnostics.figures.apl", "diagnostics.figures.curriculum", "diagnostics.figures.dal"],
    ["diagnostics.figures.logit_bias", "diagnostics.figures", "diagnostics"],
    [
        "training.precision",
        "training.checkpoint",
        "training.probes",
        "training.judging",
        "training.trainer",
        "training.folder",
    ],
    ["training.jobs", "training"],
    ["export.heads", "export.signature", "export.saved_model", "export.versions", "export.lineage"],
    ["export.tensorflow_serving", "export.asking", "export.checking", "export"],
    ["recipes.moving", "recipes.cell", "recipes.rules", "recipes.schema", "recipes.obtained"],
    ["recipes.table", "recipes.find"],
    ["recipes.probing", "recipes.scales", "recipes.planning", "recipes.report", "recipes.runner", "recipes.grid"],
    ["recipes.sweeps", "recipes.retraining"],
    ["recipes.figures.curves", "recipes.figures.fitting", "recipes.figures.drawings", "recipes.figures", "recipes"],
    ["comparison", "recommendation", "search"],
    ["cli.arguments", "cli.runs", "cli.labels", "cli.pictures", "cli", "__main__"],
]
ORDER = {name: place for place, name in enumerate(name for floor in FLOORS for name in floor)}


def module_name(path):
    parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path):
    """Modules of this package that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            known = [f"{node.module}.{alias.name}" for alias in node.names]
            for name in known:
                inside = name.removeprefix("keras_robust.")
                yield name if inside in ORDER else node.module


def test_every_file_has_a_floor():
    assert {module_name(path) for path in FILES} - {""} == ORDER.keys()


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_point_down(path):
    here = module_name(path)
    if not here:
        return
    for name in imported(path):
        if name.startswith("keras_robust."):
            assert ORDER[name.removeprefix("keras_robust.")] < ORDER[here], f"{here} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_files_answer_one_question(path):
    assert len(path.read_text().splitlines()) <= 400
    assert path.stem not in ("utils", "helpers", "misc", "common")


def test_importing_is_light():
    code = """
import sys, keras
before = set(sys.modules)
import keras_robust
import keras_robust.losses, keras_robust.theory
for name in keras_robust._LOADED_ON_USE:
    getattr(keras_robust, name)
new = {name.split(".")[0] for name in set(sys.modules) - before}
print(sorted(new & {"tensorflow", "tensorflow_datasets", "matplotlib", "sklearn", "torch", "jax", "scipy", "PIL"}))
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out == "[]\n"


def test_public_names():
    contract = """
    CE FL MAE RCE NCE NFL NMAE NRCE NGCE GCE SCE TCE AUL AGCE AEL MSE JS Poly1 PHuberCE BiTempered NNCE NNFL
    ANLCE ANLFL ANLCEER APL NCEandMAE NCEandRCE NFLandMAE NFLandRCE NGCEandMAE NGCEandRCE NCEandAGCE NCEandAUL NCEandAEL
    DAL GLS CR PeerLoss SparseRegularized LogitBias MarginScale MarginShift Normalized NegativeNormalized UnitWeight
    MAEStar GCEStar NFLandMAEStar Binary ForwardCorrected BackwardCorrected""".split()
    for name in contract:
        assert getattr(kr, name) is getattr(kr.losses, name)
    assert set(contract) | {"Bootstrap", "RobustLoss", "WeightedSum"} == set(kr.losses.__all__)
    assert set(kr.__all__) <= set(dir(kr))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = kr.nonsense


def test_missing_extras_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"pip install -e '\.\[data\]' in the clone"):
        kr.data.load_arrays("digits")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install -e '\.\[plots\]' in the clone"):
        kr.diagnostics.plots.accuracy_curves({"CE": [0.1]})
