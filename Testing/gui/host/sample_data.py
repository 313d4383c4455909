"""The module ``SampleData``: remembers what is registered."""

from __future__ import annotations

from typing import ClassVar


class SampleDataLogic:
    """Attributes: ``sources``, the keyword arguments of each; ``titles`` by category."""

    sources: ClassVar[list[dict[str, str]]] = []
    titles: ClassVar[dict[str, str]] = {}

    @classmethod
    def registerCustomSampleDataCategory(cls, category: str, title: str) -> None:
        """As Slicer's."""
        cls.titles[category] = title

    @classmethod
    def registerCustomSampleDataSource(
        cls,
        category: str,
        sampleName: str,
        uris: str,
        fileNames: str,
        nodeNames: str,
        checksums: str,
        thumbnailFileName: str,
    ) -> None:
        """As Slicer's, with the arguments that we give."""
        given = {"sampleName": sampleName, "uris": uris, "fileNames": fileNames, "checksums": checksums}
        about = {"category": category, "nodeNames": nodeNames, "thumbnailFileName": thumbnailFileName}
        cls.sources.append({**about, **given})
