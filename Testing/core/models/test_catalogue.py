"""The catalogue that comes with MedDL is complete and codes nothing that a standard does not."""

from __future__ import annotations

import pytest
from pydicom.sr._concepts_dict import concepts

from MedDLCore.errors import Code, MedDLError
from MedDLCore.models.catalogue import Entry, catalogue, entry, entry_of_weights
from MedDLCore.models.networks import build_network
from MedDLCore.volume import Concept

ENTRIES = list(catalogue().values())


@pytest.mark.parametrize("item", ENTRIES, ids=lambda item: item.name)
def test_an_entry_has_what_a_person_must_know_before_downloading(item: Entry) -> None:
    assert item.title and item.description and item.citation
    assert item.licence.name and item.licence.url.startswith("https://") and item.licence.text
    assert item.size == sum(file.size for file in item.files) > 0
    weights = {(w.file, w.sha256) for w in item.spec.weights}
    assert weights == {(file.file, file.sha256) for file in item.files}
    for file in item.files:
        assert file.url.startswith("https://") and len(file.sha256) == 64
    assert {channel.modality for channel in item.spec.channels} == {item.modality}


@pytest.mark.parametrize("item", ENTRIES, ids=lambda item: item.name)
def test_an_entry_describes_a_network_that_can_be_built_with_a_channel_for_each_label(item: Entry) -> None:
    network = build_network(item.spec.network, "meta")
    outputs = list(network.parameters())[-1].shape[0]
    assert outputs == item.spec.output_channels
    assert [label.value for label in item.spec.labels] == list(range(1, outputs))
    assert len({label.name.casefold() for label in item.spec.labels}) == outputs - 1


def known(concept: Concept) -> bool:
    """pydicom's dictionary of DICOM's context groups has the code with a meaning that begins alike."""
    meanings = [
        meaning
        for codes in concepts[concept.scheme].values()
        for value, (meaning, _) in codes.items()
        if value == concept.value
    ]
    return any(meaning.casefold().startswith(concept.meaning.casefold()) for meaning in meanings)


@pytest.mark.parametrize("item", ENTRIES, ids=lambda item: item.name)
def test_every_code_is_one_of_dicoms_own(item: Entry) -> None:
    coded = [label for label in item.spec.labels if label.terminology is not None]
    assert coded
    for label in coded:
        assert label.terminology is not None
        assert known(label.terminology.type), label
        assert label.terminology.category == Concept("123037004", "SCT", "Anatomical Structure")
    types = [label.terminology.type for label in coded if label.terminology]
    assert len(set(types)) == len(types), "two structures with one code cannot be told apart"


def test_entries_are_found_by_name_and_by_their_weights() -> None:
    for item in ENTRIES:
        assert entry(item.name.upper()) is item
        assert entry_of_weights(item.files[0].sha256) is item
    assert entry_of_weights("0" * 64) is None


def test_an_unknown_name_is_answered_with_near_ones() -> None:
    with pytest.raises(MedDLError) as caught:
        entry("brain-tisue")
    assert caught.value.code is Code.MODEL_NOT_FOUND
    assert "brain-tissue-t1" in caught.value.hint
