"""What mkdocs does to a page before it renders it: a name of the API in backquotes becomes a link to it."""

import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from docstrings import linked, repository

ROOT = pathlib.Path(__file__).parents[2]
_FENCE = re.compile(r"(^```.*?^```$)", flags=re.MULTILINE | re.DOTALL)
# Not inside a link or a heading.
_NAME = re.compile(r"(?<![\[`])`[A-Za-z][^`\n]*`(?![\]`])")


def on_config(config):
    config.repo_url = repository()
    config.repo_name = "keras_robust"
    version = re.search(r'"(.+)"', (ROOT / "keras_robust" / "version.py").read_text(encoding="utf-8"))[1]
    config.copyright = f"keras_robust {version}, Apache-2.0"
    return config


def on_page_markdown(markdown, page, **kwargs):
    if page.file.src_uri == "reference/reproductions.md":
        return markdown
    pieces = _FENCE.split(markdown)
    for place in range(0, len(pieces), 2):
        lines = pieces[place].split("\n")
        pieces[place] = "\n".join(
            line if line.startswith(("#", ":::")) else _NAME.sub(lambda name: linked(name[0]), line) for line in lines
        )
    return "".join(pieces)


def on_page_content(html, page, **kwargs):
    """Brings pictures to their pages: of the README, above docs/, and of notebooks, which get a folder each."""
    if page.file.src_uri == "index.md":
        return html.replace('src="docs/', 'src="')
    return html.replace('src="../images/', 'src="../../images/') if page.file.src_uri.endswith(".ipynb") else html
