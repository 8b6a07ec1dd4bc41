"""HTML of a notebook made fit for a page that somebody else opens. Needs the extra `report`.

SECURITY: a notebook is text of anybody. What is not listed here does not reach the page: no
script, no style sheet, no form, no frame, nothing that is loaded from elsewhere.
"""

from __future__ import annotations

import base64
import importlib
import re
from typing import Any

_TAGS = (
    "a", "abbr", "b", "blockquote", "br", "caption", "code", "col", "colgroup", "dd", "del",
    "details", "div", "dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5",
    "h6", "hr", "i", "img", "kbd", "li", "ol", "p", "pre", "s", "small", "span", "strong",
    "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul",
)  # fmt: skip
_ATTRIBUTES = ("align", "alt", "class", "colspan", "id", "rowspan", "scope", "style", "title")
_STYLES = (
    "background-color", "border", "border-bottom", "border-top", "color", "font-family",
    "font-size", "font-style", "font-weight", "padding", "text-align", "text-decoration",
    "vertical-align", "white-space",
)  # fmt: skip
_LINK = re.compile(r"(?:https?://|mailto:|#|[\w./-]+\Z)", re.IGNORECASE)
_IMAGE = re.compile(r"data:image/(?:png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=\s]*\Z")
_NO_TEXT = re.compile(r"<(style|script)\b[^>]*>.*?</\1\s*>", re.IGNORECASE | re.DOTALL)


def clean_html(element: str | bytes) -> str:
    """Return HTML with what `_TAGS` and `_ATTRIBUTES` list, and nothing else.

    Bytes are an SVG image: it becomes an image of the page, in which nothing runs.
    """
    if isinstance(element, bytes):
        return f'<img src="data:image/svg+xml;base64,{base64.b64encode(element).decode()}">'
    bleach = importlib.import_module("bleach")
    css = importlib.import_module("bleach.css_sanitizer")
    # Tags are dropped below, but the text between them is text: that of a style sheet is none.
    cleaned: str = bleach.clean(
        _NO_TEXT.sub("", str(element)),
        tags=_TAGS,
        attributes=_is_allowed,
        protocols=("http", "https", "mailto", "data"),
        css_sanitizer=css.CSSSanitizer(allowed_css_properties=_STYLES),
        strip=True,
    )
    return cleaned


def _is_allowed(tag: str, name: str, value: Any) -> bool:
    if name == "href":
        return tag == "a" and bool(_LINK.match(str(value)))
    if name == "src":
        return tag == "img" and bool(_IMAGE.match(str(value)))
    return name in _ATTRIBUTES
