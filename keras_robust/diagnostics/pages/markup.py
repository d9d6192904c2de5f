"""HTML made of elements; whatever is not HTML already is escaped."""

import html

# Elements that hold nothing and have no end.
_EMPTY = ("img", "br", "col")


class Html(str):
    """A text that is HTML already."""


def escaped(text) -> Html:
    """Text as HTML; HTML as it is."""
    return text if isinstance(text, Html) else Html(html.escape(str(text)))


def element(tag: str, *children, **attributes) -> Html:
    """An element with its children, HTML or text, and attributes: `class_` is class, `aria_label` aria-label.

    Children and attributes that are None are left out.

    Example:

    >>> element("p", "1 < 2 ", element("b", "yes"), class_="note", title=None)
    '<p class="note">1 &lt; 2 <b>yes</b></p>'
    """
    named = ((name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items() if value is not None)
    start = "".join(f' {name}="{html.escape(str(value))}"' for name, value in named)
    inside = "".join(escaped(child) for child in children if child is not None)
    return Html(f"<{tag}{start}>" if tag in _EMPTY else f"<{tag}{start}>{inside}</{tag}>")
