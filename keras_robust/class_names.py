"""Names of classes as people have them: a list, an array, a Series, or a dict by id."""

import numbers
import re
from collections.abc import Iterable, Set

import numpy as np

from keras_robust.checks import refuse


def names_by_id(owner: str, given, count: int, more: bool = False) -> list[str]:
    """The names of classes 0, 1, ... in this order.

    Args:
        owner: who asks, for the error.
        given: names in the order of the ids, or a dict {id: name}, in any order, whose keys are 0 to K - 1; ids may be
            texts, "0", as JSON has them. A pandas Series counts as a dict by its index. Numbers become texts.
        count: how many classes there are.
        more: whether there may be more names than classes.

    Raises:
        ValueError: for names without an order, a dict by anything but ids, or another number of names.

    Example:

    >>> names_by_id("serving", {"1": "dog", "0": "cat"}, count=2)
    ['cat', 'dog']
    """
    counted = f"{'at least ' if more else ''}{count} names, one for each class"
    rule = f"a list of {counted}, by id, or a dict {{id: name}}"
    if callable(getattr(given, "items", None)):
        names = _in_order(owner, list(given.items()), rule, given)
    else:
        ordered = isinstance(given, Iterable) and not isinstance(given, str | bytes | Set)
        if not ordered or getattr(given, "ndim", 1) != 1:
            refuse(owner, "class_names", rule, given)
        names = list(given)
    names = [name.decode() if isinstance(name, bytes) else name for name in names]
    if not all(isinstance(name, str | numbers.Number | np.generic) for name in names):
        refuse(owner, "class_names", rule, given)
    if len(names) != count and not (more and len(names) > count):
        refuse(owner, "class_names", rule, given)
    return [str(name) for name in names]


def _in_order(owner, pairs, rule, given):
    ids = [_id(key) for key, _ in pairs]
    if sorted(ids) != list(range(len(ids))):
        turned = sorted(_id(value) for _, value in pairs) == list(range(len(pairs)))
        hint = (
            "; this one has ids by name, turn it round" if turned and pairs else f" with the keys 0 to {len(ids) - 1}"
        )
        refuse(owner, "class_names", rule + hint, given)
    by_id = dict(zip(ids, (name for _, name in pairs), strict=True))
    return [by_id[id] for id in range(len(ids))]


def _id(key):
    """The class id that a key stands for, -1 for none."""
    if isinstance(key, str) and re.fullmatch("0|[1-9][0-9]*", key):
        return int(key)
    return int(key) if isinstance(key, numbers.Integral) and not isinstance(key, bool) else -1
