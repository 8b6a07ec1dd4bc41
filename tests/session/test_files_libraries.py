"""Libraries that scientists use read governed files, by an open file or by a path."""

from __future__ import annotations

import gc
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from jupyter_govdata.errors import ConfigError
from jupyter_govdata.files.fileset import FileSet
from jupyter_govdata.session import Session
from tests.session.files_lake import CELLS, contents

fsspec = pytest.importorskip("fsspec", reason="the extra `files` is not installed")
FILES = contents()


@pytest.fixture
def files(steward: Session) -> FileSet:
    return steward.files("imaging.slides")


def test_filesystem_lists_folders_and_files(files: FileSet) -> None:
    fs = files.fs()
    assert {"scans", "tables", "images", "names", "one", "two"} == set(fs.ls("", detail=False))
    assert fs.ls("govdata://tables", detail=False) == ["tables/cells.csv", "tables/cells.parquet"]
    assert fs.isdir("tables")
    assert fs.isfile("tables/cells.csv")
    assert fs.exists("govdata://tables/cells.csv")
    assert not fs.exists("tables/nothing.csv")
    assert sorted(fs.find("")) == sorted(files.paths)
    assert fs.glob("**/*.parquet") == ["tables/cells.parquet"]
    assert fs.size("images/CT_small.dcm") == 39206
    assert fs.checksum("tables/cells.csv") == files["tables/cells.csv"].version
    with pytest.raises(FileNotFoundError):
        fs.open("nothing")
    with pytest.raises(FileNotFoundError):
        fs.ls("nothing")
    with pytest.raises(IsADirectoryError):
        fs.cat_file("tables")


def test_filesystem_reads_bytes_and_ranges(files: FileSet) -> None:
    fs, content = files.fs(), FILES["scans/small.bin"]
    assert fs.cat_file("scans/small.bin") == content
    assert fs.cat_file("scans/small.bin", 10, 20) == content[10:20]
    assert fs.cat_file("scans/small.bin", -5) == content[-5:]
    assert fs.cat(["scans/one.bin", "scans/empty.bin"]) == {
        "scans/one.bin": b"\x00",
        "scans/empty.bin": b"",
    }
    with fs.open("scans/small.bin") as stream:
        assert stream.read() == content


def test_filesystem_writes_nothing_and_stays_in_its_process(files: FileSet) -> None:
    import pickle

    fs = files.fs()
    with pytest.raises(ConfigError, match="never written"):
        fs.open("x", "wb")
    with pytest.raises(NotImplementedError):
        fs.rm_file("scans/one.bin")
    with pytest.raises(ConfigError, match="stays in its process"):
        pickle.dumps(fs)


def test_pyarrow_reads_through_the_filesystem(files: FileSet) -> None:
    fs = files.fs()
    assert pq.read_table("tables/cells.parquet", filesystem=fs).equals(CELLS)
    found = ds.dataset("tables/cells.parquet", filesystem=fs).to_table(
        columns=["x"], filter=ds.field("cell") >= 990
    )
    assert found.equals(CELLS.slice(990).select(["x"]))
    group = pq.ParquetFile(files["tables/cells.parquet"].open()).read_row_group(3)
    assert group["cell"].to_pylist() == list(range(300, 400))


def test_pandas_and_polars_read_through_the_filesystem(files: FileSet) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    with files.fs().open("tables/cells.csv") as stream:
        assert pandas.read_csv(stream)["cell"].tolist() == list(range(1_000))
    frame = pandas.read_parquet("tables/cells.parquet", filesystem=files.fs())
    assert frame["cell"].sum() == sum(range(1_000))
    assert polars.read_parquet(files["tables/cells.parquet"].open())["cell"].sum() == 499_500


def test_duckdb_reads_through_the_filesystem(files: FileSet) -> None:
    with duckdb.connect() as duck:
        duck.register_filesystem(files.fs())
        for name in ("cells.parquet", "cells.csv"):
            found = duck.execute(f"SELECT sum(cell) FROM 'govdata://tables/{name}'").fetchall()
            assert found == [(499_500,)]
        with pytest.raises(duckdb.Error) as missing:
            duck.execute("SELECT * FROM 'govdata://tables/nothing.parquet'")
        assert "Bearer" not in str(missing.value)


def test_zarr_reads_through_the_filesystem(files: FileSet) -> None:
    zarr = pytest.importorskip("zarr")
    with zipfile.ZipFile(files["images/array.zarr.zip"].open()) as packed:
        store = zarr.storage.MemoryStore(
            {
                name: zarr.core.buffer.default_buffer_prototype().buffer.from_bytes(
                    packed.read(name)
                )
                for name in packed.namelist()
            }
        )
        array = zarr.open_array(store, mode="r")
        assert np.array_equal(array[10:20, :5], np.arange(4096).reshape(64, 64)[10:20, :5])


