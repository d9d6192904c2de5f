"""Values that took many digits to compute are computed once, by whichever process asks first; others wait for it.

`@cached` stores what a function of (function, arrays) returned in a file of the user's cache folder, where other
workers, other backends, later runs and other clones find it. The name of the file is a digest of all that the value
follows from: the bytecode, constants and defaults of both functions, of every function that they name or close over,
the parameters bound to them, the numbers that they name, the digits of mpmath, the versions of mpmath and numpy, and
the inputs' bytes. A change of any of these is another name, so a value cannot be stale; a comment, or another loss,
changes nothing. What cannot be described in this way is a TypeError.
"""

import contextlib
import dis
import fcntl
import hashlib
import os
import pathlib
import sys
import tempfile
from functools import cache, partial, wraps
from importlib import metadata
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType

import numpy as np
from mpmath import mp, mpf

#: What tests keep between runs; `make clean` empties it.
KEPT = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "keras_robust-tests"
FOLDER = KEPT / "reference"
_Remembering = type(cache(len))
_PLAIN = (type(None), bool, int, float, str, bytes, type(...))
_OF_CODE = """co_code co_consts co_names co_varnames co_freevars co_cellvars co_exceptiontable
co_argcount co_posonlyargcount co_kwonlyargcount co_flags""".split()


def cached(evaluate):
    """`evaluate(function, *arrays)`, read from a file where it was computed before."""

    @wraps(evaluate)
    def read_or_compute(*args, **keywords):
        name = fingerprint(evaluate, args, keywords)
        path = FOLDER / f"{name}.npy"
        if path.exists():
            return np.load(path)
        FOLDER.mkdir(parents=True, exist_ok=True)
        with _alone(name):
            if path.exists():
                return np.load(path)
            value = evaluate(*args, **keywords)
            with tempfile.NamedTemporaryFile(dir=FOLDER, delete=False) as draft:
                np.save(draft, value)
            os.replace(draft.name, path)  # a reader sees all of the file or none
        return value

    return read_or_compute


@contextlib.contextmanager
def _alone(name):
    """No other process is inside with this name: a byte of one file is locked, which ends with the process."""
    with open(FOLDER.with_suffix(".lock"), "w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX, 1, int(name[:8], 16))
        yield


def fingerprint(*values):
    """A digest of functions and data by what they do and hold, the same in every process."""
    seen, digest = {}, hashlib.sha256()
    for part in _described(values, seen):
        digest.update(f"{len(part)}:".encode() + part)
    return digest.hexdigest()


def _described(value, seen):
    """The value as a series of bytes; `seen` holds the functions described already, which may name each other."""
    yield type(value).__qualname__.encode()
    if isinstance(value, _PLAIN):
        yield repr(value).encode()
    elif isinstance(value, mpf):
        sign, mantissa, exponent, _ = value._mpf_
        yield f"{sign} {int(mantissa)} {exponent}".encode()
    elif isinstance(value, np.ndarray | np.generic):
        yield from (value.dtype.str.encode(), str(value.shape).encode(), value.tobytes())
    elif isinstance(value, list | tuple):
        yield str(len(value)).encode()
        for item in value:
            yield from _described(item, seen)
    elif isinstance(value, dict):
        yield from _described(list(value.items()), seen)
    elif isinstance(value, set | frozenset):
        yield from sorted(fingerprint(item).encode() for item in value)
    elif isinstance(value, partial):
        yield from _described((value.func, value.args, value.keywords), seen)
    elif isinstance(value, _Remembering):
        yield from _described(value.__wrapped__, seen)
    elif isinstance(value, CodeType):
        yield from _described([getattr(value, name) for name in _OF_CODE], seen)
    elif isinstance(value, mp.matrix):
        yield from _described(value.tolist(), seen)
    elif isinstance(value, ModuleType) and _package(value) is None:
        yield pathlib.Path(value.__file__).read_bytes()
    elif package := _package(value):
        version = sys.version if package in ("builtins", "functools") else _version(package)
        yield f"{package} {version} {getattr(value, '__name__', '')} {getattr(value, 'prec', '')}".encode()
    elif isinstance(value, FunctionType):
        known = value in seen
        yield str(seen.setdefault(value, len(seen))).encode()
        if not known:
            yield from _described([value.__code__, value.__defaults__, value.__kwdefaults__], seen)
            yield from _described([cell.cell_contents for cell in value.__closure__ or ()], seen)
            yield from _described({name: value.__globals__[name] for name in _globals_of(value)}, seen)
    else:
        raise TypeError(f"A cached value follows from {value!r}, of which no digest is defined.")


@cache
def _globals_of(function):
    """The names of its module that a function, or one inside it, reads."""
    codes, names = [function.__code__], set()
    for code in codes:
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        names |= {step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return sorted(names & function.__globals__.keys())


def _package(value):
    """The installed package of a module, a class or a function, or of a context of mpmath, which has a precision."""
    if isinstance(value, type | FunctionType | BuiltinFunctionType):
        name = value.__module__
    elif isinstance(value, ModuleType):
        name = value.__name__
    elif hasattr(value, "prec"):
        name = type(value).__module__
    else:
        return None
    package = (name or "").partition(".")[0]
    return package if package in ("builtins", "functools", "mpmath", "numpy") else None


@cache
def _version(package):
    return metadata.version(package)
