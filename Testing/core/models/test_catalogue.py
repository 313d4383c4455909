"""The catalogue that comes with MedDL is complete and codes nothing that a standard does not."""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

import pytest
from pydicom.sr._concepts_dict import concepts

from MedDLCore.errors import Code, MedDLError
from MedDLCore.models.catalogue import Entry, catalogue, entry, spec_of_weights
from MedDLCore.models.download import LARGEST
from MedDLCore.models.networks import build_network
from MedDLCore.volume import Concept

ENTRIES = list(catalogue().values())
DESCRIBED = [item for item in ENTRIES if item.spec is not None]


@pytest.mark.parametrize("item", ENTRIES, ids=lambda item: item.name)
def test_an_entry_has_what_a_person_must_know_before_downloading(item: Entry) -> None:
    assert item.title and item.description and item.citation and item.source.startswith("https://")
    assert item.licence.name and item.licence.url.startswith("https://")
    assert item.structures and len({name.casefold() for name in item.structures}) == len(item.structures)
    assert {channel.modality for channel in item.channels} <= {"CT", "MR"}
    assert item.files and item.digests
    assert len({file.name for file in item.files}) == len(item.files), "they lie in one folder"


@pytest.mark.parametrize("item", ENTRIES, ids=lambda item: item.name)
def test_a_file_has_an_address_a_place_and_digests_of_the_right_length(item: Entry) -> None:
    for file in item.files:
        parts = urlsplit(file.url)
        assert parts.scheme == "https" and parts.hostname and file.name and not parts.fragment
        assert file.size is None or 0 < file.size < LARGEST
        for algorithm, digest in file.digests.items():
            assert len(bytes.fromhex(digest)) == hashlib.new(algorithm, usedforsecurity=False).digest_size
        if file.file is None:
            assert file.name.endswith(".zip")
    kinds = [file.file is None for file in item.files]
    assert kinds == sorted(kinds, reverse=True), "a zip comes before what lies beside its content"


@pytest.mark.parametrize("item", DESCRIBED, ids=lambda item: item.name)
def test_an_entry_describes_a_network_that_can_be_built_with_a_channel_for_each_label(item: Entry) -> None:
    assert item.spec is not None and item.licence.text
    weights = {(w.file, w.sha256) for w in item.spec.weights}
    assert weights == {(file.file, file.sha256) for file in item.files}
    assert item.size == sum(file.size or 0 for file in item.files) > 0
    network = build_network(item.spec.network, "meta")
    outputs = list(network.parameters())[-1].shape[0]
    assert outputs == item.spec.output_channels
    assert [label.value for label in item.spec.labels] == list(range(1, outputs))


def known(concept: Concept) -> bool:
    """pydicom's dictionary of DICOM's context groups has the code with a meaning that begins alike."""
    meanings = [
        meaning
        for codes in concepts[concept.scheme].values()
        for value, (meaning, _) in codes.items()
        if value == concept.value
    ]
    return any(meaning.casefold().startswith(concept.meaning.casefold()) for meaning in meanings)


@pytest.mark.parametrize("item", DESCRIBED, ids=lambda item: item.name)
def test_every_code_is_one_of_dicoms_own(item: Entry) -> None:
    assert item.spec is not None
    coded = [label for label in item.spec.labels if label.terminology is not None]
    assert coded
    for label in coded:
        assert label.terminology is not None
        assert known(label.terminology.type), label
        assert label.terminology.category == Concept("123037004", "SCT", "Anatomical Structure")
    types = [label.terminology.type for label in coded if label.terminology]
    assert len(set(types)) == len(types), "two structures with one code cannot be told apart"


def test_entries_are_found_by_name_and_specs_by_their_weights() -> None:
    for item in ENTRIES:
        assert entry(item.name.upper()) is item
    for item in DESCRIBED:
        assert item.files[0].sha256 and spec_of_weights(item.files[0].sha256) is item.spec
    assert spec_of_weights("0" * 64) is None


def test_an_unknown_name_is_answered_with_near_ones() -> None:
    with pytest.raises(MedDLError) as caught:
        entry("brain-tisue")
    assert caught.value.code is Code.MODEL_NOT_FOUND
    assert "brain-tissue-t1" in caught.value.hint
