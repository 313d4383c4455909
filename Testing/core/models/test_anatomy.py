"""The table from names to codes: its codes are real, its sides right, and no name is guessed."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest
from pydicom.sr._concepts_dict import concepts

from fixtures.packages import threshold_package
from MedDLCore.models import catalogue, open_model, write_package
from MedDLCore.models.anatomy import FILE, LEFT, RIGHT, coded, colored, normalised, structure_named, table
from MedDLCore.terminology import terminology_of
from MedDLCore.volume import GENERIC_TERMINOLOGY, Concept, Label, Terminology

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"

VERHOEFF_PRODUCTS = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
VERHOEFF_TURNS = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip
"""The multiplication of the dihedral group of order ten, and the permutations by place (J. Verhoeff, 1969)."""


def check_digit_is_right(identifier: str) -> bool:
    """SNOMED CT's identifiers end in a check digit (SNOMED International, Release File Specification, 6.3)."""
    remainder = 0
    for place, digit in enumerate(reversed(identifier)):
        remainder = int(VERHOEFF_PRODUCTS[remainder][int(VERHOEFF_TURNS[place % 8][int(digit)])])
    return remainder == 0


def rows() -> list[dict[str, str]]:
    with FILE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def concepts_of_the_table() -> set[Concept]:
    parts = [structure.terminology for structure in table().values()]
    found = {c for t in parts for c in (t.category, t.type, t.modifier, t.region, t.region_modifier) if c is not None}
    assert len(found) > 200
    return found


def dictionary(scheme: str) -> dict[str, set[str]]:
    """Every code of DICOM's dictionary with its meanings, in small letters."""
    meanings: dict[str, set[str]] = {}
    for by_code in concepts[scheme].values():
        for code, (meaning, _) in by_code.items():
            meanings.setdefault(code, set()).add(meaning.casefold())
    return meanings


def beyond_dicom() -> dict[str, set[str]]:
    with (FIXTURES / "snomed_beyond_dicom.csv").open(encoding="utf-8", newline="") as file:
        lines = csv.DictReader(line for line in file if not line.startswith("#"))
        return {line["code"]: {line["meaning"].casefold()} for line in lines}


def says_the_same(ours: str, theirs: str) -> bool:
    """Equal but for the words that SNOMED CT puts around a structure's name."""
    return set(ours.casefold().split()) <= set(theirs.replace(":", " ").replace("(", " ").replace(")", " ").split())


def unknown_to(*sources: dict[str, set[str]]) -> set[Concept]:
    """The concepts of the table whose code and meaning none of the sources states."""
    return {
        concept
        for concept in concepts_of_the_table()
        if not any(says_the_same(concept.meaning, m) for source in sources for m in source.get(concept.value, ()))
    }


def test_every_code_exists_with_its_meaning_in_dicoms_dictionary_or_another_published_source() -> None:
    snomed = [concept for concept in unknown_to(dictionary("SCT"), beyond_dicom()) if concept.scheme == "SCT"]
    dicom = [concept for concept in unknown_to(dictionary("DCM")) if concept.scheme == "DCM"]
    assert snomed == dicom == []


def test_other_sources_are_asked_only_for_what_dicoms_dictionary_lacks() -> None:
    lacking = {concept.value for concept in unknown_to(dictionary("SCT")) if concept.scheme == "SCT"}
    assert set(beyond_dicom()) == lacking


def test_every_snomed_code_has_a_right_check_digit() -> None:
    assert check_digit_is_right("64033007") and not check_digit_is_right("64033017")
    assert not [c for c in concepts_of_the_table() if c.scheme == "SCT" and not check_digit_is_right(c.value)]


def test_one_code_has_one_meaning() -> None:
    meanings = Counter((c.scheme, c.value) for c in concepts_of_the_table())
    assert [code for code, count in meanings.items() if count > 1] == []


def test_no_name_stands_twice() -> None:
    names = Counter()  # type: Counter[object]
    for row in rows():
        for name in row["names"].split("; "):
            words = normalised(name)
            assert words is not None
            names[words] += 1
            if row["sides"]:
                assert words[1] is None, f"{name} names a side and takes one"
                names.update([(words[0], LEFT), (words[0], RIGHT)])
    assert [name for name, count in names.items() if count > 1] == []


