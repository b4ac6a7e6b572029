"""What primitives are taken of: a column, the elements of a list column, or something that SQL makes of a row's columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Rows:
    """The rows themselves."""

    @property
    def columns(self) -> tuple[str, ...]:
        return ()

    @property
    def label(self) -> str:
        """What stands for it in kept partials, where the column is known: the same whatever the column is called."""
        return ""


@dataclass(frozen=True)
class OfColumn:
    """Something of one column."""

    name: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def label(self) -> str:
        """See `Rows.label`."""
        return ""


@dataclass(frozen=True)
class Column(OfColumn):
    """A column's values: numbers and booleans as doubles, times as seconds since 1970, texts as they are."""


@dataclass(frozen=True)
class Length(OfColumn):
    """The characters of a text, or the elements of a list, NULL ones too."""

    @property
    def label(self) -> str:
        return "length"


@dataclass(frozen=True)
class Elements(OfColumn):
    """The elements of a list column, of each list the first so many; a NULL counts as one when they are cut, and is left out after."""

    first: int | None = None

    @property
    def label(self) -> str:
        return "@" if self.first is None else f"@{self.first}"


@dataclass(frozen=True)
class Lists(OfColumn):
    """The lists of a list column themselves: only whether they are there."""

    @property
    def label(self) -> str:
        return "lists"


@dataclass(frozen=True)
class Expression:
    """A number for each row, in SQL that every engine understands.

    In the template `{0}`, `{1}` … stand for the columns, as `Column` has them. Literals are written as doubles (`1e0`); of functions there
    are `abs`, `ln`, `power`, `least`, `greatest` and `coalesce`, and CASE.

    Of a list of numbers `{0[3]}` is the third, `{0.length}` how many there are, `{0.present}` how many are not NULL, `{0.largest}` and
    `{0.second}` the largest two, NaN being larger than any, and `{0.where_largest}` the place of the first largest, from 1; these last
    are of lists without NULL.

    :param label: what stands for it in kept partials: a name for the template.
    :param literals: values that stand in the template after the columns: texts, or numbers and booleans as doubles.
    """

    template: str
    columns: tuple[str, ...]
    label: str
    literals: tuple[str | float, ...] = ()


@dataclass(frozen=True)
class Ranked:
    """The rows by a score, and which of them are positive.

    :param score: a number for each row; rows without one are left out.
    :param positive: 1 for a positive row and 0 for another; rows that are neither are left out.
    """

    score: Expression
    positive: Expression

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.score.columns, *self.positive.columns)))

    @property
    def label(self) -> str:
        return "ranked"


@dataclass(frozen=True)
class Combination:
    """The values of several columns together, as rows have them, NULL being one: only to be counted."""

    columns: tuple[str, ...]

    @property
    def label(self) -> str:
        return "combination"


@dataclass(frozen=True)
class Aggregate:
    """An aggregate that a user writes, in the SQL of the place that reads the rows."""

    sql: str

    @property
    def columns(self) -> tuple[str, ...]:
        return ()

    @property
    def label(self) -> str:
        return "own"


@dataclass(frozen=True)
class Function:
    """A user's function over a group's rows.

    :param call: is given a pandas frame of the columns, and returns a number or None.
    """

    call: Callable[[Any], float | None]
    columns: tuple[str, ...]
    label: str = "own"


@dataclass(frozen=True)
class Hits:
    """Where ranked lists of items have relevant ones: only to be counted, and `valid`, the rows that have relevant items.

    Of each such row are counted a place 0 and the places, from 1, at which relevant items stand for the first time; each with how many
    hits there are up to it, how many different relevant items the row has, and if `lengths` the prediction's length.

    :param relevance: a column with the grade of each relevant item; it is relevant where that is above 0.
    :param depth: places beyond it are not looked at.
    """

    prediction: str
    ground_truth: str
    relevance: str | None = None
    depth: int | None = None
    lengths: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.prediction, self.ground_truth, *([] if self.relevance is None else [self.relevance]))

    @property
    def label(self) -> str:
        return "hits"


@dataclass(frozen=True)
class Gain:
    """The discounted cumulative gain of a ranked list as a share of the best one that there could be, of the first so many places; a number
    for each row that has relevant items.
    """

    prediction: str
    ground_truth: str
    relevance: str
    first: int | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.prediction, self.ground_truth, self.relevance)

    @property
    def label(self) -> str:
        return "gain" if self.first is None else f"gain_{self.first}"


Operand = Rows | Column | Length | Elements | Lists | Expression | Ranked | Combination | Hits | Gain | Aggregate | Function
