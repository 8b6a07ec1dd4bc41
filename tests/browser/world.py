"""A lake of a team that works in notebooks."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from jupyter_govdata.session import Session, connect, init_lake
from tests.gateway.world import FILES, PATIENTS

LOAD = "%load_ext jupyter_govdata"
COUNT = "%%govsql\nSELECT study, count(*) AS n FROM trials.patients GROUP BY study ORDER BY study"
WIDE = "%%govsql\nSELECT sum(x) AS total FROM trials.wide"

TRAINING = """
@id("clinical-training")
permit (principal in Group::"clinical", action == Action::"select",
        resource in Asset::"trials.patients")
when { resource.study == "S3" && context.purpose == "model_training" };

@id("clinical-hold")
permit (principal in Group::"clinical", action == Action::"hold",
        resource in Asset::"trials.patients");
"""


def build(folder: Path) -> Path:
    """A lake in which ana sees other patients for another purpose."""
    source = folder / "source"
    files = {**FILES, "policies/all.cedar": FILES["policies/all.cedar"] + TRAINING}
    for name, text in files.items():
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    lake = init_lake(folder / "lake", source, "dina")
    with connect(lake, user="dina") as dina:
        dina.load(PATIENTS, "trials.patients")
        wide(dina, 1, 2, 3, mode="create")
    return lake


def wide(steward: Session, *values: int, mode: str = "append") -> None:
    """Append to the asset that everybody may read."""
    steward.load(pa.table({"x": list(values)}), "trials.wide", mode=mode)
