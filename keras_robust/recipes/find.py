"""Recipes by any of their fields, and one by its name."""

import difflib

from keras_robust.recipes.schema import FIELDS, Recipe
from keras_robust.recipes.table import BY_NAME, RECIPES

SEARCHABLE = ("name", "verified", "runnable", *FIELDS)


def find(**fields) -> tuple[Recipe, ...]:
    """The recipes whose fields are what is asked for, in the order of the table.

    A text may hold shell patterns such as "symmetric:*"; upper and lower case are the same. Of a list or set of values
    one must fit. Where a field holds several values, such as `missing`, one of them must fit. None fits None alone.

    Args:
        fields: names of fields of `Recipe`, or "name", "verified", "runnable", with what they should be.

    Raises:
        ValueError: for an unknown field.

    Example:

    >>> for recipe in keras_robust.recipes.find(paper="anl", dataset="cifar10", noise="*:0.4", label=["CE", "ANL-CE"]):
    ...     print(recipe.name, recipe.expected)
    anl/cifar10/symmetric:0.4/ce 58.19 ± 0.21
    anl/cifar10/asymmetric:0.4/ce 73.69 ± 0.20
    anl/cifar10/symmetric:0.4/anl-ce 87.28 ± 0.02
    anl/cifar10/asymmetric:0.4/anl-ce 77.63 ± 0.31
    anl/cifar10/symmetric:0.4/anl-ce/adam 83.18 ± 0.54
    anl/cifar10/asymmetric:0.4/anl-ce/adam 75.07 ± 0.43
    """
    for name in fields:
        if name not in SEARCHABLE:
            raise ValueError(f"Recipes have no field {name!r}. Their fields are: {', '.join(SEARCHABLE)}.")
    return tuple(recipe for recipe in RECIPES if recipe.fits(**fields))


def get(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        ValueError: for an unknown name, with those that are near.

    Example:

    >>> keras_robust.recipes.get("anl/cifar10/symmetric:0.4/anl-ce").loss
    'ANLCE(alpha=5, beta=5)'
    """
    if name in BY_NAME:
        return BY_NAME[name]
    near = difflib.get_close_matches(str(name), BY_NAME, n=5, cutoff=0.5)
    hint = f" Near it are: {', '.join(near)}." if near else ""
    raise ValueError(f"There is no recipe {name!r}.{hint} `recipes.find(paper=..., dataset=...)` lists them.")
