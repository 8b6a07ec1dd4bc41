"""One governed layer over life-science data, in the notebook."""

__version__ = "0.1.0"
