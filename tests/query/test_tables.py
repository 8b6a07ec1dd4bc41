"""What results look like: exact, safe, in any width, in both faces."""

from __future__ import annotations

import datetime as dt
import html.parser
import re
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from jupyter_govdata.model.asset import Asset, Column
from jupyter_govdata.model.stamp import Receipt
from jupyter_govdata.model.view import AssetView, ColumnAccess
from jupyter_govdata.query.account import Account
from jupyter_govdata.query.result import QueryResult
from jupyter_govdata.query.rows import Rows
from jupyter_govdata.query.show import html_table
from jupyter_govdata.query.show.cells import cells_of, quoted
from jupyter_govdata.query.show.text_table import DEFAULT_WIDTH, result_text
from jupyter_govdata.query.show.times import date_text
from jupyter_govdata.query.show.visible import cut, visible, width

PSEUDONYM = "p_" + "abcdefghij" * 2


def shown(sql: str, **facts: Any) -> QueryResult:
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        table = con.execute(sql).to_arrow_table()
    return result(table, query=sql, **facts)


def result(table: pa.Table, receipts: tuple[Receipt, ...] = (), **facts: Any) -> QueryResult:
    return QueryResult(Rows(table, Account(receipts=receipts)), **{"query": "x", **facts})


def texts(sql: str) -> list[str]:
    (column,) = shown(sql).table.columns
    return [quoted(cell) for cell in cells_of(column)]


def patients(**facts: Any) -> dict[str, Any]:
    """The card of an asset with a pseudonym, a unit and a description."""
    schema = pa.schema([("patient", pa.string()), ("days", pa.int64()), ("zip", pa.string())])
    columns = (
        Column("patient", "string", 1, "Who."),
        Column("days", "long", 2, "Overall <b>survival</b>.", "d"),
        Column("zip", "string", 3),
    )
    view = AssetView(
        asset=Asset("trials.patients", columns=columns),
        access="masked",
        columns=(
            ColumnAccess("patient", "pseudonym"),
            ColumnAccess("days"),
            ColumnAccess("zip", "null"),
        ),
        row_filter="consent covers `research`",
        why=(),
        policies=(),
        purpose="research",
        epoch=1,
        snapshot=None,
        arrow_schema=schema.serialize().to_pybytes(),
    )
    receipt = Receipt(
        asset="trials.patients",
        snapshot_id=5839201938475610293,
        schema_id=0,
        epoch=1,
        principal="ana",
        purpose="research",
        decision_id="d" * 64,
        fragment_digest="e" * 64,
        filtered=True,
        masked=("patient", "zip"),
    )
    made = {"views": {"trials.patients": view}, "purpose": "research", "receipts": (receipt,)}
    return {**made, **facts}


