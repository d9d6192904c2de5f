"""Which runs a figure is drawn from: the blocks of `papers/figures.toml` as curves, each of one recipe."""

import functools
import itertools
import tomllib
from dataclasses import dataclass, field
from importlib.resources import files

from keras_robust.checks import OneOf
from keras_robust.recipes.find import get
from keras_robust.recipes.schema import Recipe


@dataclass(frozen=True)
class Curve:
    """What is drawn of the runs of one recipe.

    Attributes:
        name: of the recipe in the table.
        printed: the recipe as the figure has it.
        recipe: with what is changed besides, as it is trained here.
        change: the settings in which that leaves the one in the table.
        panel: which panel it is in, beside those that data sets and noises make; "*" for all of them.
        label: how it is called.
        values: the numbers that tell it from the others of its block.
    """

    name: str
    printed: Recipe
    recipe: Recipe
    change: dict
    panel: str
    label: str
    values: dict

    def __str__(self):
        changes = ", ".join(f"{name}={value!r}" for name, value in self.change.items())
        return f"{self.name} with {changes}" if changes else self.name


@dataclass(frozen=True)
class Plan:
    """How a figure is drawn from runs.

    Attributes:
        name: of the figure, "anl/5".
        drawing: name of a function of `drawings`; "" for one that cannot be drawn.
        curves: what is drawn.
        note: what is not the paper's, or "".
        reason: why it cannot be drawn, or "".
    """

    name: str
    drawing: str = ""
    curves: tuple[Curve, ...] = field(default=(), repr=False)
    note: str = ""
    reason: str = ""


@functools.cache
def planned() -> dict[str, dict]:
    """The content of the file, by the names of figures."""
    path = files("keras_robust.recipes") / "papers" / "figures.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def plan(name: str, changes: dict | None = None) -> Plan:
    """The plan of a figure.

    Args:
        name: of a figure that needs runs.
        changes: settings of all its recipes to be replaced.

    Raises:
        ValueError: for a figure that needs none, or that nobody knows; for a setting that does not fit.
        TypeError: for an unknown setting.

    Example:

    >>> [curve.label for curve in plan("dal/4").curves]
    ['CE', 'MAE', 'GCE', 'DAL']
    """
    content = planned()[OneOf(tuple(planned())).check("plan", "name", name)]
    curves = (curve for block in content.get("curves", ()) for curve in _curves(block, changes or {}))
    return Plan(name, content.get("drawing", ""), tuple(curves), content.get("note", ""), content.get("reason", ""))


def _curves(block, changes):
    each = block.get("each", {})
    several = [dict(zip(each, values, strict=True)) for values in itertools.product(*each.values())]
    for name, values in itertools.product(block["recipes"], block.get("sets", several)):
        recipe = get(_filled(name, values))
        change = _filled(block.get("change", {}), values)
        yield Curve(
            name=recipe.name,
            printed=recipe.changed(**change),
            recipe=recipe.changed(**change | changes),
            change=change | changes,
            panel=_filled(block.get("panel", ""), values),
            label=_filled(block.get("label", recipe.label), values),
            values=values,
        )


def _filled(value, values):
    """Texts with the values where braces name them; a text that is nothing else becomes the value itself."""
    if isinstance(value, dict):
        return {name: _filled(one, values) for name, one in value.items()}
    if not isinstance(value, str):
        return value
    alone = value[1:-1] if value[:1] + value[-1:] == "{}" else None
    return values[alone] if alone in values else value.format(**values)