def test_left_and_right_are_never_swapped() -> None:
    """In every entry that names a side, the code's modifier or its meaning names that side, and never the other."""
    for (words, side), structure in table().items():
        said = structure.terminology
        sides = {c for c in (said.modifier, said.region_modifier) if c in (LEFT, RIGHT)}
        by_meaning = {s for s in (LEFT, RIGHT) if s.meaning.casefold() in said.type.meaning.casefold().split()}
        side = side or {"lv": LEFT, "rv": RIGHT}.get(words.split()[0])
        assert sides | by_meaning == ({side} if side else set()), words


def test_a_model_without_colours_gets_slicers_each_once() -> None:
    names = ("liver", "left kidney", "right kidney", "thing", "Spleen")
    labels = [Label(n, name, (n, n, n)) for n, name in enumerate(names, 1)]
    assert [label.color for label in colored(labels)] == [
        (221, 130, 101),
        (185, 102, 83),
        (3, 3, 3),
        (4, 4, 4),
        (157, 108, 162),
    ]
    assert [(label.value, label.name) for label in colored(labels)] == list(enumerate(names, 1))


def test_slicer_knows_the_colours() -> None:
    assert structure_named("liver").color == (221, 130, 101)  # type: ignore[union-attr]
    assert structure_named("rectum").color is None  # type: ignore[union-attr]
    colors = [structure.color for structure in table().values() if structure.color]
    assert all(0 <= part <= 255 for color in colors for part in color) and len(colors) > 500


SAME_NAMES = [
    [
        "left_kidney",
        "kidney left",
        "kidney_L",
        "Left-Kidney",
        "LEFT KIDNEY",
        "L kidney",
        "Kidney (left)",
        "KidneyLeft",
        "LeftKidney",
    ],
    ["right lung lower lobe", "lung_lower_lobe_right", "Lower lobe of lung, right"],
    ["heart_ventricle_left", "Left ventricle", "LV"],
    ["oesophagus", "Esophagus", "ESOPHAGUS*"],
    ["Left-Thalamus-Proper*", "left thalamus", "thalamus_l", "lh thalamus"],
    ["ctx-lh-precuneus", "lh.precuneus", "Left precuneus"],
    ["vertebrae_C1", "C1", "atlas", "vertebra C1"],
    ["rib_left_1", "left rib 1", "first rib left"],
    ["Liver tumour", "hepatic tumor", "liver_tumors"],
]


@pytest.mark.parametrize("names", SAME_NAMES, ids=[names[0] for names in SAME_NAMES])
def test_ways_to_write_a_name_mean_the_same(names: list[str]) -> None:
    structures = [structure_named(name) for name in names]
    assert structures[0] is not None
    assert structures == [structures[0]] * len(names)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "1",
        "left",
        "L",
        "class 3",
        "Anterior",
        "prostate or uterus",
        "left right kidney",
        "lkidney",
        "kidne",
        "kidney left lower pole",
        "left liver",
        "atrial_appendage_right",
        "ventricle",
        "unknown",
        "l kidney r",
        "\u0000",
        "肝臓",
    ],
)
def test_an_unknown_or_ambiguous_name_stays_without_a_code(name: str) -> None:
    assert structure_named(name) is None
    label = Label(1, name, (1, 2, 3))
    assert coded([label]) == (label,)
    assert terminology_of(label) == GENERIC_TERMINOLOGY


MODELS = {
    "MSD": "liver; pancreas; hepatic vessel; colon cancer primaries; left atrium; spleen; PZ; TZ; edema; "
    "non-enhancing tumor; enhancing tumour; cancer; tumour; vessel; lung tumor; pancreatic tumor; hepatic tumor",
    "BTCV": "spleen; right kidney; left kidney; gallbladder; esophagus; liver; stomach; aorta; inferior vena cava; "
    "portal vein and splenic vein; pancreas; right adrenal gland; left adrenal gland",
    "AMOS": "gall bladder; postcava; duodenum; bladder; right adrenal gland",
    "BraTS": "whole tumor; tumor core; enhancing tumor; WT; TC; ET; necrosis; oedema; peritumoral edema",
    "cardiac": "LV; RV; myocardium; MYO; left atrium; right atrium; pulmonary artery; ascending aorta; "
    "left ventricle blood cavity; right ventricle blood cavity; right atrium blood cavity",
    "FreeSurfer": "Left-Cerebral-White-Matter; Right-Cerebral-Cortex; Left-Lateral-Ventricle; Left-Inf-Lat-Vent; "
    "Left-Cerebellum-White-Matter; Right-Cerebellum-Cortex; Left-Caudate; Right-Putamen; Left-Pallidum; "
    "3rd-Ventricle; 4th-Ventricle; Brain-Stem; Left-Hippocampus; Right-Amygdala; CSF; Left-Accumbens-area; "
    "Right-VentralDC; Left-choroid-plexus; WM-hypointensities; Optic-Chiasm; ctx-rh-bankssts",
    "TotalSegmentator": "adrenal_gland_left; kidney_cyst_right; vertebrae_S1; vertebrae_T12; brachiocephalic_trunk; "
    "subclavian_artery_left; atrial_appendage_left; iliac_vena_left; clavicula_right; hip_left; gluteus_minimus_left; "
    "autochthon_right; iliopsoas_left; rib_right_12; costal_cartilages; intervertebral_discs; lung_middle_lobe_right; "
    "small_bowel; thyroid_gland; skull; vertebrae; subcutaneous_fat; torso_fat; skeletal_muscle; liver_segment_8",
    "VISTA3D": "prostate; rectum; bone; lung; left iliac artery; right iliac vena; left clavicula; kidney mass; "
    "bone lesion; liver tumor; vertebrae L6; airway; left rib 12; hepatic vessel; left kidney cyst; spinal cord",
}


