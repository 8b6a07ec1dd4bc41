"""What a SQL text names, and the way back from rewritten to written text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_govdata.errors import QueryError
from jupyter_govdata.query.text.names import analyse, placeholders, rewrite
from jupyter_govdata.query.text.positions import Rewrite, line_and_column


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT $a, :b, {{ c }}, {{d}}, {{  e\n}}", ("a", "b", "c", "d", "e")),
        ("SELECT a::INT, :b::INT, $c::DATE, x::y", ("b", "c")),
        ("SELECT l[1:n], l[:n], l[a:b:c], l[-:-2], f(x)[:y]", ()),
        ("SELECT [:a, :b], ARRAY[:c], l[f(:d)], l[$e:$f]", ("a", "b", "c", "d", "e", "f")),
        ("SELECT {'a': 1, b:c, 'd':e, \"f\":g}", ()),
        ("SELECT {'a': :x, 'b': {'c': {{ y }}}}", ("x", "y")),
        ("SELECT MAP {'k': v, 1:2}, MAP {:k: :v}, map {{'a': 1}: 2}", ("k", "v")),
        ("SELECT a: 1, b:c, date:x FROM t", ()),
        ("SELECT list_transform(l, lambda x: x + :n), lambda x:x", ("n",)),
        ("SELECT ':a', '$b', '{{ c }}', E'\\':d', \"x:e\", \"$f\"", ()),
        ("SELECT $$ :a $b {{ c }} $$, $tag$ :d $tag$", ()),
        ("SELECT 1 -- :a $b\n/* {{ c }} /* :d */ :e */ , $f", ("f",)),
        ("SELECT j->>'$.a', j->'$.b', j ->> :path", ("path",)),
        ("SELECT 'it''s' || :a WHERE x=:b AND y IN (:c, $d) LIMIT :e", ("a", "b", "c", "d", "e")),
        ("SELECT CASE WHEN :a THEN :b ELSE :c END", ("a", "b", "c")),
        ("SELECT :größe, {{ größe }}", ("größe",)),
        ("SELECT :limit, $end, {{ date }}", ("limit", "end", "date")),
        ("SELECT x : :y", ("y",)),
        ("SELECT '\\', :a", ("a",)),
        ("SELECT 'unterminated :a", ()),
    ],
)
def test_placeholders_are_told_from_other_colons_and_braces(sql: str, names: tuple) -> None:
    assert placeholders(sql) == names


@pytest.mark.parametrize(
    ("sql", "hint"),
    [
        ("SELECT ?", "`$name`"),
        ("SELECT $1", "`$name`"),
        ("SELECT {{ a.b }}", "{{ name }}"),
        ("SELECT {{ 'a' }}", "{{ name }}"),
        ("SELECT {{ a | upper }}", "{{ name }}"),
        ("SELECT {{ f(1) }}", "{{ name }}"),
        ("SELECT {{ 1 }}", "{{ name }}"),
        ('SELECT {{ "a" }}', "{{ name }}"),
        ("SELECT {{ a }", "{{ name }}"),
        ("SELECT {{", "{{ name }}"),
    ],
)
def test_placeholders_wrong_ones_say_how_to_write_them(sql: str, hint: str) -> None:
    with pytest.raises(QueryError) as caught:
        analyse(sql)
    assert hint in str(caught.value.hint)
    assert (caught.value.detail["line"], caught.value.detail["column"]) == (1, 8)


def test_analyse_template_inside_quotes_is_text_with_a_remark() -> None:
    found = analyse("SELECT '{{ a }}' WHERE x = '{{ b }} '")
    assert found.parameters == ()
    assert len(found.notes) == 2


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("FROM trials.outcomes", ["trials.outcomes"]),
        ('FROM "Trials"."OUTCOMES"', ["trials.outcomes"]),
        ("FROM Trials . /* x */ Outcomes o", ["trials.outcomes"]),
        ("FROM trials\n.\noutcomes", ["trials.outcomes"]),
        ("FROM 'trials.outcomes'", []),
        ("-- trials.outcomes\nSELECT 'trials.outcomes' /* trials.outcomes */", []),
        ("SELECT t.a FROM trials.date", ["t.a", "trials.date"]),
        ("SELECT 1.5, t.1, x.*", []),
        ('FROM "we""ird".x', ['we"ird.x']),
    ],
)
def test_analyse_references_are_two_words_with_a_dot(sql: str, names: list[str]) -> None:
    assert [r.name for r in analyse(sql).references] == names


@pytest.mark.parametrize(
    ("clause", "kind", "value"),
    [
        ("AT (VERSION => 12)", "version", "12"),
        ("at(version=>'12')", "version", "12"),
        ("AT (TIMESTAMP => '2026-01-31')", "timestamp", "2026-01-31"),
        ("AT (TIMESTAMP => TIMESTAMP '2026-01-31')", "timestamp", "2026-01-31"),
        ("AT (TAG => 'x')", "tag", "x"),
        ("AT (TAG => :x)", "tag", "x"),
        ("AT (VERSION => {{ x }})", "version", "x"),
    ],
)
def test_analyse_at_clause_takes_a_literal_or_a_parameter(
    clause: str, kind: str, value: str
) -> None:
    sql = f"SELECT 1 FROM a.b {clause} AS o WHERE x"
    (reference, *_) = analyse(sql).references
    assert reference.at is not None
    assert reference.at.kind == kind
    assert getattr(reference.at.value, "name", reference.at.value) == value
    text = rewrite(analyse(sql), {reference: "c.d"}).text
    assert " ".join(text.split()) == "SELECT 1 FROM c.d AS o WHERE x"


@pytest.mark.parametrize(
    "clause",
    ["AT (VERSION => 1 + 2)", "AT (VERSION => )", "AT (TAG => x)", "AT (TIMESTAMP => now())"],
)
def test_analyse_at_clause_with_an_expression_is_an_error(clause: str) -> None:
    with pytest.raises(QueryError, match="one literal or one parameter"):
        analyse(f"FROM a.b {clause}")


@pytest.mark.parametrize(
    ("sql", "ordered"),
    [
        ("SELECT a FROM t ORDER BY a", True),
        ("SELECT a FROM t ORDER BY a;", True),
        ("SELECT a FROM (SELECT a FROM t ORDER BY a)", False),
        ("SELECT row_number() OVER (ORDER BY a) FROM t", False),
        ("SELECT a FROM t ORDER BY a; SELECT b FROM t", False),
        ("SELECT 'ORDER BY' -- ORDER BY", False),
    ],
)
def test_analyse_ordered_means_the_last_statement_orders_its_rows(sql: str, ordered: bool) -> None:
    assert analyse(sql).ordered is ordered


@given(st.text(max_size=200))
def test_analyse_any_text_never_fails_but_for_its_parameters(text: str) -> None:
    try:
        found = analyse(text)
    except QueryError as error:
        assert {"line", "column"} <= set(error.detail)
    else:
        assert rewrite(found, {}).original == text


@given(st.lists(st.tuples(st.text("aé😀\n", max_size=5), st.text("xyü", max_size=8)), max_size=6))
def test_rewrite_maps_every_unedited_place_back(parts: list[tuple[str, str]]) -> None:
    original, edits, kept = "", [], []
    for plain, replacement in parts:
        kept.append((len(original), plain))
        original += plain
        edits.append((len(original), len(original) + 2, replacement))
        original += "::"
    done = Rewrite.of(original, edits)
    at = 0
    for (start, plain), (_, replacement) in zip(kept, parts, strict=True):
        for i in range(len(plain)):
            assert done.source_offset(at + i) == start + i
            byte = len(done.text[: at + i].encode())
            assert done.source_offset_of_byte(byte) == start + i
        at += len(plain) + len(replacement)
    assert at == len(done.text)


def test_line_and_column_count_from_one_in_characters() -> None:
    assert line_and_column("é\n😀x", 3) == (2, 2)
    assert line_and_column("abc", 99) == (1, 4)
