"""An Arrow table as a pandas frame, so that an interrupt stops it. Runs in the kernel.

pandas is an optional extra; `pandas_frame` is called where it is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    import pandas

AT_ONCE = 250_000
"""Rows converted in one go: Python hears of an interrupt in between."""


def pandas_frame(table: pa.Table) -> pandas.DataFrame:
    """Return the table as pandas has it; dates become timestamps."""
    if table.num_rows <= AT_ONCE or any(_has_dictionary(f.type) for f in table.schema):
        return table.to_pandas(date_as_object=False)
    import pandas

    starts = range(0, table.num_rows, AT_ONCE)
    parts = [table.slice(s, AT_ONCE).to_pandas(date_as_object=False) for s in starts]
    return pandas.concat(parts, ignore_index=True)


def _has_dictionary(kind: pa.DataType) -> bool:
    """Return whether parts could have categories of their own, which do not come together."""
    if pa.types.is_dictionary(kind):
        return True
    return any(_has_dictionary(kind.field(i).type) for i in range(kind.num_fields))