@pytest.mark.parametrize(("source", "name"), [(s, n) for s, names in MODELS.items() for n in names.split("; ")])
def test_the_names_that_known_models_use_are_coded(source: str, name: str) -> None:
    assert structure_named(name) is not None


def test_every_vertebra_and_every_rib_is_there_on_both_sides() -> None:
    vertebrae = [f"vertebrae_{c}{n}" for c, count in (("C", 7), ("T", 12), ("L", 5)) for n in range(1, count + 1)]
    ribs = [f"rib_{side}_{n}" for side in ("left", "right") for n in range(1, 13)]
    found = [structure_named(name) for name in vertebrae + ribs]
    assert None not in found
    assert len({s.terminology for s in found if s}) == 48


def test_a_tumour_lies_in_an_organ_on_a_side() -> None:
    structure = structure_named("kidney_tumor_left")
    assert structure is not None
    said = structure.terminology
    assert (said.category.meaning, said.type.meaning) == ("Morphologically Altered Structure", "Neoplasm")
    assert (said.region, said.region_modifier, said.modifier) == (Concept("64033007", "SCT", "Kidney"), LEFT, None)


def test_a_code_that_the_model_gives_wins_over_the_table() -> None:
    own = Terminology(Concept("1", "99X", "Mine"), Concept("2", "99X", "Mine too"))
    given, bare = Label(1, "liver", (1, 2, 3), own), Label(2, "liver", (4, 5, 6))
    first, second = coded([given, bare])
    assert first is given
    assert second.terminology is not None and second.terminology.type.meaning == "Liver"
    assert (second.value, second.name, second.color) == (2, "liver", (4, 5, 6))


def test_a_model_without_codes_opens_with_codes_and_keeps_its_identity(tmp_path: Path) -> None:
    plain = threshold_package(tmp_path / "plain", labels=(Label(1, "Liver", (1, 2, 3)),))
    assert plain.spec.labels[0].terminology is not None
    assert plain.spec.labels[0].terminology.type == Concept("10200004", "SCT", "Liver")
    own = Terminology(Concept("1", "99X", "Mine"), Concept("2", "99X", "Mine too"))
    given = threshold_package(tmp_path / "given", labels=(Label(1, "Liver", (1, 2, 3), own),))
    assert given.spec.labels[0].terminology == own
    unknown = threshold_package(tmp_path / "unknown", labels=(Label(1, "thing", (1, 2, 3)),))
    assert unknown.spec.labels[0].terminology is None
    assert len({plain.sha256, given.sha256, unknown.sha256}) == 3


def test_a_package_written_from_an_opened_one_holds_the_codes(tmp_path: Path) -> None:
    from fixtures.packages import threshold_weights

    opened = threshold_package(tmp_path / "one", labels=(Label(1, "Liver", (1, 2, 3)),))
    again = write_package(opened.spec, threshold_weights(), tmp_path / "two")
    assert again.spec.labels == opened.spec.labels == open_model(tmp_path / "two").spec.labels


def test_the_structures_of_the_catalogue_have_codes_but_for_one_that_the_standard_does_not_hold() -> None:
    """Models of MONAIAuto3DSeg come with their own codes."""
    uncoded = set()
    for entry in catalogue().values():
        if entry.spec is not None:
            uncoded |= {label.name for label in coded(entry.spec.labels) if label.terminology is None}
        elif not entry.name.startswith("auto3dseg-"):
            uncoded |= {name for name in entry.structures if structure_named(name) is None}
    assert uncoded == {"central gland"}
