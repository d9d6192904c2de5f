"""The file of a page: its template filled, and what it may run and load written down in it."""

import base64
import hashlib
import json
import pathlib
import re

from keras_robust.files import whole

_HERE = pathlib.Path(__file__).parent


def filled(folder: pathlib.Path, scripts=(), **content: str) -> str:
    """The template page.html of a folder with style, scripts and content in it, in ASCII.

    The style is base.css, which all pages share, and the folder's page.css. Nothing but this style, these scripts and
    pictures inside the page are shown or run: its own policy says so.

    Args:
        folder: of the template.
        scripts: names of files in it, which find what `in_script` wrote of the content in an element called data.
        content: HTML for the places {{NAME}} of the template; nothing in it is taken for a place.
    """
    style = _text(_HERE / "base.css") + _text(folder / "page.css")
    values = {"CSS": style, "POLICY": f"style-src {_digest(style)}", **content}
    if scripts:
        script = "\n".join(_text(folder / name) for name in scripts)
        script = (
            f'"use strict";\n{{\nconst data = JSON.parse(document.getElementById("data").textContent);\n{script}}}\n'
        )
        script = script.encode("ascii", "backslashreplace").decode()
        values |= {"JS": script, "POLICY": f"{values['POLICY']}; script-src {_digest(script)}"}
    page = re.sub(r"\{\{([A-Z]+)\}\}", lambda place: values[place[1]], _text(folder / "page.html"))
    return page.encode("ascii", "xmlcharrefreplace").decode()


def in_script(content) -> str:
    """JSON that cannot end the script element it stands in, whatever is written in it.

    Example:

    >>> in_script("</script>")
    '"\\\\u003c/script\\\\u003e"'
    """
    text = json.dumps(content, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def write_page(path, name: str, page: str) -> pathlib.Path:
    """Writes a page whole or not at all, and returns its path: `path`, or `name` in it where it is a folder."""
    path = pathlib.Path(path)
    path = path / name if path.is_dir() else path
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as draft:
        draft.write_text(page, encoding="ascii", newline="\n")
    return path


def _text(path):
    return path.read_text(encoding="utf-8")


def _digest(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
