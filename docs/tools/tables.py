"""Fills the tables of the pages with what the code says: python docs/tools/tables.py.

A page marks a table by the name of a function below, and holds what it returned:

    <!-- table: losses 10 -->
    ...
    <!-- end -->
"""

import argparse
import csv
import io
import math
import pathlib
import re
import tomllib

from docstrings import repository
from rich.console import Console

from keras_robust import cli, losses, recipes, recommend, theory
from keras_robust.catalog import CATALOG
from keras_robust.noise.grammar import KINDS, parse
from keras_robust.recipes.grid import Entry
from keras_robust.recipes.obtained import DEMO, RUNS

ROOT = pathlib.Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
_TABLE = re.compile(r"(?<=<!-- table: )(\w+)([^\n]*?)( -->\n).*?(?=<!-- end -->)", flags=re.DOTALL)
_CITED = {paper: text.partition(",")[0] for paper, text in recipes.PAPERS.items()}
#: What the notes on a recipe's loss begin with; the others are about data and training.
_ABOUT_THE_LOSS = ("alpha", "beta", "q", "gamma", "loss", "l1", "tau", "epsilon", "iterations", "bootstrap", "moving")


def filled(page: str) -> str:
    """A page with its tables as the code has them now."""
    return _TABLE.sub(lambda found: f"{found[1]}{found[2]}{found[3]}\n{_call(found[1], found[2])}\n\n", page)


def main() -> None:
    for path in PAGES:
        old = path.read_text(encoding="utf-8")
        if (new := filled(old)) != old:
            path.write_text(new, encoding="utf-8")
            print(f"Written: {path}")


# The tables


def install():
    """How to install, from where pyproject.toml says the package is kept."""
    url = repository()
    return f"""\
```
git clone {url} && cd keras_robust
pip install -e '.[demo]'   # with JAX; or .[tensorflow-cpu], .[tensorflow], .[torch]
make demo                  # five losses on noisy digits, in an environment of its own
```

In Colab, which has the backends: `pip install git+{url}`. The package is on no index."""


def recommended(*classes):
    rows = []
    for advice in map(recommend, map(int, classes)):
        penalty = f"{advice.l1:g}" if advice.l1 else "-"
        rows.append((f"{advice.num_classes:,}", f"`{_in_short(advice.loss)}`", penalty))
    return _table(("classes", "loss", "L1"), rows)


def reasons(classes):
    return recommend(int(classes)).reason


def demo():
    """What `make demo` prints."""
    entries = tuple(Entry(loss, None, {"loss": loss}, results) for loss, results in DEMO.items())
    grid = recipes.Grid(None, "digits, symmetric:0.4", entries, backend="jax")
    console = Console(file=io.StringIO(), width=80)
    console.print(grid.table(console.width))
    lines = console.file.getvalue().splitlines()
    return "\n".join(("```", *(line.rstrip() for line in lines), "```"))


def sweep(name, down, across):
    """Test accuracy after the last epoch and wrong labels memorized, of a table.csv that a sweep wrote."""
    with open(ROOT / "docs" / "data" / f"{name}.csv", encoding="utf-8", newline="") as file:
        found = {(row[down], row[across]): row for row in csv.DictReader(file)}
    rows, columns = (list(dict.fromkeys(place)) for place in zip(*found, strict=True))
    cells = [
        (
            f"{down} = {row}",
            *(
                " / ".join(f"{100 * float(found[row, column][key]):.1f}" for key in ("last", "memorized"))
                for column in columns
            ),
        )
        for row in rows
    ]
    return _table(("", *(f"{across} = {column}" for column in columns)), cells, right=len(columns))


def initialization(*classes):
    rows = []
    for K in map(int, classes):
        bias, margin, exact = theory.logit_bias(K), theory.expected_margin(K), theory.expected_margin(K, exact=True)
        rows.append((f"{K:,}", f"{bias:.4f}", f"{max(0.0, bias):.4f}", f"{margin:.3f}", f"{exact:.3f}"))
    heads = ("classes", "`logit_bias`", "default of `LogitBias`", "`expected_margin`, Eq. 4", "exact")
    return _table(heads, rows, right=4)


