"""Pages that open from the disk: one HTML file each, without a server or a network."""

from keras_robust.diagnostics.pages.cards import Cards, cards_of
from keras_robust.diagnostics.pages.file import filled, in_script, write_page
from keras_robust.diagnostics.pages.markup import Html, element, escaped

__all__ = ["Cards", "Html", "cards_of", "element", "escaped", "filled", "in_script", "write_page"]