class Reader(html.parser.HTMLParser):
    """Collects tags, their attributes and the text of cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("td", "th"):
            self.cells.append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.cells[-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


# -- cells ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("99999999999999999999999999999999999999::HUGEINT", "9" * 38),
        ("(2::HUGEINT ** 126)::HUGEINT", str(2**126)),
        ("18446744073709551615::UBIGINT", "18446744073709551615"),
        ("-12345678901234567890123::BIGNUM", "-12345678901234567890123"),
        ("9007199254740993::BIGINT", "9007199254740993"),
        ("1.50::DECIMAL(38, 10)", "1.5000000000"),
        ("TIMESTAMP_NS '2026-01-01 00:00:00.123456789'", "2026-01-01 00:00:00.123456789"),
        ("TIMESTAMPTZ '2026-01-01 00:00:00+02'", "2025-12-31 22:00:00+00:00"),
        ("'infinity'::TIMESTAMP", "infinity"),
        ("'-infinity'::DATE", "-infinity"),
        ("DATE '0044-03-15 (BC)'", "0044-03-15 (BC)"),
        ("DATE '290000-01-01'", "290000-01-01"),
        ("TIME '24:00:00'", "24:00:00"),
        ("INTERVAL '14 months 3 days -4.5 seconds'", "1 year 2 months 3 days -00:00:04.500"),
        ("INTERVAL '0 days'", "00:00:00"),
        ("['NULL', NULL, 'it''s']", "['NULL', NULL, 'it''s']"),
        ("{'a': 1, 'b': {'c': NULL}}", "{'a': 1, 'b': {'c': NULL}}"),
        ("MAP {'k': 1.5::DOUBLE}", "{'k': 1.5}"),
        ("union_value(num := 2)", "2"),
        (r"'\x00\xff'::BLOB", r"\x00ff"),
        ("'b'::ENUM ('a', 'b')", "b"),
        ("'NULL'", "'NULL'"),
        ("''", "''"),
        ("NULL", "NULL"),
        ("' x'", "' x'"),
        ("''''''", "''''''"),
        ("true", "true"),
    ],
)  # fmt: skip
def test_cell_of_each_type_is_exact_and_unlike_any_other(sql: str, expected: str) -> None:
    assert texts(f"SELECT {sql}") == [expected]


def test_cell_dates_of_any_year_agree_with_python() -> None:
    first = dt.date(1970, 1, 1)
    for days in [*range(-719_162, 2_932_896, 9973), -1, 0, 58, 59, 60, 11016, 2_932_896]:
        day = pa.scalar(days, pa.int32()).cast(pa.date32())
        assert date_text(day) == (first + dt.timedelta(days=days)).isoformat()


def test_cell_with_a_zone_shows_that_zones_time() -> None:
    column = pa.array([1782864000, 1767225600], pa.timestamp("s", "Europe/Berlin"))
    assert [c.text for c in cells_of(column)] == [
        "2026-07-01 02:00:00+02:00",
        "2026-01-01 01:00:00+01:00",
    ]


def test_column_of_numbers_has_equal_decimals_and_keeps_the_exact_value() -> None:
    column = pa.array([0.1 + 0.2, 12.25, None, float("nan"), -1.0])
    cells = cells_of(column)
    assert [c.text for c in cells] == ["0.30", "12.25", "NULL", "nan", "-1.00"]
    assert cells[0].exact == "0.30000000000000004"
    assert cells[1].exact == ""


def test_column_of_very_small_numbers_shows_none_as_zero() -> None:
    assert [c.text for c in cells_of(pa.array([1e-12, 0.03, 0.0]))] == ["1e-12", "0.03", "0.0"]


def test_column_of_times_has_equal_fractions() -> None:
    found = texts("SELECT unnest([TIMESTAMP '2026-01-01 10:00:00.5', '2026-01-01 10:00:00', NULL])")
    assert found == ["2026-01-01 10:00:00.500", "2026-01-01 10:00:00.000", "NULL"]


def test_cell_of_any_size_is_bounded() -> None:
    table = pa.table(
        {
            "text": ["x" * 1_000_000],
            "list": [list(range(300_000))],
            "bytes": pa.array([b"y" * 1_000_000]),
        }
    )
    made = result(table)
    assert len(made._repr_html_()) < 60_000
    assert "1,000,000 characters" in made._repr_html_()
    assert max(map(len, str(made).splitlines())) <= DEFAULT_WIDTH


# -- text that is not what it seems --------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x1b[31mred\x1b]0;title\x07", r"\x1b[31mred\x1b]0;title\x07"),
        ("abc\u202edcba\u202c\u2066x\u2069", r"abc\u202edcba\u202c\u2066x\u2069"),
        ("zero\u200bwidth\u2060\ufeff", r"zero\u200bwidth\u2060\ufeff"),
        ("no\u00a0break\u3000", r"no\xa0break\u3000"),
        ("a\u200db", r"a\u200db"),
        ("a\u3164b\u2800", r"a\u3164b\u2800"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("\u0301" * 6, "\u0301" * 4 + r"\u0301\u0301"),
        ("👩\u200d🔬 👨\u200d👩\u200d👧 ❤\ufe0f", "👩\u200d🔬 👨\u200d👩\u200d👧 ❤\ufe0f"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("שלום", "שלום"),
        ("Zürich 患者", "Zürich 患者"),
    ],
)
def test_visible_escapes_what_does_not_show_as_itself(text: str, expected: str) -> None:
    assert visible(text) == expected


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("患者", 4),
        ("한글", 4),
        ("e\u0301", 1),
        ("👩\u200d🔬", 2),
        ("👍🏽", 2),
        ("❤\ufe0f", 2),
        ("🇩🇪", 2),
    ],
)
def test_width_is_that_of_a_terminal(text: str, columns: int) -> None:
    assert width(text) == columns
    assert width(cut(text * 9, 5)) <= 5


def test_text_in_a_terminal_is_aligned_whatever_it_holds() -> None:
    words = ["患者は東京", "👩\u200d🔬 👍🏽", "שלום 12", "e\u0301", "a\u202eb", "", None]
    made = result(pa.table({"word": words, "n": range(len(words))}))
    lines = result_text(made, columns=80).splitlines()[: 2 + len(words)]
    ends = {width(line.replace("\u200e", "")) for line in lines}
    assert len(ends) == 1
    assert "12\u200e" in "".join(lines)  # closed off: the next number stays in its column


def test_html_of_strangers_is_text_everywhere() -> None:
    nasty = """<script>alert(1)</script><img src=x onerror="alert(1)">'">&lt;b&gt;"""
    table = pa.table({nasty: [nasty, nasty * 40, None], "list": [[nasty], [], None]})
    view = AssetView(
        asset=Asset(nasty, columns=(Column(nasty, "string", 1, nasty, nasty),)),
        access="masked",
        columns=(ColumnAccess(nasty, "pseudonym", nasty),),
        row_filter=nasty,
        why=(),
        policies=(),
        purpose=nasty,
        epoch=1,
        snapshot=None,
        arrow_schema=pa.schema([(nasty, pa.string())]).serialize().to_pybytes(),
    )
    made = result(table, views={nasty: view}, purpose=nasty, notes=(nasty,), wall=nasty)
    for page in (made._repr_html_(), made.summary()._repr_html_(), made.describe()._repr_html_()):
        found = Reader(page)
        assert not {tag for tag, _ in found.tags} & {"script", "img", "b", "a", "iframe"}
        assert not [
            k for _, a in found.tags for k in a if k.startswith("on") or k in ("src", "href")
        ]
        assert any(nasty[:24] in cell for cell in found.cells)