def mean_errors(*classes):
    shown = (losses.CE(), losses.GCE(), losses.MAE(), losses.ANLCE(alpha=10, beta=1), losses.MAEStar())
    rows = [(f"`{loss!r}`", *(f"{theory.mean_error(loss, int(K)):.4f}" for K in classes)) for loss in shown]
    return _table(("loss", *(f"{int(K):,} classes" for K in classes)), rows, right=len(classes))


def transferred(text, parameter, start, *classes):
    loss = losses.GCE(q=float(text))
    rows = [(f"{int(K):,}", f"{theory.transfer(loss, parameter, int(start), int(K)):.4f}") for K in classes]
    return _table(("classes", f"`{parameter}`"), [(f"{int(start):,}", f"{float(text):.4f}"), *rows], right=1)


def robustness(classes):
    """What uniform noise does to the minimizer of a loss."""
    K = int(classes)
    chosen = (losses.CE(), losses.GCE(), losses.MAE(), losses.NCE(), losses.NCEandRCE(), losses.ANLCE(alpha=5, beta=5))
    rows = []
    for loss in (*chosen, losses.AGCE(a=6, q=1.5), losses.NCEandAGCE(alpha=1, beta=4, a=6, q=1.5), losses.TCE(t=2)):
        symmetric = "yes" if theory.is_symmetric(loss, K) else "no"
        rows.append((f"`{loss!r}`", symmetric, f"{theory.asymmetric_up_to(loss, K):.3f}"))
    return _table(("loss", "symmetric", "noise rate up to which its minimizer stays"), rows, right=1)


def settings(classes):
    """The losses of the papers at a number of classes."""
    found, notes = {}, {}
    for recipe in recipes.RECIPES:
        if _classes(recipe.dataset) != int(classes) or recipe.algorithm or recipe.loss is None:
            continue
        written = (recipe.label, recipe.loss, recipe.l1, recipe.moving)
        places = found.setdefault(written, {}).setdefault(_CITED[recipe.paper], {})
        places.setdefault(recipe.dataset, set()).add(_kind(recipe.noise))
        for note in recipe.contested:
            if note.split(":")[0].split()[0] in _ABOUT_THE_LOSS:
                notes.setdefault(note, {})[recipe.label] = True
    several = [label for label, *_ in found]
    rows = []
    for (label, loss, l1, moving), papers in sorted(found.items(), key=lambda item: item[0][0].lower()):
        moves = f" with `{moving}`" if moving else ""
        where = []
        for cited, sets in papers.items():
            places = (_place(dataset, kinds, several.count(label) > 1) for dataset, kinds in sets.items())
            where.append(f"{cited}: {', '.join(places)}")
        written = loss.replace(str(math.log(1e-4)), "log(1e-4)")
        rows.append((label, f"`{written}`{moves}", f"{l1:g}" if l1 else "-", "; ".join(where)))
    told = [f"- {note} ({', '.join(labels)})" for note, labels in notes.items()]
    parts = [_table(("loss", "written as", "L1", "in"), rows)]
    return "\n".join(parts + (["", "Contested:", "", *told] if told else []))


def one_setting():
    """Whether a paper changes its losses with the rate of the noise."""
    by_kind, by_loss = {}, {}
    for recipe in recipes.find(variant=None, algorithm=None):
        where = (recipe.paper, recipe.dataset, recipe.label)
        setting = (recipe.loss, recipe.l1, recipe.moving)
        by_loss.setdefault(where, set()).add(setting)
        by_kind.setdefault((*where, _kind(recipe.noise)), set()).add(setting)
    changed = {where[:3] for where, found in by_kind.items() if len(found) > 1}
    several = {where for where, found in by_loss.items() if len(found) > 1} - changed
    constant = [cited for paper, cited in _CITED.items() if paper not in {where[0] for where in changed}]

    def told(places):
        return ", ".join(sorted(f"{label} on {dataset} in {_CITED[paper]}" for paper, dataset, label in places))

    return (
        f"Of {len(by_loss)} losses on a data set, {len(changed)} have different settings at different noise rates: "
        f"{told(changed)}. None has in {', '.join(constant)}. {len(several)} have one for a different kind of noise: "
        f"{told(several)}."
    )


