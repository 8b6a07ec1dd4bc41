"""Tokens of a SQL text. Runs in the kernel; the only user of sqlglot."""

from __future__ import annotations

import re

from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenType

WORD = re.compile(r"[^\W\d]\w*")
OPENING = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE})
CLOSING = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE})


def tokenize(sql: str) -> list[Token]:
    """Return the tokens in DuckDB's dialect; none for a text that does not tokenize."""
    try:
        return DuckDB.Tokenizer().tokenize(sql)
    except TokenError:
        return []


def word_of(sql: str, token: Token) -> str | None:
    """Return the name that a token may stand for, or None; keywords count as names here."""
    if token.token_type is TokenType.IDENTIFIER:
        return token.text
    text = sql[token.start : token.end + 1]
    return text if WORD.fullmatch(text) else None


__all__ = ["CLOSING", "OPENING", "WORD", "Token", "TokenType", "tokenize", "word_of"]