# -- the two faces -------------------------------------------------------------------------------


def test_null_empty_text_and_the_word_null_are_told_apart_in_both_faces() -> None:
    made = shown("SELECT unnest([NULL, 'NULL', '']) AS v")
    rows = result_text(made).splitlines()[2:5]
    assert rows == ["NULL", "'NULL'", "''"]
    found = Reader(made._repr_html_())
    assert found.cells[1:] == ["NULL", "'NULL'", "''"]
    assert found.all("i") == [{"class": "null"}]


def test_masks_units_and_versions_are_words_in_both_faces() -> None:
    sql = f"SELECT '{PSEUDONYM}' AS patient, 12::BIGINT AS days, NULL::VARCHAR AS zip"
    made = shown(sql, **patients())
    head, marks = result_text(made).splitlines()[:2]
    assert head.split() == ["patient", "days", "zip"]
    assert marks.split() == ["[pseudonym]", "(d)", "[null]"]
    facts = " ".join(result_text(made).splitlines()[4:])
    assert "trials.patients @ 5839201938475610293 (rows filtered, 2 columns masked)" in facts
    found = Reader(made._repr_html_())
    masked = [a for a in found.all("td") if a.get("class") == "masked"]
    assert len(masked) == 2
    assert all("masked (" in str(a["title"]) for a in masked)
    days = next(a for a in found.all("th") if "days" in str(a["title"]))
    assert "unit: d" in str(days["title"])
    assert "Overall <b>survival</b>." in str(days["title"])
    assert any("rows shown: consent covers" in str(a.get("title")) for a in found.all("span"))


def test_mask_follows_a_column_that_is_renamed_or_shows_pseudonyms() -> None:
    sql = f"SELECT patient AS who, upper(zip) z, p FROM (SELECT '{PSEUDONYM}' AS p)"
    table = pa.table({"who": ["x"], "z": ["y"], "p": [PSEUDONYM]})
    made = result(table, **patients(query=sql))
    assert result_text(made).splitlines()[1].split() == ["[pseudonym]", "[pseudonym]"]
    plain = result(table, query=sql)
    assert "pseudonym" not in result_text(plain)


def test_unit_is_not_shown_where_the_type_says_that_it_is_another_number() -> None:
    made = shown("SELECT 12 / 365 AS days", **patients())
    assert made.describe().columns[0].unit == ""
    assert made.describe().columns[0].description.startswith("Overall")


def test_describe_says_in_text_what_hovering_says() -> None:
    made = shown("SELECT 12::BIGINT AS days, 'x' AS zip", **patients())
    text = repr(made.describe())
    for part in ("days", "int64", "d ", "Overall <b>survival</b>.", "trials.patients", "withheld"):
        assert part in text
    assert len(made.describe()) == 2


def test_long_text_unfolds_without_script() -> None:
    note = "Fever for three weeks. " * 40
    found = Reader(result(pa.table({"note": [note], "n": ["short"]}))._repr_html_())
    assert len(found.all("details")) == 1
    assert note.strip() in found.cells[2]
    assert f"{len(note):,} characters" in found.cells[2]


@pytest.mark.parametrize("columns", [24, 40, 80, 200])
def test_text_fits_any_width(columns: int) -> None:
    made = shown(
        f"SELECT '{PSEUDONYM}' AS patient, 12::BIGINT AS days, repeat('long ', 50) AS zip,"
        " 3.25 AS size, DATE '2026-01-01' AS day, 'x' AS a_name_that_is_longer_than_its_values",
        **patients(notes=("a note that goes on for a while " * 3,)),
    )
    lines = result_text(made, columns=columns).splitlines()
    assert max(map(width, lines)) <= columns
    assert lines[0].startswith("pa")
    assert ("of 6 not shown" in " ".join(lines)) == (columns < 80)


