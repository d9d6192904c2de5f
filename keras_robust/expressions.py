"""Texts that stand for objects: calls of known names, literals, sums. Python evaluates none of it."""

import ast
import inspect


class ExpressionError(ValueError):
    """A text that is no expression, and why."""


class ArgumentsError(ExpressionError):
    """Arguments that what is called does not have."""


LONGEST = 2000  # characters; losses have below 200
LARGEST = 1e300


def read(text: str, known: dict, inside: dict | None = None):
    """What an expression stands for: a call of a known name, or a sum of such calls and their multiples.

    Arguments are numbers, texts, True, False, None, tuples and lists of these, and what `inside` knows. Numbers are
    multiplied with what calls make, and texts with nothing, so no expression takes long or much memory to read.

    Args:
        text: the expression.
        known: name -> what is called for it.
        inside: the same for arguments; None: as `known`.

    Raises:
        ExpressionError: for anything else, saying what; `ArgumentsError` for those that what is called does not have.

    Example:

    >>> read("2 * CE() + GCE(q=0.5)", vars(keras_robust.losses)).weights
    (2.0, 1.0)
    """
    tree = _parsed(text)
    try:
        made = _build(tree, known, known if inside is None else inside)
    except (RecursionError, MemoryError):
        _refuse("nested too deeply to be read")
    return _refuse("not a call") if _plain(made) else made


def literal(text: str):
    """The number, text in quotes, True, False, None, tuple or list that a text stands for.

    Raises:
        ExpressionError: for anything else.

    Example:

    >>> literal("(0.5, -1)")
    (0.5, -1)
    """
    return _build(_parsed(text), {}, {})


def replaced(text: str, name: str, value, known: dict) -> str:
    """The expression with another value of the argument that its calls have once.

    Args:
        text: as `read` takes it.
        name: the argument.
        value: a literal.
        known: name -> what is called, whose signature says what it takes.

    Raises:
        ExpressionError: if none or several of the calls have the argument.

    Example:

    >>> from keras_robust.losses.reading import LOSSES
    >>> replaced("2 * CE() + GCE(0.7)", "q", 0.5, LOSSES)
    '2 * CE() + GCE(0.5)'
    """
    tree = _parsed(text)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    written = [call for call in calls if name in [keyword.arg for keyword in call.keywords]]
    able = {call: list(inspect.signature(known[call.func.id]).parameters) for call in calls if call.func.id in known}
    found = written or [call for call, parameters in able.items() if name in parameters]
    if len(found) != 1:
        _refuse(f"{'several calls have' if found else 'no call has'} the argument {name!r} in {text!r}")
    (call,) = found
    place = able[call].index(name) if name in able.get(call, ()) else len(call.args)
    new = ast.Constant(value)
    if written:
        next(keyword for keyword in call.keywords if keyword.arg == name).value = new
    elif place < len(call.args):
        call.args[place] = new
    else:
        call.keywords.append(ast.keyword(name, new))
    return ast.unparse(tree)


def _parsed(text):
    if not isinstance(text, str):
        _refuse("not a text")
    if len(text) > LONGEST:
        _refuse(f"of {len(text):,} characters, too long to be read")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError) as error:
        _refuse(f"not an expression, {getattr(error, 'msg', error)}")
    except (RecursionError, MemoryError):
        _refuse("nested too deeply to be read")


def _build(node, known, inside):
    match node:
        case ast.Call(func=ast.Name(id=name)) if name in known:
            arguments = [_build(argument, inside, inside) for argument in node.args]
            keywords = {keyword.arg: _build(keyword.value, inside, inside) for keyword in node.keywords}
            if None in keywords:
                _refuse("** is not read")
            try:
                return known[name](*arguments, **keywords)
            except TypeError as error:
                raise ArgumentsError(str(error)) from None
        case ast.Call(func=ast.Name(id=name)):
            _refuse(f"{name!r} is not known")
        case ast.BinOp(left=left, right=right, op=ast.Add() | ast.Mult()):
            return _combined(_build(left, known, inside), _build(right, known, inside), node.op)
        case ast.UnaryOp(operand=ast.Constant(value=float() | int() as value), op=ast.USub()):
            return -_number(value)
        case ast.Constant(value=float() | int() as value):
            return _number(value)
        case ast.Constant(value=str() | None as value):
            return value
        case ast.Tuple(elts=elements):
            return tuple(_build(element, known, inside) for element in elements)
        case ast.List(elts=elements):
            return [_build(element, known, inside) for element in elements]
    return _refuse(f"{ast.unparse(node)[:40]!r} is not read")


def _combined(left, right, operation):
    """Sums of what calls made, and products of such a thing or a number with a number."""
    numbers = [isinstance(one, int | float) and not isinstance(one, bool) for one in (left, right)]
    plain = [_plain(one) for one in (left, right)]
    if isinstance(operation, ast.Add):
        return _refuse("a sum is one of calls") if any(plain) else left + right
    if not any(numbers) or any(p and not n for p, n in zip(plain, numbers, strict=True)):
        _refuse("a product is one with a number")
    return _number(left * right) if all(numbers) else left * right


def _plain(value):
    return value is None or isinstance(value, int | float | str | tuple | list)


def _number(value):
    if not abs(value) < LARGEST:
        _refuse("a number is too large")
    return value


def _refuse(why):
    raise ExpressionError(why)
