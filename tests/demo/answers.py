"""The same questions, asked of the lake in SQL. Each function returns what its twin in `raw`
returns, so that one `==` compares them; what is easier in pandas is done on the result.
"""

from __future__ import annotations

import pandas as pd

from jupyter_govdata.session import Session
from tests.demo.raw import median_survival

CODING = """
    "Variant_Classification" NOT IN ('Silent', 'RNA', 'Intron', 'IGR', '5''Flank')
"""


def flt3(s: Session) -> list[tuple[bool, int, int, float | None]]:
    d = s.sql(
        f"""
        WITH mutated AS (
            SELECT DISTINCT "Tumor_Sample_Barcode" AS patient
            FROM genomics.laml_mutations
            WHERE "Hugo_Symbol" = $gene AND {CODING}
        )
        SELECT days_to_last_followup AS t, "Overall_Survival_Status" AS e,
               "Tumor_Sample_Barcode" IN (FROM mutated) AS mutated
        FROM trials.laml_outcomes
        WHERE isfinite(days_to_last_followup)
          AND "Tumor_Sample_Barcode" IN (
              SELECT "Tumor_Sample_Barcode" FROM genomics.laml_mutations)
        """,
        {"gene": "FLT3"},
    ).df()
    return [
        (bool(k), len(x), int(x.e.sum()), median_survival(x.t, x.e))
        for k, x in d.groupby("mutated")
    ]


def kras_laml(s: Session) -> tuple[int, int]:
    n, died = _row(
        s,
        f"""
        SELECT count(*), coalesce(sum("Overall_Survival_Status"), 0)
        FROM trials.laml_outcomes
        WHERE "Tumor_Sample_Barcode" IN (
            SELECT "Tumor_Sample_Barcode" FROM genomics.laml_mutations
            WHERE "Hugo_Symbol" = 'KRAS' AND {CODING})
        """,
    )
    return int(n), int(died)


_SUMMIT = """
    genomics.summit_mutations m
    JOIN trials.summit_samples smp ON m."Tumor_Sample_Barcode" = smp."SAMPLE_ID"
"""


def kras_summit(s: Session) -> list[tuple[float, str]]:
    d = s.sql(
        f"""
        SELECT DISTINCT "PATIENT_ID", "OS_MONTHS" AS months,
               "Best Overall Response (BOR)" AS response
        FROM trials.summit_patients
        WHERE "PATIENT_ID" IN (SELECT smp."PATIENT_ID" FROM {_SUMMIT}
                               WHERE m."Hugo_Symbol" = 'KRAS')
        """
    ).df()
    return sorted(zip(d.months, d.response, strict=True))


def erbb2(s: Session) -> tuple[int, dict[str, int]]:
    (n,) = _row(
        s,
        f"""SELECT count(DISTINCT smp."PATIENT_ID") FROM {_SUMMIT}
            WHERE "Hugo_Symbol" = 'ERBB2'""",
    )
    d = s.sql(
        f"""
        SELECT smp."SAMPLE_CLASS" AS material, count(DISTINCT smp."PATIENT_ID") AS n
        FROM {_SUMMIT} WHERE "Hugo_Symbol" = 'ERBB2' GROUP BY ALL
        """
    ).df()
    return int(n), {k: int(v) for k, v in zip(d.material, d.n, strict=True)}


def tp53(s: Session) -> list[tuple[int, float, int]]:
    d = s.sql(
        f"""
        WITH tumour AS (
            SELECT DISTINCT "PATIENT_ID" FROM trials.summit_samples
            WHERE "SAMPLE_CLASS" IN ('cfDNA', 'FFPE')
        ), mutated AS (
            SELECT DISTINCT smp."PATIENT_ID" FROM {_SUMMIT} WHERE "Hugo_Symbol" = 'TP53'
        )
        SELECT "PATIENT_ID" IN (FROM mutated) AS mutated, count(*) AS n,
               round(median("OS_MONTHS"), 4) AS months,
               count(*) FILTER ("Best Overall Response (BOR)" = 'PR') AS responders
        FROM trials.summit_patients
        WHERE "PATIENT_ID" IN (FROM mutated) OR "PATIENT_ID" IN (FROM tumour)
        GROUP BY ALL ORDER BY mutated DESC
        """
    ).df()
    return [(int(x.n), float(x.months), int(x.responders)) for x in d.itertuples(index=False)]


def burden(s: Session) -> dict[str, tuple[int, float]]:
    d = s.sql(
        "SELECT cohort, count(*) AS n, median(total) AS m FROM genomics.tcga_burden GROUP BY ALL"
    ).df()
    return {k: (int(n), float(m)) for k, n, m in d.itertuples(index=False)}


def cd8(s: Session) -> dict[str, object]:
    g = s.sql(
        """
        SELECT patient_id, count(*) AS n, count(DISTINCT "patientImage_id") AS images,
               count(*) FILTER (phenotype_cd8 = 'CD8+') / count(*) AS share,
               any_value(survival_days) AS t, any_value(survival_status) AS e
        FROM spatial.lung_cells GROUP BY patient_id
        """
    ).df()
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


