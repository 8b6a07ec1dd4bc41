"""The other way to every answer: plain pandas over the packaged files.

Uses nothing of the product, not even its consent rule, which is written down here once more as
the card of `governance.consent` documents it. `permitted` keeps physically what a principal may
see, so an answer from the lake has to equal the answer from what is left.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat

DATA = Path(__file__).parents[2] / "jupyter_govdata" / "demo" / "data"
SILENT = ["Silent", "RNA", "Intron", "IGR", "5'Flank"]
BOR = "Best Overall Response (BOR)"
# Below the first number: given; below the second: withdrawn; else never asked.
RULE = {"research": (80, 90), "model_training": (60, 75), "commercial": (20, 40)}

Tables = dict[str, pd.DataFrame]


def consents(person_key: str, purpose: str) -> bool:
    digest = hashlib.sha256(f"demo-consent|{person_key}|{purpose}".encode()).hexdigest()
    return int(digest[:8], 16) % 100 < RULE[purpose][0]


def median_survival(t: pd.Series, e: pd.Series) -> float | None:
    """Kaplan-Meier: the first day with S(t) <= 0.5, or None."""
    s = 1.0
    for x in sorted(set(t[e == 1])):
        s *= 1 - ((t == x) & (e == 1)).sum() / (t >= x).sum()
        if s <= 0.5 + 1e-9:
            return float(x)
    return None


def _csv(name: str, **options: object) -> pd.DataFrame:
    return pd.read_csv(DATA / name, **options)


def _xpt(name: str) -> pd.DataFrame:
    with tempfile.NamedTemporaryFile(suffix=".xpt") as file:
        file.write(gzip.decompress((DATA / name).read_bytes()))
        file.flush()
        return pyreadstat.read_xport(file.name)[0]


def _ndjson(name: str) -> pd.DataFrame:
    lines = gzip.decompress((DATA / name).read_bytes()).decode().splitlines()
    columns = [c["name"] for c in json.loads(lines[0])["columns"]]
    return pd.DataFrame([json.loads(line) for line in lines[1:]], columns=columns)


@cache
def crosswalk() -> pd.DataFrame:
    return _csv("crosswalk/subject_crosswalk.csv.gz", dtype=str)


SUBJECTS = {
    "laml_outcomes": ("Tumor_Sample_Barcode", "TCGA-LAML:tcga_patient"),
    "laml_mutations": ("Tumor_Sample_Barcode", "TCGA-LAML:tcga_patient"),
    "summit_patients": ("PATIENT_ID", "SUMMIT-BTC:patient_id"),
    "summit_samples": ("PATIENT_ID", "SUMMIT-BTC:patient_id"),
    "summit_mutations": ("Tumor_Sample_Barcode", "SUMMIT-BTC:sample_id"),
    "cdisc_adtte": ("USUBJID", "CDISCPILOT01-SDTM:usubjid"),
    "cdisc_ae": ("USUBJID", "CDISCPILOT01-SDTM:usubjid"),
    "cdisc_dm": ("USUBJID", "CDISCPILOT01-SDTM:usubjid"),
    "cdisc_reissue_dm": ("USUBJID", "CDISCPILOT01-MSG:usubjid"),
    "cdisc_reissue_ae": ("USUBJID", "CDISCPILOT01-MSG:usubjid"),
    "cdisc_reissue_vs": ("USUBJID", "CDISCPILOT01-MSG:usubjid"),
    "lung_cells": ("patient_id", "LUNG-MIF:patient_id"),
    "prostate_cores": ("deidentified_id", "PROSTATE-TMA:deidentified_id"),
    "prostate_summary": ("deidentified_id", "PROSTATE-TMA:deidentified_id"),
    "prostate_cells": ("deidentified_sample", "PROSTATE-TMA:core_image"),
}


@cache
def everything() -> Tables:
    """Return all tables as the files have them."""
    tab = {"sep": "\t"}
    cbio = {"sep": "\t", "comment": "#"}
    press = "tablet_mfg/process_timeseries"
    notes = sorted((DATA / "clinical_notes").glob("*.csv.gz"))
    return {
        "laml_outcomes": _csv("tcga_laml/tcga_laml_annot.tsv", **tab),
        "laml_mutations": _csv("tcga_laml/tcga_laml.maf.gz", **tab),
        "tcga_burden": _csv("tcga_laml/tcga_cohort.txt.gz", **tab),
        "summit_patients": _csv("summit_biliary/data_clinical_patient.txt", **cbio),
        "summit_samples": _csv("summit_biliary/data_clinical_sample.txt", **cbio),
        "summit_mutations": _csv("summit_biliary/data_mutations_extended.txt", **cbio),
        "cdisc_adtte": _xpt("cdisc_pilot/adam/adtte.xpt.gz"),
        "cdisc_ae": _xpt("cdisc_pilot/sdtm/ae.xpt.gz"),
        "cdisc_dm": _xpt("cdisc_pilot/sdtm/dm.xpt.gz"),
        "cdisc_reissue_dm": _ndjson("cdisc_pilot/dataset_json/sdtm/dm.ndjson.gz"),
        "cdisc_reissue_ae": _ndjson("cdisc_pilot/dataset_json/sdtm/ae.ndjson.gz"),
        "cdisc_reissue_vs": _ndjson("cdisc_pilot/dataset_json/sdtm/vs.ndjson.gz"),
        "lung_cells": _csv("lung_mif/lung_df_small.csv.gz"),
        "prostate_cores": _csv("prostate_tma_mif/clinical.csv"),
        "prostate_summary": _csv("prostate_tma_mif/summary.csv.gz"),
        "prostate_cells": pd.concat(
            [pd.read_csv(f) for f in sorted((DATA / "prostate_tma_mif/cells").iterdir())]
        ),
        "press_series": pd.concat(
            [
                _csv(f"{press}/6.csv.gz", sep=";"),
                *(pd.read_parquet(DATA / f"{press}/{code}.parquet") for code in (3, 5, 7)),
            ]
        ),
        "press_features": _csv("tablet_mfg/Process.csv.gz", sep=";"),
        "batches": _csv("tablet_mfg/Laboratory.csv.gz", sep=";"),
        "normalization": _csv("tablet_mfg/Normalization.csv", sep=";"),
        "dicom": _csv("dicom_samples/dicom_headers.csv", dtype=str),
        "notes": pd.concat([pd.read_csv(f).assign(file=f.name.removesuffix(".gz")) for f in notes]),
    }


def permitted(purpose: str) -> Tables:
    """Return the tables with only the rows of persons who consent to a purpose."""
    walk = crosswalk()
    allowed = walk[[consents(p, purpose) for p in walk.person_key]]
    ids = {domain: set(rows.id_value) for domain, rows in allowed.groupby("domain")}
    tables = dict(everything())
    for name, (column, domain) in SUBJECTS.items():
        table = tables[name]
        tables[name] = table[table[column].astype(str).isin(ids[domain])]
    return tables


# -- the answers, one function a question; ids never leave them ------------------------------------


def flt3(d: Tables) -> list[tuple[bool, int, int, float | None]]:
    outcomes, mutations = d["laml_outcomes"], d["laml_mutations"]
    hit = mutations[
        ~mutations.Variant_Classification.isin(SILENT) & (mutations.Hugo_Symbol == "FLT3")
    ]
    known = outcomes[
        outcomes.Tumor_Sample_Barcode.isin(mutations.Tumor_Sample_Barcode)
        & np.isfinite(outcomes.days_to_last_followup)
    ]
    mutated = known.Tumor_Sample_Barcode.isin(hit.Tumor_Sample_Barcode)
    return [
        (
            bool(key),
            len(x),
            int(x.Overall_Survival_Status.sum()),
            median_survival(x.days_to_last_followup, x.Overall_Survival_Status),
        )
        for key, x in known.groupby(mutated)
    ]


def _summit(d: Tables) -> pd.DataFrame:
    return d["summit_mutations"].merge(
        d["summit_samples"], left_on="Tumor_Sample_Barcode", right_on="SAMPLE_ID"
    )


def kras_laml(d: Tables) -> tuple[int, int]:
    mutations, outcomes = d["laml_mutations"], d["laml_outcomes"]
    hit = mutations[
        ~mutations.Variant_Classification.isin(SILENT) & (mutations.Hugo_Symbol == "KRAS")
    ]
    found = outcomes[outcomes.Tumor_Sample_Barcode.isin(hit.Tumor_Sample_Barcode)]
    return len(found), int(found.Overall_Survival_Status.sum())


def kras_summit(d: Tables) -> list[tuple[float, str]]:
    hit = _summit(d).query("Hugo_Symbol == 'KRAS'")
    found = d["summit_patients"][d["summit_patients"].PATIENT_ID.isin(hit.PATIENT_ID)]
    return sorted(zip(found.OS_MONTHS, found[BOR], strict=True))


def erbb2(d: Tables) -> tuple[int, dict[str, int]]:
    hit = _summit(d).query("Hugo_Symbol == 'ERBB2'")
    return hit.PATIENT_ID.nunique(), hit.groupby("SAMPLE_CLASS").PATIENT_ID.nunique().to_dict()


def tp53(d: Tables) -> list[tuple[int, float, int]]:
    samples, patients = d["summit_samples"], d["summit_patients"]
    tumour = set(samples[samples.SAMPLE_CLASS.isin(["cfDNA", "FFPE"])].PATIENT_ID)
    mutated = set(_summit(d).query("Hugo_Symbol == 'TP53'").PATIENT_ID)
    groups = (
        patients[patients.PATIENT_ID.isin(mutated)],
        patients[patients.PATIENT_ID.isin(tumour - mutated)],
    )
    return [(len(x), round(x.OS_MONTHS.median(), 4), int((x[BOR] == "PR").sum())) for x in groups]


def burden(d: Tables) -> dict[str, tuple[int, float]]:
    table = d["tcga_burden"]
    return {str(name): (len(x), float(x.total.median())) for name, x in table.groupby("cohort")}


def _lung(d: Tables) -> pd.DataFrame:
    found = (
        d["lung_cells"]
        .groupby("patient_id")
        .agg(
            n=("cell_id", "size"),
            images=("patientImage_id", "nunique"),
            cd8=("phenotype_cd8", lambda s: (s == "CD8+").sum()),
            t=("survival_days", "first"),
            e=("survival_status", "first"),
        )
    )
    return found.assign(share=found.cd8 / found.n)


def cd8(d: Tables) -> dict[str, object]:
    g = _lung(d)
    high = g.share > g.share.median()
    return {
        "patients": len(g),
        "images": int(g.images.sum()),
        "median": round(float(g.share.median()), 5),
        "sides": [
            (bool(k), len(x), int(x.e.sum()), median_survival(x.t, x.e)) for k, x in g.groupby(high)
        ],
        "highest": round(float(g.share.max()), 4),
        "lowest": round(float(g.share.min()), 4),
    }


def cores(d: Tables) -> list[tuple[int, bool, float]]:
    """(cells, count agrees with the summary, CD3+ share among tumour cells), sorted."""
    summary = d["prostate_summary"].set_index("deidentified_sample")
    found = []
    for core, cells in d["prostate_cells"].groupby("deidentified_sample"):
        tumour = cells[cells["Classifier.Label"] == "Tumor"]
        share = round(float(tumour["CD3..Opal.570..Positive"].mean()), 4)
        found.append((len(cells), bool(len(cells) == summary["Total Cells"][core]), share))
    return sorted(found)


def core_status(d: Tables) -> list[tuple[str, int, float]]:
    both = d["prostate_cores"].merge(d["prostate_summary"])
    grouped = both.groupby("status")["% CD3 (Opal 570) Positive Cells"]
    return [(str(k), len(x), round(float(x.mean()), 3)) for k, x in grouped]


def reissued(d: Tables) -> dict[str, object]:
    people, tte = d["cdisc_reissue_dm"].copy(), d["cdisc_adtte"]
    people["key"] = "01-" + people.SITEID + "-" + people.SUBJID
    pressure = d["cdisc_reissue_vs"].query("VSTESTCD == 'SYSBP'")
    mean = pd.to_numeric(pressure.VSSTRESN).groupby(pressure.USUBJID).mean().rename("mmhg")
    matched = (
        people.set_index("USUBJID")
        .join(mean)
        .merge(tte[["USUBJID", "CNSR"]], left_on="key", right_on="USUBJID")
    )
    return {
        "people": len(people),
        "matched": len(matched),
        "events_reissue": len(d["cdisc_reissue_ae"]),
        "events_pilot": int(d["cdisc_ae"].USUBJID.isin(people.key).sum()),
        "pressure": [
            (float(k), len(x), round(float(x.mmhg.mean()), 2)) for k, x in matched.groupby("CNSR")
        ],
    }


def arms(d: Tables) -> dict[str, tuple[int, int, float | None]]:
    return {
        str(arm): (
            len(x),
            int((x.CNSR == 0).sum()),
            median_survival(x.AVAL, (x.CNSR == 0).astype(int)),
        )
        for arm, x in d["cdisc_adtte"].groupby("TRTP")
    }


def press(d: Tables) -> dict[str, object]:
    factor = d["normalization"].set_index("Product code")["Normalisation factor"]
    a = (
        d["press_series"]
        .groupby(["batch", "code"])
        .agg(
            rows=("waste", "size"),
            last=("waste", "max"),
            speed=("tbl_speed", lambda s: s[s > 0].mean()),
        )
        .reset_index()
    )
    a["waste"] = a["last"] / a.code.map(factor)
    a = a.merge(d["press_features"][["batch", "tbl_speed_mean", "total_waste"]])
    a = a.merge(d["batches"][["batch", "tbl_yield", "dissolution_av"]])
    worst = a.loc[a.waste.idxmax()]
    low = d["batches"].query("dissolution_min < 80")
    joined = d["press_features"].merge(d["batches"], on="batch")
    return {
        "batches": len(a),
        "rows": int(a["rows"].sum()),
        "waste_differs_by": round(float((a.waste - a.total_waste).abs().max()), 6) + 0.0,
        "speed_differs_by": round(float((a.speed - a.tbl_speed_mean).abs().max()), 6) + 0.0,
        "worst": tuple(
            round(float(worst[c]), 2)
            for c in ("batch", "code", "waste", "tbl_yield", "dissolution_av")
        ),
        "low": len(low),
        "low_codes": {int(k): int(v) for k, v in low.code.value_counts().head(2).items()},
        "correlation": round(
            float(joined[["total_waste", "tbl_yield"]].corr().iloc[0, 1]),
            3,
        ),
    }
