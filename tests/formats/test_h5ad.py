from __future__ import annotations

import sys

import h5py
import numpy as np
import pytest

from jupyter_govdata.errors import LoadError, MissingExtraError
from jupyter_govdata.formats import open_source
from tests.formats.reading import columns, read, write

EXPECTED = {
    "cell": ["AAA-1", "CCC-1", "GGG-1"],
    "n_genes": [10, 20, 30],
    "kind": ["T", None, "B"],
}


def _compound(file):
    rows = [(b"AAA-1", 10, 0), (b"CCC-1", 20, -1), (b"GGG-1", 30, 1)]
    file["obs"] = np.array(rows, dtype=[("cell", "S8"), ("n_genes", "<i8"), ("kind", "i1")])
    file["uns/kind_categories"] = np.array([b"T", b"B"])


def _with_categories(file):
    obs = file.create_group("obs")
    obs.attrs["_index"] = "cell"
    obs.attrs["column-order"] = np.array(["n_genes", "kind"], dtype=h5py.string_dtype())
    obs["cell"] = np.array(["AAA-1", "CCC-1", "GGG-1"], dtype=h5py.string_dtype())
    obs["n_genes"] = np.array([10, 20, 30])
    obs["__categories/kind"] = np.array(["T", "B"], dtype=h5py.string_dtype())
    obs["kind"] = np.array([0, -1, 1], dtype="i1")
    obs["kind"].attrs["categories"] = obs["__categories/kind"].ref


def _encoded(file):
    obs = file.create_group("obs")
    obs.attrs["_index"] = "cell"
    obs.attrs["column-order"] = np.array(["n_genes", "kind"], dtype=h5py.string_dtype())
    obs["cell"] = np.array(["AAA-1", "CCC-1", "GGG-1"], dtype=h5py.string_dtype())
    obs["n_genes"] = np.array([10, 20, 30])
    obs["kind/codes"] = np.array([0, -1, 1], dtype="i1")
    obs["kind/categories"] = np.array(["T", "B"], dtype=h5py.string_dtype())
    obs["kind"].attrs["encoding-type"] = "categorical"


@pytest.mark.parametrize("layout", [_compound, _with_categories, _encoded])
def test_h5ad_of_each_age_is_read(tmp_path, layout):
    with h5py.File(tmp_path / "x.h5ad", "w") as file:
        layout(file)
    source, table = read(tmp_path / "x.h5ad")
    assert columns(table) == EXPECTED
    assert source.rows_read == 3


def test_h5ad_masked_and_boolean_columns_are_read(tmp_path):
    with h5py.File(tmp_path / "x.h5ad", "w") as file:
        _encoded(file)
        obs = file["obs"]
        obs.attrs["column-order"] = np.array(["flag", "score"], dtype=h5py.string_dtype())
        obs["flag"] = np.array([True, False, True])
        obs["score/values"] = np.array([1, 2, 3])
        obs["score/mask"] = np.array([False, True, False])
    _, table = read(tmp_path / "x.h5ad")
    assert table["flag"].to_pylist() == [True, False, True]
    assert table["score"].to_pylist() == [1, None, 3]


def test_h5ad_of_many_cells_comes_in_batches(tmp_path):
    with h5py.File(tmp_path / "x.h5ad", "w") as file:
        obs = file.create_group("obs")
        obs.attrs["_index"] = "cell"
        obs["cell"] = np.arange(150_000)
    source, table = read(tmp_path / "x.h5ad")
    assert table.num_rows == 150_000
    assert sum(1 for _ in source.batches()) == 3


def test_h5ad_with_an_unknown_encoding_is_refused(tmp_path):
    with h5py.File(tmp_path / "x.h5ad", "w") as file:
        _encoded(file)
        file["obs"].attrs["column-order"] = np.array(["odd"], dtype=h5py.string_dtype())
        file.create_group("obs/odd").attrs["encoding-type"] = "awkward-array"
    with pytest.raises(LoadError, match="awkward-array"):
        open_source(tmp_path / "x.h5ad")


def test_hdf5_without_obs_is_refused(tmp_path):
    with h5py.File(tmp_path / "x.h5ad", "w") as file:
        file["X"] = [1]
    with pytest.raises(LoadError, match="no `obs`"):
        open_source(tmp_path / "x.h5ad")


def test_broken_h5ad_is_refused(tmp_path):
    with pytest.raises(LoadError, match="not a sound HDF5"):
        open_source(write(tmp_path, b"\x89HDF\r\n\x1a\n123", "x.h5ad"))


def test_h5ad_without_the_extra_says_what_to_install(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "x.h5ad", "w") as file:
        _encoded(file)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtraError) as caught:
        open_source(tmp_path / "x.h5ad")
    assert "[h5ad]" in (caught.value.hint or "")
