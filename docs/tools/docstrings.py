"""How mkdocstrings reads this package: docstrings that are plain text, constructors that are made from fields."""

import functools
import pathlib
import re
import tomllib

import griffe

PAGES = pathlib.Path(__file__).parents[1] / "reference" / "api"
# Not the pages' own modules, whose options follow: they have no heading to link to.
DIRECTIVE = re.compile(r"^::: (keras_robust\.\S+)$(?!\n {4}options)", flags=re.MULTILINE)
_CODE = re.compile(r"(`[^`]+`)")
_DECLARATION = "keras_robust.losses.declaration"
_USUAL = griffe.ParameterKind.positional_or_keyword


@functools.cache
def repository() -> str:
    """Where the package is kept, as pyproject.toml has it: the one place to change it."""
    project = tomllib.loads((PAGES.parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["urls"]["Repository"]


@functools.cache
def documented() -> dict[str, str]:
    """What people write -> where it stands: "GCE", "noise.corrupt" and the like, for each name on the API pages."""
    found = {}
    for page in sorted(PAGES.glob("*.md")):
        for path in DIRECTIVE.findall(page.read_text(encoding="utf-8")):
            _, first, *rest = path.split(".")
            # Written `theory.mean_error` where it stands in theory.errors, `GCE` and `DALSchedule` from anywhere.
            short = first if not rest else f"{first}.{rest[-1]}"
            names = [path, f"keras_robust.{short}", short, ".".join([first, *rest])]
            if rest and rest[-1][0].isupper() and not (rest[-1].isupper() and first != "losses"):
                names += [rest[-1], f"keras_robust.{rest[-1]}"]
            for name in names:
                found.setdefault(name, path)
    return found


def linked(code: str, scope: str = "") -> str:
    """A piece of code in backquotes, as a link if it is a name, or the call of one, on the API pages."""
    name = re.split(r"[({]", code.strip("`"), maxsplit=1)[0]
    path = documented().get(name) or documented().get(f"{scope}.{name}")
    return f"[{code}][{path}]" if path else code


class Docstrings(griffe.Extension):
    """Docstrings as Markdown that looks as the text does, examples as a section of their own."""

    def on_instance(self, *, obj, **kwargs):
        if not obj.is_alias and obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value, obj.path)
            if not obj.is_module:
                obj.docstring.value = f"{source_link(obj)}\n\n{obj.docstring.value}"


class Constructors(griffe.Extension):
    """The constructor that `DeclaredLoss.__init_subclass__` makes from the declared parameters of a loss."""

    def on_package(self, *, pkg, **kwargs):
        for module in pkg["losses"].modules.values():
            for cls in module.classes.values():
                if not cls.is_alias and "__init__" not in cls.members:
                    give_constructor(cls)


def source_link(obj) -> str:
    """A link to the lines of an object in the repository."""
    lines = f"L{obj.lineno}-L{obj.endlineno}"
    return f"[source]({repository()}/blob/main/{obj.relative_filepath.as_posix()}#{lines}){{ .source }}"


def as_markdown(text: str, path: str = "keras_robust") -> str:
    """The docstring of `path` with nothing left that Markdown would take for markup.

    "Example:" and what follows becomes a section; "a, b: both" in a section becomes an item for each.
    """
    body, _, example = re.sub(r"^Example:", "\0", text, count=1, flags=re.MULTILINE).partition("\0")
    body = re.sub(r"^    (\w+(?:, \w+)+)(: .*(?:\n {5,}.*)*)", _apart, body, flags=re.MULTILINE)
    lines, code, before = [], False, "start"
    for line in body.splitlines():
        if line.strip():
            # An indented block is code where an empty line goes before it, and the text of a section where it does not.
            code = line.startswith("    ") and (code or not before)
        lines.append(line if code or not line.strip() else _plain(line, path))
        before = line.strip()
    if lines and lines[0].startswith("- "):
        lines[0] = "\\" + lines[0]
    if example:
        lines += ["Examples:", *(f"    {line}".rstrip() for line in example.strip().splitlines())]
    return "\n".join(lines)


def _apart(match):
    return "\n".join(f"    {name}{match[2]}" for name in match[1].split(", "))


def _plain(line, path):
    # What comes back, by its type: the parser wants the bare name.
    line = re.sub(r"^    `(\w+)`: ", r"    \1: ", line)
    scope, own = ".".join(path.split(".")[:2]), path.rpartition(".")[2]
    pieces = _CODE.split(line)
    for place, piece in enumerate(pieces):
        if place % 2 == 0:
            escaped = re.sub(r"([*\[\]]|(?<!\w)_|_(?!\w))", r"\\\1", piece)
            pieces[place] = escaped.replace("<", "&lt;")
        elif piece.strip("`") != own:
            pieces[place] = linked(piece, scope)
    return re.sub(r"^Reference:", "**Reference:**", "".join(pieces))


def give_constructor(cls):
    """Adds `__init__` to a class that declares parameters, its own or those of its base classes."""
    fields, shared = {}, {}
    for base in (*reversed(cls.mro()), cls):
        for name, member in base.members.items():
            value = None if member.is_alias or not member.is_attribute else member.value
            if isinstance(value, griffe.ExprCall) and value.canonical_path == f"{_DECLARATION}.parameter":
                given = {argument.name: argument.value for argument in value.arguments}
                kind = griffe.ParameterKind.keyword_only if "kw_only" in given else _USUAL
                default = given.get("default")
                made = griffe.Parameter(name, annotation=member.annotation, kind=kind, default=default)
                (shared if base.path == f"{_DECLARATION}.DeclaredLoss" else fields)[name] = made
    if shared:
        own = griffe.Parameter("self", kind=_USUAL)
        parameters = griffe.Parameters(own, *fields.values(), *shared.values())
        cls.set_member("__init__", griffe.Function("__init__", parameters=parameters, parent=cls))
