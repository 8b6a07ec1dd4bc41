"""`jupyter govdata report`: a page that shows the notebook and its provenance, and runs nothing."""

from __future__ import annotations

import base64
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from jupyter_govdata.cli import main
from jupyter_govdata.cli.sanitising import clean_html
from tests.stamps.notebooks import notebook, query_cell, receipt, stamp

SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>owned()</script></svg>'
HOSTILE = [
    "<script>owned()</script>",
    "<img src=x onerror=owned()>",
    '<img src="https://elsewhere.example/pixel.png">',
    '<a href="javascript:owned()">x</a>',
    '<a href="data:text/html,<script>owned()</script>">x</a>',
    "<iframe src='https://elsewhere.example'></iframe>",
    '<div style="background:url(https://elsewhere.example/x)">x</div>',
    "<style>@import 'https://elsewhere.example/x.css';</style>",
    "<scr<script></script>ipt>owned()</script>",
    '<form action="https://elsewhere.example"><input></form>',
    "<svg onload=owned()><use href='https://elsewhere.example#x'/></svg>",
    "</body></html><script>owned()</script>",
]


class Page(HTMLParser):
    """Collects what a page could run or load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.active: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        if tag in ("script", "iframe", "object", "embed", "link", "form", "input", "base", "meta"):
            self.active.append(f"<{tag} {attrs}>")
        for name, value in attrs:
            value = value or ""
            if name.startswith("on") or (name == "href" and not value.startswith(("http", "#"))):
                self.active.append(f"{tag} {name}={value}")
            if name == "src" and not value.startswith("data:image/"):
                self.active.append(f"{tag} {name}={value}")
            if name == "style" and "url" in value:
                self.active.append(f"{tag} {name}={value}")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_html_is_cleaned_of_all_that_runs_or_loads(text):
    page = Page(clean_html(text))
    assert not page.active
    assert "style" not in page.tags


def test_plain_html_of_results_and_text_stays():
    table = '<table class="t"><thead><tr><th scope="col">n</th></tr></thead></table>'
    assert clean_html(table) == table
    image = f'<img src="data:image/png;base64,{base64.b64encode(b"x").decode()}">'
    assert "data:image/png" in clean_html(image)
    assert Page(clean_html(SVG.encode())).tags == ["img"]


def report(path: Path, *more: str) -> str:
    out = path.with_suffix(".html")
    assert main(["report", str(path), "-o", str(out), *more]) == 0
    return out.read_text("utf-8")


def test_report_of_a_hostile_notebook_runs_nothing_and_escapes_the_appendix(tmp_path):
    made = stamp(receipts=[receipt(purpose="<b onclick=owned()>research</b>")], pins={})
    cell = query_cell("SELECT '</pre><script>owned()</script>'", made, id="q1")
    data = {"text/html": "".join(HOSTILE), "image/svg+xml": SVG}
    cells = [
        new_markdown_cell(text, id=f"m{i}") for i, text in enumerate(HOSTILE)
    ] + [cell, new_code_cell("x", outputs=[new_output("display_data", data=d) for d in (
        {"text/html": data["text/html"]}, {"image/svg+xml": data["image/svg+xml"]},
    )], id="o")]  # fmt: skip
    path = tmp_path / "n.ipynb"
    nbformat.write(notebook(*cells), path)
    plain = tmp_path / "plain.ipynb"
    nbformat.write(notebook(query_cell("SELECT 1", stamp(), id="q1")), plain)
    own = Page(report(plain)).active
    text = report(path)
    assert sorted(Page(text).active) == sorted(own), "more than the template's own"
    assert "&lt;b onclick=owned()&gt;research&lt;/b&gt;" in text


def test_report_tells_what_each_query_read_and_for_what(tmp_path):
    failed = stamp("SELECT 2", receipts=[], table=None, status="failed", error="refused")
    nb = notebook(
        new_markdown_cell("# A title", id="t"),
        query_cell("SELECT 1", stamp(receipts=[receipt(masked=("birth",))]), id="q1"),
        query_cell("SELECT 2", failed, id="q2"),
    )
    nbformat.write(nb, tmp_path / "my study.ipynb")
    text = report(tmp_path / "my study.ipynb")
    shown, _, appendix = text.rpartition('<div class="govdata-provenance">')
    assert "A title" in shown
    for part in ("trials.outcomes", "11", "research", "epoch 7", "masked: birth", "failed refused"):
        assert part in appendix
    assert "not checked: no public key was at hand" in appendix
    assert "jupyter govdata rerun &#x27;my study.ipynb&#x27;" in appendix
    assert "SELECT 1" not in report(tmp_path / "my study.ipynb", "--no-code")


def test_report_of_a_notebook_without_stamps_or_of_no_notebook_is_refused(tmp_path, capsys):
    nbformat.write(notebook(new_code_cell("x")), tmp_path / "n.ipynb")
    (tmp_path / "bad.ipynb").write_text("{}")
    for name in ("n.ipynb", "bad.ipynb", "none.ipynb"):
        assert main(["report", str(tmp_path / name)]) == 1
    assert "no stamps" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.html"))
