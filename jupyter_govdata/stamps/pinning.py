"""What a rerun of a notebook has to pin. Pure; the notebook is untrusted text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_govdata.model.pins import Pins
from jupyter_govdata.stamps.folding import pins_of_cells, stamped_cells


def pins_of(nb: Mapping[str, Any]) -> Pins:
    """Return the snapshots that a notebook read: from its outputs, else from the folded copy.

    Args:
        nb: A notebook of format 4, as `nbformat` or `json` reads it.

    Returns:
        A pin per asset, and pins of cells that read another snapshot than the notebook's. Cells
        are named by id, or by place (``#3``) where they have no id of their own. Empty if the
        notebook has no stamps.
    """
    return pins_of_cells(stamped_cells(nb))