def by_rate(field):
    """What differs, rate by rate, in losses or algorithms that a paper sets by the rate of the noise."""
    found = {}
    for recipe in recipes.find(variant=None):
        if getattr(recipe, field) and (field == "algorithm" or not recipe.algorithm):
            noise = recipe.name.split("/")[2]
            found.setdefault((recipe.paper, recipe.dataset, recipe.label), {})[noise] = getattr(recipe, field)
    rows, columns = [], {}
    for (_, dataset, label), texts in found.items():
        told = {noise: dict(re.findall(r"(\w+)=([\w.]+)", text)) for noise, text in texts.items()}
        for name in dict.fromkeys(name for values in told.values() for name in values):
            kinds = {}
            for noise, values in told.items():
                kinds.setdefault(noise.split(":")[0], set()).add(values.get(name))
            if any(len(values) > 1 for values in kinds.values()):
                columns |= dict.fromkeys(told)
                values = {noise: values.get(name, "default") for noise, values in told.items()}
                rows.append((f"{label} on {dataset}, `{name}`", values))
    cells = [(head, *(values.get(column, "-") for column in columns)) for head, values in rows]
    return _table(("", *(f"`{column}`" for column in columns)), cells, right=len(columns))


def printed(*datasets):
    """The best of the accuracies that a paper prints, beside cross entropy's."""
    cells = {}
    for recipe in recipes.find(verified=True, dataset=list(datasets), variant=None):
        if "quote" in recipe.source:
            continue
        key = (recipe.dataset, recipe.name.split("/")[2], _CITED[recipe.paper])
        cells.setdefault(key, {})[recipe.label] = recipe.expected
    rows = []
    for (dataset, noise, cited), by_loss in cells.items():
        best = max(by_loss, key=lambda label: by_loss[label].value)
        row = (dataset, f"`{noise}`", cited, str(by_loss.get("CE", "-")), best, str(by_loss[best]), str(len(by_loss)))
        rows.append(row)
    return _table(("data", "noise", "paper", "CE", "best loss", "its accuracy", "losses"), rows)


def reproduced():
    rows, setups = [], {}
    for run in RUNS:
        row = recipes.get(run.recipe)
        if run.scale == "full":
            seeds = f"{len(run.seeds)} seed" + "s" * (len(run.seeds) > 1)
            letter = setups.setdefault(run.setup, "abcdefgh"[len(setups)])
            rows.append((f"`{run.recipe}`", str(row.expected), f"{run.cell()}, {seeds} ({letter})"))
    made = [f"- ({letter}) {setup}" for setup, letter in setups.items()]
    return "\n".join([_table(("recipe", "paper, %", "here, %"), rows, right=2), "", *made])


def datasets():
    """The catalog."""
    kinds = {"digits": "embedded", "archive": "npz, official files or TFDS"}
    rows = []
    for row in CATALOG.values():
        train = "not printed" if row.train_size is None else f"{row.train_size:,}" if row.train_size else "-"
        labels = "wrong as given" if row.wrong_as_given else f"`{row.human}`" if row.human else "clean"
        noise = ", ".join(f"`{variant}`" for variant in row.similar) or "-"
        network = f"`{row.network}`" if row.network else "-"
        stored = kinds.get(row.reader, "folder")
        rows.append(
            (f"`{row.name}`", f"{row.num_classes:,}", train, f"{row.test_size:,}", stored, labels, noise, network)
        )
    heads = ("data", "classes", "train", "test", "read from", "labels", "similar classes", "`compare` trains")
    return _table(heads, rows)