def test_zarr_opens_a_packed_array_by_its_path(files: FileSet) -> None:
    zarr = pytest.importorskip("zarr")
    inner = fsspec.filesystem("zip", fo=files.fs().open("images/array.zarr.zip"))
    from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper

    store = zarr.storage.FsspecStore(
        AsyncFileSystemWrapper(inner, asynchronous=True), read_only=True, path=""
    )
    assert int(zarr.open_array(store, mode="r")[63, 63]) == 4095


def test_tifffile_and_pillow_read_images(files: FileSet) -> None:
    tifffile, image = pytest.importorskip("tifffile"), pytest.importorskip("PIL.Image")
    with files["images/region.svs"].open() as stream, tifffile.TiffFile(stream) as tiff:
        assert tiff.pages[0].shape == (2967, 2220, 3)
        tile = tiff.pages[0].dataoffsets[0], tiff.pages[0].databytecounts[0]
    content = FILES["images/region.svs"]
    assert files["images/region.svs"].read_range(*tile) == content[tile[0] : sum(tile)]
    with files["images/tile.png"].open() as stream, image.open(stream) as picture:
        assert picture.size == (78, 102)
        with image.open(io.BytesIO(FILES["images/tile.png"])) as plain:
            assert picture.tobytes() == plain.tobytes()


def test_pydicom_reads_a_file_and_its_header_alone(files: FileSet) -> None:
    pydicom = pytest.importorskip("pydicom")
    with files["images/CT_small.dcm"].open() as stream:
        found = pydicom.dcmread(stream)
    assert found.Modality == "CT"
    assert found.pixel_array.shape == (128, 128)
    with files["images/CT_small.dcm"].open() as stream:
        assert pydicom.dcmread(stream, stop_before_pixels=True).Rows == 128


def test_openslide_reads_a_private_copy(files: FileSet) -> None:
    openslide = pytest.importorskip("openslide", reason="openslide is not installed")
    with openslide.OpenSlide(files["images/region.svs"].local_path()) as slide:
        assert slide.dimensions == (2220, 2967)


@pytest.fixture
def urls(files_lake: Path) -> Iterator[dict[str, str]]:
    yield {"lake": str(files_lake), "user": "dina"}
    gc.collect()  # closes the session that a filesystem of its own has


def test_urls_open_a_session_of_their_own(urls: dict[str, str]) -> None:
    with fsspec.open("govdata://imaging.slides/scans/small.bin", **urls) as stream:
        assert stream.read() == FILES["scans/small.bin"]
    fs = fsspec.filesystem("govdata", **urls)
    assert set(fs.ls("", detail=False)) == {"imaging.named", "imaging.slides"}
    assert fs.isdir("imaging.slides")
    assert fs.size("govdata://imaging.slides/images/CT_small.dcm") == 39206
    for missing in ("imaging.nothing/x", "governance.consent/x", "imaging.slides/nothing"):
        with pytest.raises(FileNotFoundError):
            fs.info(missing)
    table = pq.read_table("imaging.slides/tables/cells.parquet", filesystem=fs)
    assert isinstance(table, pa.Table)
    del fs


def test_dataset_of_torch_shards_shuffles_and_resumes(files: FileSet) -> None:
    torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")
    small = files.where(lambda file: file.size < 100_000)
    data = small.torch()
    assert [sample["path"] for sample in data] == list(small.paths)
    assert all(sample["bytes"] == FILES[p] for sample, p in zip(data, FILES, strict=False) if 0)
    shuffled = small.torch(decode=path_of, shuffle=True, seed=5)
    first = list(shuffled)
    assert first != list(small.paths)
    assert sorted(first) == sorted(small.paths)
    assert list(shuffled) == first
    shuffled.set_epoch(1)
    assert list(shuffled) != first
    shuffled.set_epoch(0)
    walk = iter(shuffled)
    begun = [next(walk) for _ in range(4)]
    state = shuffled.state_dict()
    again = small.torch(decode=path_of, shuffle=True, seed=5)
    again.load_state_dict(state)
    assert begun + list(again) == first
    with pytest.raises(ConfigError, match="seed"):
        small.torch(seed=6).load_state_dict(state)
    loader = torch.utils.data.DataLoader(
        shuffled, batch_size=None, num_workers=2, multiprocessing_context="spawn"
    )
    assert sorted(loader) == sorted(small.paths)
    assert len(shuffled) == len(small)


def path_of(file: object) -> str:
    return str(getattr(file, "path"))  # noqa: B009  (an attribute of a foreign object)
