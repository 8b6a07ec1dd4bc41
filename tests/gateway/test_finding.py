"""The index of names, words and columns, against a search that looks at every text."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_govdata.gateway.finding import Words
from jupyter_govdata.gateway.texts import Postings, Texts
from jupyter_govdata.model.asset import Asset

PARTS = st.text("ab_é𝄞", min_size=1, max_size=6)
NAMES = st.from_regex(r"[ab](_?[ab]){0,3}", fullmatch=True)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text("ab_é𝄞 \n", max_size=12)), st.lists(PARTS, min_size=1, max_size=8))
def test_texts_hold_a_part_as_python_says_whatever_was_typed_before(
    texts: Sequence[str], parts: Sequence[str]
) -> None:
    searched = Texts(texts)
    for part in [word[:end] for word in parts for end in range(1, len(word) + 1)]:
        expected = [number for number, text in enumerate(texts) if part in text]
        assert searched.holding(part).tolist() == expected


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 9), max_size=90)),
    st.sets(st.integers(0, 9)),
    st.integers(1, 5),
)
def test_cards_are_found_by_the_numbers_of_their_visible_entries(
    pieces: Sequence[Sequence[int]], wanted: set[int], step: int
) -> None:
    postings = Postings([array("i", piece) for piece in pieces], 10)
    numbers = np.array(sorted(wanted), np.int32)
    assert postings.cards.having(numbers).tolist() == [
        not wanted.isdisjoint(piece) for piece in pieces
    ]
    visible = np.arange(len(postings.numbers)) % step == 0
    seen = np.split(visible, postings.starts[1:-1])[: len(pieces)]
    assert postings.visible(visible).having(numbers).tolist() == [
        any(n in wanted and is_seen for n, is_seen in zip(piece, see.tolist(), strict=True))
        for piece, see in zip(pieces, seen, strict=True)
    ]


@settings(max_examples=200, deadline=None)
@given(
    st.sets(st.tuples(NAMES, NAMES), min_size=1, max_size=12),
    st.lists(st.sampled_from("ab"), max_size=2),
    st.booleans(),
)
def test_pages_put_names_that_match_first_and_namespaces_before_them_if_asked(
    names: set[tuple[str, str]], words: list[str], grouped: bool
) -> None:
    listed = sorted(".".join(name) for name in names)
    index = Words().index(listed, [Asset(name) for name in listed])
    expected = sorted(
        range(len(listed)),
        key=lambda i: (
            listed[i].split(".")[0] if grouped else "",
            any(word not in listed[i] for word in words),
            listed[i],
        ),
    )
    found = np.ones(len(listed), np.bool_)
    for limit in (1, 3, len(listed)):
        paged: list[int] = []
        for offset in range(0, len(listed), limit):
            paged += index.page(found, words, offset, limit, grouped=grouped).tolist()
        assert paged == expected
