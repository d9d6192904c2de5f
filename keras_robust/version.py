"""The version of this package, for whoever lies below its front door."""

__version__ = "0.2.0"
