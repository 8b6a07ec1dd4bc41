"""The lake gives the checked answers to the steward, and to everybody else exactly those that
plain pandas gives on the rows that they may physically see.

The numbers written out below were computed independently of this repository, from the sources.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from jupyter_govdata.errors import (
    AccessDeniedError,
    ColumnNotFoundError,
    NotVisibleError,
    PurposeError,
)
from jupyter_govdata.session import Session
from tests.demo import answers, raw

# -- the steward sees everything -------------------------------------------------------------------


def test_flt3_for_the_steward_is_the_published_answer(dina: Session) -> None:
    assert answers.flt3(dina) == [(False, 133, 85, 517.0), (True, 49, 32, 305.0)]


def test_kras_over_two_studies_for_the_steward_is_the_published_answer(dina: Session) -> None:
    assert answers.kras_laml(dina) == (8, 7)
    assert answers.kras_summit(dina) == [(4.9, "PD")]
    patients = dina.sql(
        """
        SELECT DISTINCT right("Tumor_Sample_Barcode", 4) AS p FROM genomics.laml_mutations
        WHERE "Hugo_Symbol" = 'KRAS' ORDER BY p
        """
    ).df()
    assert set(patients.p) >= {"2826", "2861", "2864", "2865", "2917", "2929", "2966", "2987"}


def test_tissue_against_plasma_for_the_steward_is_the_published_answer(dina: Session) -> None:
    assert answers.erbb2(dina) == (20, {"FFPE": 11, "cfDNA": 10})
    assert answers.tp53(dina) == [(12, 4.765, 2), (11, 5.36, 2)]
    without = dina.sql(
        """
        SELECT "PATIENT_ID" AS p FROM trials.summit_patients WHERE "PATIENT_ID" NOT IN (
            SELECT "PATIENT_ID" FROM trials.summit_samples
            WHERE "SAMPLE_CLASS" IN ('cfDNA', 'FFPE')) ORDER BY p
        """
    ).df()
    assert list(without.p) == [4, 5]


def test_image_to_genome_for_the_steward_is_the_published_answer(dina: Session) -> None:
    d = dina.sql(
        """
        WITH images AS (
            SELECT DISTINCT patient_barcode AS patient FROM imaging.slides
            WHERE patient_barcode IS NOT NULL
        )
        SELECT i.patient, b.cohort, b.total, count(*) AS n, median(c.total) AS m,
               round(avg((c.total < b.total)::INT), 3) AS fewer
        FROM images i
        JOIN genomics.tcga_burden b ON left(b."Tumor_Sample_Barcode", 12) = i.patient
        JOIN genomics.tcga_burden c ON c.cohort = b.cohort
        GROUP BY ALL ORDER BY i.patient
        """
    ).df()
    assert d.values.tolist() == [
        ["TCGA-A2-A0CM", "BRCA", 51, 1025, 40.0, 0.601],
        ["TCGA-CR-7395", "HNSC", 137, 509, 106.0, 0.646],
    ]


def test_cells_to_survival_for_the_steward_is_the_published_answer(dina: Session) -> None:
    assert answers.cd8(dina) == {
        "patients": 50,
        "images": 247,
        "median": 0.03149,
        "sides": [(False, 25, 17, 2600.0), (True, 25, 16, 2831.0)],
        "highest": 0.1716,
        "lowest": 0.0010,
    }
    d = dina.sql(
        """
        SELECT patient_id FROM spatial.lung_cells GROUP BY patient_id
        ORDER BY count(*) FILTER (phenotype_cd8 = 'CD8+') / count(*) DESC
        """
    ).df()
    assert (d.patient_id.iloc[0], d.patient_id.iloc[-1]) == (9, 30)


def test_cores_to_clinic_for_the_steward_is_the_published_answer(dina: Session) -> None:
    assert answers.cores(dina) == [
        (1803, True, 0.0514),
        (1850, True, 0.0217),
        (2318, True, 0.0858),
        (3008, True, 0.0041),
        (3803, True, 0.0025),
    ]
    assert answers.core_status(dina) == [("A", 18, 7.372), ("B", 211, 3.738)]


def test_two_id_schemes_for_the_steward_is_the_published_answer(dina: Session) -> None:
    assert answers.reissued(dina) == {
        "people": 18,
        "matched": 17,
        "events_reissue": 74,
        "events_pilot": 124,
        "pressure": [(0.0, 10, 132.73), (1.0, 7, 144.53)],
    }
    assert answers.arms(dina) == {
        "Placebo": (86, 29, None),
        "Xanomeline High Dose": (84, 61, 36.0),
        "Xanomeline Low Dose": (84, 62, 33.0),
    }
    d = dina.sql(
        """
        SELECT "USUBJID" AS ours, '01-' || "SITEID" || '-' || "SUBJID" AS theirs
        FROM trials.cdisc_reissue_dm
        WHERE theirs NOT IN (SELECT "USUBJID" FROM trials.cdisc_adtte)
        """
    ).df()
    assert d.values.tolist() == [["CDISC015", "01-711-1022"]]


PRESS = {
    "batches": 29,
    "rows": 186_900,
    "waste_differs_by": 0.0,
    "speed_differs_by": 0.0,
    "worst": (117.0, 5.0, 1970.04, 96.21, 91.33),
    "low": 50,
    "low_codes": {23: 23, 17: 10},
    "correlation": -0.557,
}


def test_sensors_to_batches_for_steward_and_engineer_is_the_published_answer(
    dina: Session, otto: Session
) -> None:
    assert answers.press(dina) == PRESS
    assert answers.press(otto) == PRESS


def test_messy_folder_for_the_steward_is_the_published_answer(dina: Session) -> None:
    d = dina.sql("SELECT modality, readable, count(*) AS n FROM imaging.dicom GROUP BY ALL").df()
    assert d.n.sum() == 47
    assert d[~d.readable].n.tolist() == [1]
    kinds = {k: int(n) for k, n in d[d.modality.notna()][["modality", "n"]].values.tolist()}
    assert kinds == {
        "MR": 21,
        "CT": 12,
        "CR": 3,
        "US": 3,
        "NM": 1,
        "RTPLAN": 1,
        "RTDOSE": 1,
        "SR": 1,
        "SEG": 1,
        "ECG": 1,
    }
    media = dina.sql(
        """
        SELECT patient_id, count(*) AS n,
               count(*) FILTER (regexp_extract(uri, 'media_export/(\\d+)', 1) <> patient_id) AS off
        FROM imaging.dicom WHERE regexp_matches(uri, 'media_export/\\d')
        GROUP BY ALL ORDER BY patient_id
        """
    ).df()
    assert media.values.tolist() == [["77654033", 7, 0], ["98890234", 24, 24]]


def test_notes_for_the_steward_is_the_published_answer(dina: Session) -> None:
    allergy = dina.sql(
        """
        SELECT count(*) AS n, count(*) FILTER (section_text ILIKE '%penicillin%') AS hits
        FROM notes.sections WHERE section_header = 'ALLERGY'
        """
    ).df()
    assert allergy.values.tolist() == [[84, 3]]
    glioma = dina.sql(
        """
        SELECT file, "ID" FROM notes.sections
        WHERE regexp_matches(section_text, 'glioma|glioblastoma', 'i')
        """
    ).df()
    assert glioma.values.tolist() == [["MTS-Dialog-TestSet-1-MEDIQA-Chat-2023.csv", 0]]
    seizure = dina.sql(
        """
        SELECT count(*) AS n FROM notes.sections
        WHERE section_header = 'GENHX' AND section_text ILIKE '%seizure%'
        """
    ).df()
    assert seizure.n.tolist() == [8]
    assert len(dina.sql("FROM notes.sections").df()) == 1701


# -- everybody else: equal to pandas on what they may physically see -------------------------------

Twin = tuple[Callable[[Session], Any], Callable[[raw.Tables], Any]]


def twin(name: str) -> Twin:
    return getattr(answers, name), getattr(raw, name)


@pytest.mark.parametrize(
    "name",
    ["flt3", "kras_laml", "kras_summit", "erbb2", "tp53", "burden", "reissued", "arms"],
)
def test_analyst_gets_the_answer_of_the_rows_she_may_see(ana: Session, name: str) -> None:
    ask, compute = twin(name)
    assert ask(ana) == compute(raw.permitted("research"))


@pytest.mark.parametrize("name", ["flt3", "erbb2", "reissued", "arms"])
def test_analyst_does_not_get_the_stewards_answer(ana: Session, dina: Session, name: str) -> None:
    """Without this the test above could pass on a lake that filters nothing."""
    ask, _ = twin(name)
    assert ask(ana) != ask(dina)


@pytest.mark.parametrize("name", ["cd8", "cores", "core_status"])
def test_engineer_gets_the_answer_of_the_rows_he_may_see(
    miko: Session, dina: Session, name: str
) -> None:
    ask, compute = twin(name)
    assert ask(miko) == compute(raw.permitted("model_training"))
    assert ask(miko) != ask(dina)


@pytest.mark.parametrize("purpose", ["research", "commercial"])
@pytest.mark.parametrize("name", ["kras_summit", "erbb2", "tp53"])
def test_partner_gets_the_answer_of_her_study_for_each_purpose(
    pia: Session, name: str, purpose: str
) -> None:
    ask, compute = twin(name)
    before = pia.purpose
    pia.purpose = purpose
    try:
        assert ask(pia) == compute(raw.permitted(purpose))
    finally:
        pia.purpose = before


@pytest.mark.parametrize("name", sorted(raw.SUBJECTS))
def test_steward_sees_every_row_of_every_file(dina: Session, name: str) -> None:
    assert _count(dina, _asset(name)) == len(raw.everything()[name])


@pytest.mark.parametrize(
    "name", [n for n in sorted(raw.SUBJECTS) if not n.startswith(("lung", "prostate"))]
)
def test_analyst_sees_as_many_rows_as_consent_leaves(ana: Session, name: str) -> None:
    assert _count(ana, _asset(name)) == len(raw.permitted("research")[name])


def test_engineer_sees_readable_pictures_of_four_kinds_only(miko: Session) -> None:
    header = raw.everything()["dicom"]
    wanted = header[(header.readable == "true") & header.modality.isin(["CT", "MR", "CR", "US"])]
    d = miko.sql("SELECT file, modality FROM imaging.dicom").df()
    assert sorted(d.file) == sorted(wanted.file)


def test_engineer_sees_slides_in_scope_of_licence_and_consent_only(
    miko: Session, demo_lake: Path
) -> None:
    d = miko.sql("SELECT sha256, uri, licence FROM imaging.slides").df()
    files = {
        hashlib.sha256(file.read_bytes()).hexdigest(): file.name
        for file in (demo_lake / "files" / "wsi_he").rglob("*")
        if file.is_file()
    }
    # All persons on slides happen to consent; the slide without the licence is out.
    assert sorted(files[digest] for digest in d.sha256) == [
        "CMU-1-Small-Region.svs",
        "TCGA-A2-A0CM-DX1_0.png",
        "TCGA-A2-A0CM-DX1_1.png",
    ]
    # The file's name holds the patient's barcode, so it is a pseudonym as well.
    assert not d.uri.str.contains("TCGA").any()
    assert set(d.licence) == {"CC0-1.0"}


# -- pseudonyms, by structure ----------------------------------------------------------------------


def _column(s: Session, asset: str, column: str) -> pd.Series:
    return s.sql(f'SELECT "{column}" AS v FROM {asset}').df().v


@pytest.mark.parametrize(
    ("asset", "column"),
    [
        ("laml_outcomes", "Tumor_Sample_Barcode"),
        ("laml_mutations", "Tumor_Sample_Barcode"),
        ("summit_patients", "PATIENT_ID"),
        ("summit_samples", "SAMPLE_ID"),
        ("cdisc_adtte", "USUBJID"),
    ],
)
def test_pseudonyms_are_as_many_as_the_ids_and_none_of_them(
    ana: Session, asset: str, column: str
) -> None:
    shown = _column(ana, _asset(asset), column)
    ids = raw.permitted("research")[asset][column]
    assert shown.nunique() == ids.nunique()
    assert sorted(shown.value_counts()) == sorted(ids.value_counts())
    everybody = set(raw.everything()[asset][column].astype(str))
    assert not set(shown.astype(str)) & everybody


def test_pseudonyms_of_one_domain_join_across_assets(ana: Session) -> None:
    table = raw.permitted("research")
    both = set(table["laml_outcomes"].Tumor_Sample_Barcode) & set(
        table["laml_mutations"].Tumor_Sample_Barcode
    )
    shown = set(_column(ana, "trials.laml_outcomes", "Tumor_Sample_Barcode")) & set(
        _column(ana, "genomics.laml_mutations", "Tumor_Sample_Barcode")
    )
    assert len(shown) == len(both) > 100


def test_pseudonyms_of_another_purpose_are_others(pia: Session) -> None:
    research = set(
        pia.sql('SELECT "PATIENT_ID" AS p FROM trials.summit_patients', purpose="research").df().p
    )
    commercial = set(
        pia.sql('SELECT "PATIENT_ID" AS p FROM trials.summit_patients', purpose="commercial").df().p
    )
    assert research
    assert commercial
    assert not research & commercial


def test_raw_id_in_a_condition_finds_nothing_behind_a_pseudonym(ana: Session) -> None:
    given = raw.permitted("research")["laml_outcomes"].Tumor_Sample_Barcode.iloc[0]
    d = ana.sql(
        'SELECT * FROM trials.laml_outcomes WHERE "Tumor_Sample_Barcode" = $id', {"id": given}
    ).df()
    assert d.empty


# -- the other masks -------------------------------------------------------------------------------


def test_ages_are_rounded_for_the_engineer_and_exact_for_the_steward(
    miko: Session, dina: Session
) -> None:
    assert all(age % 5 == 0 for age in _column(miko, "spatial.lung_cells", "age").unique())
    assert any(age % 5 for age in _column(dina, "spatial.lung_cells", "age").unique())


def test_uids_and_dates_of_images_are_shortened_for_the_engineer(miko: Session) -> None:
    d = miko.sql("SELECT study_uid, study_day, study_date FROM imaging.dicom").df()
    assert len(d) == 39
    assert all(re.fullmatch(r"\*{3}.{4}", uid) for uid in d.study_uid)
    assert {(day.month, day.day) for day in d.study_day} == {(1, 1)}
    # The header's own text is no ISO date: a year cannot be told from it, so nothing is shown.
    assert d.study_date.isna().all()


def test_text_is_blank_and_religion_withheld_for_the_partner(pia: Session) -> None:
    assert _column(pia, "trials.summit_samples", "SO_COMMENTS").isna().all()
    assert set(_column(pia, "trials.summit_patients", "RELIGION")) == {"withheld"}


def test_person_keys_do_not_exist_for_the_partner_and_are_pseudonyms_for_the_auditor(
    pia: Session, ada: Session
) -> None:
    with pytest.raises(ColumnNotFoundError):
        pia.sql("SELECT person_key FROM governance.crosswalk").df()
    shown = set(_column(ada, "governance.consent", "person_key"))
    assert len(shown) > 500
    assert not shown & set(raw.crosswalk().person_key)


# -- what is refused -------------------------------------------------------------------------------


def test_partner_sees_ids_of_her_study_only(pia: Session) -> None:
    d = pia.sql("SELECT DISTINCT study_id FROM governance.crosswalk").df()
    assert d.study_id.tolist() == ["SUMMIT-BTC"]


@pytest.mark.parametrize(
    "asset", ["trials.laml_outcomes", "notes.sections", "spatial.lung_cells", "imaging.slides"]
)
def test_other_assets_do_not_exist_for_the_partner(pia: Session, asset: str) -> None:
    with pytest.raises(NotVisibleError) as hidden:
        pia.sql(f"FROM {asset}").df()
    with pytest.raises(NotVisibleError) as missing:
        pia.sql("FROM trials.nothing").df()
    assert str(hidden.value).replace(asset, "X") == str(missing.value).replace(
        "trials.nothing", "X"
    )


def test_spatial_data_is_found_but_not_read_by_the_analyst(ana: Session) -> None:
    assert "spatial.lung_cells" in {a.name for a in ana.catalog.ls()}
    with pytest.raises(AccessDeniedError, match="no policy permits"):
        ana.sql("SELECT count(*) FROM spatial.lung_cells").df()


def test_trials_for_another_purpose_are_refused(ana: Session) -> None:
    with pytest.raises(AccessDeniedError, match="`commercial`"):
        ana.sql("FROM trials.laml_outcomes", purpose="commercial").df()


def test_purpose_that_nobody_declared_is_refused(ana: Session) -> None:
    with pytest.raises(PurposeError, match="marketing"):
        ana.sql("FROM trials.laml_outcomes", purpose="marketing").df()


def _asset(name: str) -> str:
    namespace = (
        "spatial"
        if name.startswith(("lung", "prostate"))
        else "genomics"
        if name.endswith(("mutations", "burden"))
        else "trials"
    )
    return f"{namespace}.{name}"


def _count(s: Session, asset: str) -> int:
    return int(s.sql(f"SELECT count(*) AS n FROM {asset}").df().n[0])
