"""Output names: safe everywhere, different for different inputs, silent about patients."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from MedDLCore.errors import Code, MedDLError
from MedDLCore.volume import Source
from MedDLCore.writers import output_path, output_stem, safe_name

SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
WINDOWS_DEVICES = {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(10)), *(f"lpt{n}" for n in range(10))}


def assert_safe(name: str) -> None:
    assert SAFE.fullmatch(name), name
    assert not name.endswith(".")
    assert name.split(".")[0].lower() not in WINDOWS_DEVICES


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "..",
        ".",
        "",
        "/",
        "C:\\x",
        "\\\\server\\share",
        "a\0b",
        "-rf",
        ".hidden",
        "CON",
        "nul.txt",
        "Com1.tar",
        "LPT9",
        "name.",
        "name ",
        "x" * 300,
        "; touch x",
        "$(touch x)",
        "肝臓",
        "a\nb",
        "\ud800",
        "con.",
    ],
)
def test_a_dangerous_name_becomes_a_safe_one_with_its_hash(name: str, tmp_path: Path) -> None:
    safe = safe_name(name)
    assert_safe(safe)
    assert re.search(r"-[0-9a-f]{8}$", safe)
    assert output_path(tmp_path, safe, ".seg.nrrd").resolve().parent == tmp_path.resolve()


@pytest.mark.parametrize("name", ["liver_01", "sub-01_ses-2.run", "A", "x" * 64, "console", "common.v2"])
def test_a_safe_name_stays_as_it_is(name: str) -> None:
    assert safe_name(name) == name


def test_ten_thousand_random_names_neither_escape_nor_clash(tmp_path: Path) -> None:
    chance = random.Random(20240506)
    alphabets = [
        [chr(n) for n in range(0x110000) if not 0xD800 <= n < 0xE000][::97],
        list('../\\:*?"<>|\0\n\r\t ~$`;&'),
        list("abcXYZ019._-"),
        list("éüßñøåπ漢字"),
    ]
    names = set()
    while len(names) < 10_000:
        names.add("".join(chance.choices(chance.choice(alphabets), k=chance.randint(1, 90))))
    found = {output_stem(Source("NIfTI", (Path("/") / f"{_one_part(name)}.nii.gz",))) for name in names}
    safe = {safe_name(name) for name in names}
    assert len(safe) == len(names)
    root = tmp_path.resolve()
    for name in safe | found:
        assert_safe(name)
        assert (tmp_path / f"{name}.seg.nrrd").resolve().parent == root


def _one_part(name: str) -> str:
    return name.replace("/", "_").replace("\0", "_")


def test_a_dicom_series_is_named_by_a_hash_of_its_uid() -> None:
    one = output_stem(Source("DICOM", (Path("/data/Doe^John/1.dcm"),), "1.2.840.1"))
    other = output_stem(Source("DICOM", (Path("/data/Doe^John/1.dcm"),), "1.2.840.2"))
    assert re.fullmatch(r"series-[0-9a-f]{16}", one)
    assert one != other
    assert one == output_stem(Source("DICOM", (Path("/elsewhere/x.dcm"),), "1.2.840.1"))


def test_the_parts_of_a_series_have_names_of_their_own() -> None:
    stems = {output_stem(Source("DICOM", (), "1.2.3", part)) for part in ("", "acq1", "acq2", "../x")}
    assert len(stems) == 4
    for stem in stems:
        assert_safe(stem)


@pytest.mark.parametrize(
    ("file", "stem"),
    [
        ("liver.nii.gz", "liver"),
        ("liver.NII.GZ", "liver"),
        ("liver.v2.nrrd", "liver.v2"),
        ("old.seg.nrrd", "old"),
        ("scan.mhd", "scan"),
        ("scan", "scan"),
    ],
)
def test_a_file_keeps_its_own_name(file: str, stem: str) -> None:
    assert output_stem(Source("NIfTI", (Path("/data") / file,))) == stem


def test_anonymous_names_come_from_the_content_alone() -> None:
    source = Source("NIfTI", (Path("/data/John_Doe.nii.gz"),), part="frame003")
    assert output_stem(source, content_sha256="ab" * 32, anonymous=True) == "scan-abababababababab_frame003"


def test_a_volume_without_file_and_hash_has_no_name() -> None:
    assert output_stem(Source("scene"), content_sha256="cd" * 32) == "scan-cdcdcdcdcdcdcdcd"
    with pytest.raises(ValueError, match="content_sha256"):
        output_stem(Source("scene"))


def test_a_path_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    for stem in ("../x", "a/b", "/etc/x"):
        with pytest.raises(MedDLError) as refused:
            output_path(tmp_path, stem, ".csv")
        assert refused.value.code is Code.OUTPUT_UNWRITABLE


def test_a_result_that_is_a_link_to_elsewhere_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "x.csv").symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(MedDLError):
        output_path(folder, "x", ".csv")