def cores(s: Session) -> list[tuple[int, bool, float]]:
    d = s.sql(
        """
        SELECT count(*) AS n, count(*) = any_value(su."Total Cells") AS agrees,
               round(avg("CD3..Opal.570..Positive")
                     FILTER ("Classifier.Label" = 'Tumor'), 4) AS share
        FROM spatial.prostate_cells c
        JOIN spatial.prostate_summary su USING (deidentified_sample)
        JOIN spatial.prostate_cores USING (deidentified_sample)
        GROUP BY deidentified_sample
        """
    ).df()
    return sorted((int(n), bool(a), float(x)) for n, a, x in d.itertuples(index=False))


def core_status(s: Session) -> list[tuple[str, int, float]]:
    d = s.sql(
        """
        SELECT status, count(*) AS n, round(avg("% CD3 (Opal 570) Positive Cells"), 3) AS cd3
        FROM spatial.prostate_cores
        JOIN spatial.prostate_summary USING (deidentified_sample, deidentified_id)
        GROUP BY status ORDER BY status
        """
    ).df()
    return [(str(k), int(n), float(x)) for k, n, x in d.itertuples(index=False)]


# SITEID and SUBJID are the same in both releases, so this join works on pseudonyms too.
_REISSUED = """
    trials.cdisc_reissue_dm r
    JOIN trials.cdisc_dm d ON r."SITEID" = d."SITEID" AND r."SUBJID" = d."SUBJID"
"""


def reissued(s: Session) -> dict[str, object]:
    (people,) = _row(s, "SELECT count(*) FROM trials.cdisc_reissue_dm")
    (ours,) = _row(s, "SELECT count(*) FROM trials.cdisc_reissue_ae")
    (theirs,) = _row(
        s,
        f"""SELECT count(*) FROM trials.cdisc_ae
            WHERE "USUBJID" IN (SELECT d."USUBJID" FROM {_REISSUED})""",
    )
    d = s.sql(
        f"""
        WITH pressure AS (
            SELECT "USUBJID" AS id, avg(TRY_CAST("VSSTRESN" AS DOUBLE)) AS mmhg
            FROM trials.cdisc_reissue_vs WHERE "VSTESTCD" = 'SYSBP' GROUP BY ALL
        )
        SELECT t."CNSR" AS censored, count(*) AS n, round(avg(mmhg), 2) AS mmhg
        FROM {_REISSUED}
        JOIN trials.cdisc_adtte t ON t."USUBJID" = d."USUBJID"
        LEFT JOIN pressure ON pressure.id = r."USUBJID"
        GROUP BY ALL ORDER BY censored
        """
    ).df()
    return {
        "people": int(people),
        "matched": int(d.n.sum()),
        "events_reissue": int(ours),
        "events_pilot": int(theirs),
        "pressure": [(float(k), int(n), float(x)) for k, n, x in d.itertuples(index=False)],
    }


def arms(s: Session) -> dict[str, tuple[int, int, float | None]]:
    d = s.sql(
        """SELECT "TRTP" AS arm, "AVAL" AS t, ("CNSR" = 0)::INT AS e FROM trials.cdisc_adtte"""
    ).df()
    return {
        str(arm): (len(x), int(x.e.sum()), median_survival(x.t, x.e)) for arm, x in d.groupby("arm")
    }


def press(s: Session) -> dict[str, object]:
    a = s.sql(
        """
        WITH readings AS (
            SELECT batch, code, count(*) AS n, max(waste) AS last,
                   avg(tbl_speed) FILTER (tbl_speed > 0) AS speed
            FROM manufacturing.press_series GROUP BY ALL
        )
        SELECT r.batch, r.code, n, last / "Normalisation factor" AS waste, speed,
               tbl_speed_mean, total_waste, tbl_yield, dissolution_av
        FROM readings r
        JOIN manufacturing.normalization ON r.code = "Product code"
        JOIN manufacturing.press_features f ON f.batch = r.batch
        JOIN manufacturing.batches b ON b.batch = r.batch
        """
    ).df()
    low = s.sql(
        """SELECT code, count(*) AS n FROM manufacturing.batches
           WHERE dissolution_min < 80 GROUP BY code ORDER BY n DESC, code"""
    ).df()
    (correlation,) = _row(
        s,
        """SELECT round(corr(total_waste, tbl_yield), 3)
           FROM manufacturing.press_features JOIN manufacturing.batches USING (batch)""",
    )
    worst = a.loc[a.waste.idxmax()]
    return {
        "batches": len(a),
        "rows": int(a.n.sum()),
        "waste_differs_by": round(float((a.waste - a.total_waste).abs().max()), 6) + 0.0,
        "speed_differs_by": round(float((a.speed - a.tbl_speed_mean).abs().max()), 6) + 0.0,
        "worst": tuple(
            round(float(worst[c]), 2)
            for c in ("batch", "code", "waste", "tbl_yield", "dissolution_av")
        ),
        "low": int(low.n.sum()),
        "low_codes": {int(k): int(v) for k, v in low.head(2).itertuples(index=False)},
        "correlation": float(correlation),
    }


def _row(s: Session, sql: str) -> tuple[object, ...]:
    table: pd.DataFrame = s.sql(sql).df()
    assert len(table) == 1
    return tuple(table.iloc[0])
