"""A data set: cases under one table of labels. What training, the check and the export work on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from MedDLCore.errors import Code, MedDLError
from MedDLCore.spec import Channel
from MedDLCore.volume import Label, LabelMap, Volume

from .case import Case, Unusable
from .composing import compose
from .label_table import LabelTable, propose
from .split import Split


@dataclass(frozen=True, eq=False)
class Loaded:
    """A case in memory.

    Attributes:
        volumes: one for each channel, each on its own grid; ``preprocess.prepare`` brings them onto the first one's.
        truth: on the first volume's grid, in the data set's values and with all its labels. One layer where structures
            do not overlap; as many as they need where they do. A label may lie in another layer in another case.
    """

    volumes: tuple[Volume, ...]
    truth: LabelMap


@dataclass(frozen=True, eq=False)
class DataSet:
    """Cases that were annotated alike.

    Attributes:
        cases: in the order of their ids.
        channels: what the images of each case are.
        table: which segment of which case becomes which label.
        unusable: what was found and is no case. A training refuses to start while there is any.
        splits: how the person divides the cases; empty: not said.
        exclusive: the labels are meant not to overlap. False where the data set declares regions that do.
        stored_values: the label map values of a data set that numbers its labels itself; empty: it does not.
        declared: how many cases the data set's description says there are; None: it does not say.
        named: the values of its label maps have names; False: the same number was taken for the same structure.
    """

    cases: tuple[Case, ...]
    channels: tuple[Channel, ...]
    table: LabelTable
    unusable: tuple[Unusable, ...] = ()
    splits: tuple[Split, ...] = ()
    exclusive: bool = True
    stored_values: tuple[int, ...] = ()
    declared: int | None = None
    named: bool = True

    @property
    def labels(self) -> tuple[Label, ...]:
        """The structures, with the values 1, 2, 3 ... that ``load`` gives them."""
        return self.table.labels

    def load(self, case: Case) -> Loaded:
        """Reads a case.

        Raises:
            MedDLError: what the sources refuse; LABELS_APART where the label map does not lie on its scan;
                DATA_INVALID where it holds values that no segment has.
        """
        volumes = tuple(image.read() for image in case.images)
        truths = [truth.read(volumes[0]) for truth in case.truths]
        composed = compose(case, truths, self.table, volumes[0].geometry)
        composed.check()
        return Loaded(volumes, composed.truth)

    def without(self, names: Collection[str]) -> DataSet:
        """The data set, and its splits, without the cases and what else was found that the person names by name or id.

        Raises:
            MedDLError: DATA_INVALID where there is none of a name.
        """
        known = {text for case in self.cases for text in (case.name, case.id)}
        known |= {text for item in self.unusable for text in (item.name, item.id)}
        if unknown := [name for name in names if name not in known]:
            raise MedDLError(
                Code.DATA_INVALID,
                f"There is no case {', '.join(unknown)} to leave out.",
                "Names are those that meddl check shows.",
            )
        cases = tuple(case for case in self.cases if not {case.name, case.id} & set(names))
        unusable = tuple(item for item in self.unusable if not {item.name, item.id} & set(names))
        left = {text for case in self.cases if case not in cases for text in (case.name, case.id)} | set(names)
        return replace(self, cases=cases, unusable=unusable, splits=tuple(one.without(left) for one in self.splits))

    def with_table(self, table: LabelTable) -> DataSet:
        """The data set under another table of labels."""
        return replace(self, table=table)

    def ordered_as(self, labels: Sequence[Label]) -> DataSet:
        """The data set with its labels in the order of these where both have the same names; else as it is.

        The first case decides the order: a model that is trained on may have learnt from another one.
        """
        names, own = ([label.name for label in its] for its in (labels, self.labels))
        return self.with_table(self.table.ordered_as(names)) if names != own and sorted(names) == sorted(own) else self


def data_set_of(
    cases: Iterable[Case], channels: Sequence[Channel] = (Channel("image"),), table: LabelTable | None = None
) -> DataSet:
    """A data set of cases that the caller has made, such as those of an open scene. ``table``: ``propose`` if None."""
    found = tuple(cases)
    return DataSet(found, tuple(channels), table or propose(found))