def test_text_never_cuts_a_number_or_a_date() -> None:
    made = shown("SELECT 123456789012345678 AS n, 'some text here' AS t, DATE '2026-01-01' AS d")
    for columns in range(24, 60):
        row = result_text(made, columns=columns).splitlines()[2]
        assert "123456789012345678" in row
        assert "2026-" not in row or "2026-01-01" in row


def test_thousand_columns_fold_in_the_middle_and_say_how_many() -> None:
    made = shown("SELECT " + ", ".join(f"{i} AS c{i}" for i in range(1000)))
    text = result_text(made, columns=80)
    assert "c0" in text
    assert "c999" in text
    left = int(re.search(r"columns ([\d,]+) to", text)[1])
    right = int(re.search(r"to ([\d,]+) of 1,000 not shown", text)[1])
    names = text.splitlines()[0].split()
    assert len(names) == 1000 - (right - left + 1) + 1  # and the fold itself
    found = Reader(made._repr_html_())
    assert len(found.all("th")) == 41
    assert "columns 21 to 980 of 1,000 not shown" in made._repr_html_()


def test_columns_of_one_name_are_all_shown() -> None:
    made = result(pa.table([pa.array([1]), pa.array(["x"]), pa.array([2])], ["a", "a", "  "]))
    assert result_text(made).splitlines()[0] == "a  a  '  '"
    assert Reader(made._repr_html_()).cells == ["a", "a", "'  '", "1", "x", "2"]


def test_no_rows_and_no_columns_are_said() -> None:
    made = shown("SELECT 1 AS a LIMIT 0")
    assert result_text(made).splitlines()[0] == "a"
    assert "0 rows" in result_text(made)
    assert "(no columns)" in result_text(result(pa.table({})))
    assert "(no columns)" in result(pa.table({}))._repr_html_()


def test_rows_that_are_still_to_come_are_said_to_exist() -> None:
    class More:
        total = None
        ended = False
        account = Account()

        def __init__(self) -> None:
            self.on_complete: list[Any] = []

        def table(self) -> pa.Table:
            raise AssertionError("showing reads nothing")

        finish = table
        stop = staticmethod(lambda: None)

    made = QueryResult(Rows(pa.table({"a": range(50)}), end=More()), query="x")
    assert "(first 20 rows; more exist)" in result_text(made)
    assert "first 20 rows; more exist" in made._repr_html_()
    assert "more than" in result_text(made)


# -- for everybody -------------------------------------------------------------------------------


def test_html_table_can_be_read_without_seeing_it() -> None:
    made = shown("SELECT range AS n FROM range(30)")
    found = Reader(made._repr_html_())
    assert all(a["scope"] == "col" for a in found.all("th"))
    assert len(found.all("caption")) == 1
    region = next(a for a in found.all("div") if a.get("role") == "region")
    assert region["tabindex"] == "0"
    assert region["aria-label"] == "first 20 of 30 rows"
    rows = Reader(made.summary()._repr_html_())
    assert [a["scope"] for a in rows.all("th")].count("row") == 1
    assert all(a["role"] == "img" and a["aria-label"] for a in rows.all("svg"))


def test_html_keeps_alignment_where_styles_are_dropped() -> None:
    found = Reader(shown("SELECT 1 AS n, 'x' AS t")._repr_html_())
    assert [a.get("align") for a in found.all("td")] == ["right", None]


def test_html_has_no_colour_of_its_own_and_enough_contrast_in_both_themes() -> None:
    style = html_table._STYLE
    assert not re.search(r"#[0-9a-f]{3,6}\b|(?<!border-)color:(?!var|inherit)", style)
    faintest = min(float(x) for x in re.findall(r"opacity:(\.\d+)", style))
    # JupyterLab's text and the darker of its two row colours, per theme; a caption is faint, too.
    for text, alpha, ground in ((0, 0.87, 245), (255, 1.0, 33)):
        seen = ground + (text - ground) * alpha * faintest
        light, dark = sorted((_luminance(seen), _luminance(ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def _luminance(grey: float) -> float:
    share = grey / 255
    return share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4


def test_text_is_plain_and_the_same_everywhere() -> None:
    made = shown("SELECT repeat('wide ', 60) AS t")
    assert "\x1b" not in repr(made)
    assert max(map(width, repr(made).splitlines())) <= DEFAULT_WIDTH
