"""Widgets: assets to click through, and inputs for the parameters of a query.

Runs in the kernel, for frontends without our sidebar; needs the extra `widgets`. Everything shown
is what the gateway told this principal. SECURITY: texts of strangers are set as plain text, or
escaped where a widget takes HTML.
"""

from __future__ import annotations

import ast
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from IPython.display import display

from jupyter_govdata.errors import GovDataError, MissingExtraError, QueryError
from jupyter_govdata.model.view import AssetSummary
from jupyter_govdata.notebook.listing import card_listing
from jupyter_govdata.notebook.showing import shown

if TYPE_CHECKING:
    from jupyter_govdata.query.result import QueryResult
    from jupyter_govdata.session import Session

_ROWS = 10


def _widgets(what: str) -> Any:
    try:
        import ipywidgets
    except ImportError as exc:
        raise MissingExtraError.for_extra("widgets", what) from exc
    return ipywidgets


# -- the browser ---------------------------------------------------------------------------------


class Browser:
    """Namespaces, assets, the card of the chosen one and its first rows.

    Args:
        session: Whose assets.

    Raises:
        MissingExtraError: `ipywidgets` is not installed.
    """

    def __init__(self, session: Session) -> None:
        w = _widgets("`%govdata browse`")
        self._session = session
        self._found: Sequence[AssetSummary] = session.catalog.ls()
        names = sorted({s.name.partition(".")[0] for s in self._found})
        self.namespace = w.Dropdown(
            options=[("all namespaces", ""), *((n, n) for n in names)],
            description="namespace",
        )
        self.filter = w.Text(placeholder="words in name, description, tags", description="filter")
        self.assets = w.Select(options=[], value=None, rows=12, description="asset")
        self.preview = w.Button(description="Preview", disabled=True)
        self.query = w.Button(description="Query", tooltip="the text of a cell", disabled=True)
        self.out = w.Output()
        buttons = w.HBox([self.preview, self.query])
        left = w.VBox([self.namespace, self.filter, self.assets, buttons])
        layout = w.Layout(grid_template_columns="320px minmax(0, 1fr)", grid_gap="0 1em")
        self.box = w.GridBox([left, self.out], layout=layout)
        for control in (self.namespace, self.filter):
            control.observe(self._list, "value")
        self.assets.observe(self._describe, "value")
        self.preview.on_click(self._preview)
        self.query.on_click(self._query)
        self._list()

    def _list(self, _change: Any = None) -> None:
        words = self.filter.value.lower().split()
        self.assets.options = [
            (f"{s.name}  ({_ACCESS[s.access]})" if s.access != "all" else s.name, s.name)
            for s in self._found
            if s.name.startswith(f"{self.namespace.value}.".lstrip("."))
            and all(word in _searched(s) for word in words)
        ]
        self.assets.value = None

    def _describe(self, change: Any) -> None:
        name = change["new"]
        self.preview.disabled = self.query.disabled = name is None
        if name is not None:
            self._show(lambda: card_listing(self._session.catalog.describe(name)))
        else:
            self.out.clear_output()

    def _preview(self, _button: Any) -> None:
        self._show(self._first_rows)

    def _first_rows(self) -> QueryResult:
        view = self._session.catalog.describe(self.assets.value)
        result = self._session.scan(view.asset.name, limit=_ROWS)
        return shown(result, views={view.asset.name: view})

    def _query(self, _button: Any) -> None:
        # UPSTREAM: a widget's message cannot make a cell, so the text is there to be copied.
        w = _widgets("`%govdata browse`")
        text = f"%%govsql\nFROM {self.assets.value}\nLIMIT 100"
        self._show(lambda: w.Textarea(value=text, rows=4))

    def _show(self, make: Callable[[], Any]) -> None:
        _into(self.out, make)


_ACCESS = {"all": "", "filtered": "some rows", "masked": "masked columns", "none": "card only"}


def _searched(summary: AssetSummary) -> str:
    tags = " ".join(f"{k} {v}" for k, v in summary.tags.items())
    return f"{summary.name} {summary.description} {tags}".lower()


# -- the form ------------------------------------------------------------------------------------


class Form:
    """Inputs for the parameters of a query, and a button that runs it.

    Args:
        names: Of the parameters.
        values: Variables of these names that exist already.
        run: Runs the query with values; returns what is shown.

    Raises:
        MissingExtraError: `ipywidgets` is not installed.
    """

    def __init__(
        self,
        names: Sequence[str],
        values: Mapping[str, Any],
        run: Callable[[Mapping[str, Any]], Any],
    ) -> None:
        w = _widgets("`%%govsql --form`")
        self._run_query = run
        self._values = values
        self.inputs = {name: _input(w, name, values.get(name)) for name in names}
        self.run = w.Button(description="Run", button_style="primary")
        self.out = w.Output()
        self.box = w.VBox([*self.inputs.values(), self.run, self.out])
        self.run.on_click(self._clicked)

    def values(self) -> dict[str, Any]:
        """Return what stands in the inputs.

        Raises:
            QueryError: An input that is not a value.
        """
        return {name: _value(name, made, self._values) for name, made in self.inputs.items()}

    def _clicked(self, _button: Any) -> None:
        self.run.disabled = True
        try:
            _into(self.out, lambda: self._run_query(self.values()))
        finally:
            self.run.disabled = False


def _input(w: Any, name: str, value: Any) -> Any:
    common = {"description": name, "style": {"description_width": "initial"}}
    match value:
        case bool():
            return w.Checkbox(value=value, **common)
        case dt.date() if not isinstance(value, dt.datetime):
            return w.DatePicker(value=value, **common)
        case str():
            return w.Text(value=value, **common)
        case _:
            text = "" if value is None else repr(value)
            hint = "a number, a list, a date as text ..."
            return w.Text(value=text, placeholder=hint, tooltip="literal", **common)


def _value(name: str, made: Any, before: Mapping[str, Any]) -> Any:
    """Return the value of an input: text stays text where the variable was text."""
    value = made.value
    if not isinstance(value, str) or isinstance(before.get(name), str):
        return value
    if not value.strip():
        return None
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        if before.get(name) is None:
            return value  # plain text without quotes
        raise QueryError(
            f"`{name}` is not a value", hint="a number, 'text', a list like [1, 2], None"
        ) from None


def _into(out: Any, make: Callable[[], Any]) -> None:
    """Show what `make` returns in an output widget; an error as one or two lines of text."""
    w = _widgets("a widget")
    out.clear_output()
    with out:
        try:
            display(make())  # type: ignore[no-untyped-call]
        except GovDataError as error:
            hint = f"\nhint: {error.hint}" if error.hint else ""
            text = f"{type(error).__name__}: {error.message}{hint}"
            display(w.HTML(f"<pre>{escape(text)}</pre>"))  # type: ignore[no-untyped-call]
