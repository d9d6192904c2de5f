"""Texts that stand for objects: what is read, what is refused, and how long that takes."""

import time

import pytest
from harness import once

from keras_robust import expressions
from keras_robust.expressions import ArgumentsError, ExpressionError
from keras_robust.losses.reading import LOSSES
from keras_robust.recipes.moving import CALLBACKS, SCHEDULES, read_callbacks

pytestmark = once


class Made:
    def __init__(self, *arguments, **keywords):
        self.arguments, self.keywords, self.weight = arguments, keywords, 1

    def __mul__(self, number):
        self.weight *= number
        return self

    __rmul__ = __mul__

    def __add__(self, other):
        return Made(self, other)


def test_arguments():
    made = expressions.read("f(1, -2.5, 'a', None, (1, 2), [True], g(), x=f())", {"f": Made}, {"f": int, "g": str})
    assert made.arguments == (1, -2.5, "a", None, (1, 2), [True], "")
    assert made.keywords == {"x": 0}
    assert expressions.read(" 2 * 3 * f() * 0.5", {"f": Made}).weight == 3


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("f", "'f' is not read"),
        ("2 * 3", "not a call"),
        ("(f(), f())", "not a call"),
        ("h()", "'h' is not known"),
        ("f.g()", r"'f.g\(\)' is not read"),
        ("f()()", "is not read"),
        ("f(h())", "'h' is not known"),
        ("f(x for x in ())", "is not read"),
        ("f(**{})", "is not read"),
        ("f(*(1,))", "is not read"),
        ("f(2 + 3)", "a sum is one of calls"),
        ("f('a' * 100000000000000)", "a product is one with a number"),
        ("f((1,) * 100000000000000)", "a product is one with a number"),
        ("f() * f()", "a product is one with a number"),
        ("True * f()", "a product is one with a number"),
        ("f(10 ** 10 ** 10)", "is not read"),
        ("f(1e999)", "a number is too large"),
        (f"f({'9' * 400})", "a number is too large"),
        ("f(" + " * ".join(["1" + "0" * 99] * 12) + ")", "a number is too large"),
        ("f() - f()", "is not read"),
        ("lambda: f()", "is not read"),
        ("f(1j)", "is not read"),
        ("f(b'')", "is not read"),
        ("f(", "not an expression"),
        ("f()\0", "not an expression"),
        ("f(" * 400 + ")" * 400, "not an expression|nested too deeply"),
        (" + ".join(["f()"] * 300), None),
        (" + ".join(["f()"] * 400), "of 2,397 characters, too long to be read"),
        (3, "not a text"),
    ],
)
def test_anything_else_is_refused_at_once(text, why):
    start = time.perf_counter()
    if why is None:
        expressions.read(text, {"f": Made})
    else:
        with pytest.raises(ExpressionError, match=why):
            expressions.read(text, {"f": Made})
    assert time.perf_counter() - start < 1.0


def test_wrong_arguments_are_told_apart():
    with pytest.raises(ArgumentsError, match="takes 0 positional arguments"):
        expressions.read("f(1)", {"f": lambda: Made()})
    with pytest.raises(ValueError, match="Moving hyper-parameters are written as .*DALSchedule"):
        read_callbacks("DALSchedule(p=1)")


def test_literals():
    assert expressions.literal("(0.1, 1, 'a')") == (0.1, 1, "a")
    assert expressions.literal("-5") == -5
    for text in ("cnn4", "symmetric:0.4", "f()", "1 + 1"):
        with pytest.raises(ExpressionError):
            expressions.literal(text)


@pytest.mark.parametrize(
    ("text", "name", "value", "new"),
    [
        ("GCE()", "q", 0.5, "GCE(q=0.5)"),
        ("GCE(0.7)", "q", 0.5, "GCE(0.5)"),
        ("ANLCE(alpha=5, beta=5)", "beta", 1, "ANLCE(alpha=5, beta=1)"),
        ("2 * CE() + GCE(q=0.7)", "q", -1.5, "2 * CE() + GCE(q=-1.5)"),
        ("MarginShift(UnitWeight(MAE()), tau=1.6)", "tau", 2.0, "MarginShift(UnitWeight(MAE()), tau=2.0)"),
        ("DAL(q=0.6, bootstrap='soft')", "bootstrap", "hard", "DAL(q=0.6, bootstrap='hard')"),
        ("HyperparameterSchedule(lam=Exponential(start=8, rate=1.02))", "rate", 1.1, None),
    ],
)
def test_one_argument_is_replaced(text, name, value, new):
    new = new or text.replace("1.02", "1.1")
    assert expressions.replaced(text, name, value, LOSSES | CALLBACKS | SCHEDULES) == new


def test_an_argument_of_none_or_of_several_calls_is_not_replaced():
    with pytest.raises(ExpressionError, match="no call has the argument 'q' in 'CE"):
        expressions.replaced("CE()", "q", 1, LOSSES)
    with pytest.raises(ExpressionError, match="several calls have the argument 'q'"):
        expressions.replaced("GCE() + GCE()", "q", 1, LOSSES)