def normalizations():
    rows = []
    by_recipes = {}
    for row in CATALOG.values():
        by_recipes.setdefault(row.recipes, []).append(row.name)
    for shared, names in by_recipes.items():
        for one in shared:
            mean, std = (", ".join(f"{number:.4g}" for number in numbers) for numbers in (one.mean, one.std))
            rows.append((", ".join(names), f"`{one.name}`", mean, std, one.source))
    return _table(("data", "name", "mean", "deviation", "source"), rows)


def noises():
    rows = []
    for name, kind in KINDS.items():
        for variant in kind.variants or (None,):
            text = f"{name}{'.' + variant if variant else ''}:{kind.argument}"
            rows.append((f"`{text}`", kind.describe(variant)))
    return _table(("string", "wrong labels"), rows)


def versions():
    """What the package asks for, and what its tests run on."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    asked = {"python": project["requires-python"]} | {
        re.match(r"[\w-]+", text)[0]: re.sub(r"^[\w-]+", "", text)
        for text in (*project["dependencies"], *extras["tensorflow"], *extras["jax"], *extras["torch"])
    }
    tested = dict(line.split("==") for line in _lines(ROOT / "tests" / "requirements.txt"))
    tested["tensorflow"] = tested["tensorflow-cpu"]
    rows = [(name, text.removeprefix(">=") or "any", tested[name]) for name, text in asked.items() if name in tested]
    rows = [("python", asked["python"].removeprefix(">="), "-"), *rows]
    return _table(("", "at least", "the suite runs on"), rows)


def commands():
    """The command line, verb by verb."""
    return "\n\n".join(_command(f"keras-robust {name}", verb, text, 2) for name, verb, text in _verbs(cli.parser()))


def _command(name, parser, text, level):
    parts = [f"{'#' * level} {name}", f"{text[0].upper()}{text[1:]}."]
    rows = []
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction | argparse._SubParsersAction):
            continue
        called = " ".join(filter(None, (action.option_strings[-1] if action.option_strings else "", _value(action))))
        rows.append((f"`{called}`", _meaning(action)))
    if rows:
        parts.append(_table(("argument", "meaning"), rows))
    return "\n\n".join(parts + [_command(f"{name} {one}", verb, say, level + 1) for one, verb, say in _verbs(parser)])


def _verbs(parser):
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for choice in action._choices_actions:
                yield choice.dest, action.choices[choice.dest], choice.help


def _value(action):
    if action.nargs == 0:
        return ""
    value = action.metavar or action.dest.upper()
    return f"{value} ..." if action.nargs == "+" else value


def _meaning(action):
    text = (action.help or action.dest.replace("_", " ")).replace("|", "\\|")
    known = "default" in text or "(" in text or action.default in (None, False, ()) or not action.option_strings
    default = action.default
    if isinstance(default, list | tuple):
        default = " ".join(map(str, default))
    return text if known else f"{text} (default: {default})"


# What they are made with


def _lines(path):
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def _call(name, words):
    table = {function.__name__: function for function in _TABLES}.get(name)
    if table is None:
        raise ValueError(f"There is no table {name!r}. There are: {', '.join(f.__name__ for f in _TABLES)}.")
    return table(*words.split())


_TABLES = (
    install,
    recommended,
    reasons,
    demo,
    sweep,
    initialization,
    mean_errors,
    transferred,
    robustness,
    settings,
    versions,
    one_setting,
    by_rate,
    printed,
    reproduced,
    datasets,
    normalizations,
    noises,
    commands,
)


def _table(heads, rows, right=0):
    lines = [heads, ["---"] * (len(heads) - right) + ["---:"] * right, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _in_short(loss):
    short = repr(loss).replace(", from_logits=True", "").replace(", p_min=1e-07", "")
    return re.sub(r"\d+\.\d{5,}", lambda number: f"{float(number[0]):.4f}", short)


def _classes(dataset):
    return CATALOG[dataset].num_classes


def _kind(noise):
    return parse(noise).kind.split("+")[0] if noise else None


def _place(dataset, kinds, several):
    known = sorted(kind for kind in kinds if kind)
    return f"{dataset} ({', '.join(known)})" if several and known and len(known) < 2 else dataset


if __name__ == "__main__":
    main()
