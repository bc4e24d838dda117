"""What every expert of a pool is: evidence out, labels in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.models.data.batch import Batch, Bools, Floats, Ints
from tocsin.models.data.feedback import in_turns
from tocsin.models.data.snapshot import Arrays as Arrays
from tocsin.models.data.snapshot import SnapshotError as SnapshotError
from tocsin.models.data.subject_text import SubjectStanding, SubjectText

Operator = Literal["<=", ">", "=", "!="]
MAX_CONDITIONS = 32
"""The most tests that one path through a tree is told with."""


class PoolContext(NamedTuple):
    """What an expert needs to know of the pool that it is built for."""

    names: Sequence[str] = ()
    """The names of the columns of X."""
    nominal: Sequence[bool] = ()
    """Which columns are categories."""
    seed: int = 0
    max_vocabulary: int = 200_000
    max_text: int = 100_000
    """Characters of a text that an expert reads."""
    classes: Sequence[str] = ()
    """The names of the classes, in the order of their indices; empty where they are found in labels."""
    rated_classes: int = 0
    """The most classes whose rates stand for a category, see `Batch.rates`; 0 where there are no rates."""
    before: int = 0
    """How many experts stand before it in the pool."""


class TreeCondition(NamedTuple):
    """One test on the path from a tree's root to the leaf that answers."""

    feature: str
    operator: Operator
    value: float | int | str
    """What the feature is compared with."""
    actual: float | int | None
    """The event's own value; None where it is not known or the tree has not met it."""
    coded: bool
    """Whether a whole number stands for a category or a label, whose name is to be shown instead."""


class TreePaths(NamedTuple):
    """The paths of B events through the trees that answer, with at most S tests. `TreeCondition` is one of them."""

    columns: Sequence[str]
    """The names of the inputs."""
    feature: Ints
    """[B, S], the column of the inputs that is tested."""
    operator: Ints
    """[B, S], the place among `tocsin.kernels.hoeffding.OPERATORS`."""
    value: Floats
    """[B, S], what the feature is compared with."""
    actual: Floats
    """[B, S], the event's own value; NaN where it is not known or the tree has not met it."""
    test: Ints
    """[B, S], one number for each test: where it is the same, so are feature, operator and value."""
    length: Ints
    """[B], how many tests the path has; what stands behind them means nothing."""


class RuleStanding(NamedTuple):
    """How one rule that a team declared stands."""

    name: str
    label: int
    """The class that it speaks for."""
    says: str
    """What its author wants to be said where it fires; it may be empty."""
    confidence: float
    """The share of the events on which it fires that its author expects to be of that class."""
    precision: float
    """That share as it is believed now: by labels, of which old ones fade, and by `confidence` while there are few."""
    events: float
    """The weight of the labelled events on which it fired, old ones faded."""
    turned_bad: bool
    """Whether it is right clearly less often than `confidence` says."""


class Expert(ABC):
    """One kind of classifier in the pool.

    The state of an expert is a function of the feedback in its order alone. It never depends on how a batch was cut,
    on time, or on a generator that other code draws from.

    A new kind of expert is one file that subclasses `Expert`, its settings (a subclass of
    `tocsin.config.experts.ExpertSettings`), and one line in `tocsin.models.experts.registry`.
    """

    name: str
    reads_text: bool = False
    """Whether the expert reads texts. A label of a subject teaches it from the subject's earlier texts as well."""
    whole_subject: bool = False
    """Whether its evidence is of all that a subject wrote (see `follow`) rather than of the event's own text."""
    hears: bool = False
    """Whether it is shown what the experts before it say of an event (`Batch.said`)."""
    words_add_up_to: Literal["evidence", "log-odds"] = "evidence"
    """What the values that `words` gives are parts of, see `tocsin.explain.explanation.Word`."""

    # Every expert answers these.

    @classmethod
    @abstractmethod
    def from_settings(cls, settings: Any, pool: PoolContext) -> Expert:
        """The expert that the settings of its kind describe. Raises ValueError naming the setting that is wrong."""

    @abstractmethod
    def resize(self, features: int, classes: int) -> None:
        """Make room for more columns or classes than before. Never shrinks."""

    @abstractmethod
    def evidence(self, batch: Batch) -> Floats:
        """Pseudo-counts [B, K], all >= 0; a row of zeros says that the expert does not know."""

    @abstractmethod
    def learn(self, batch: Batch, y: Ints, weight: Floats) -> None:
        """Learn B labelled events, in order; y [B] are class indices below K, weight [B] is > 0."""

    @abstractmethod
    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The whole state as arrays of plain dtypes (numbers, booleans, fixed-width text). Raises SnapshotError."""

    @abstractmethod
    def load_state_dict(self, arrays: Arrays) -> None:
        """Take over a state that `state_dict` gave. Raises SnapshotError."""

    # An expert overrides these where its kind has more to say.

    def set_columns(self, names: Sequence[str], nominal: Sequence[bool]) -> None:  # noqa: B027 - not all look at columns
        """Say what the columns of X are called and which are categories; called before `resize` adds columns."""

    def predict_then_learn(self, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """Learn B events in order; returns the evidence [B, K] for each as it was just before that event.

        A kind of expert that can do both in one pass overrides this and spares half the work.
        """
        answers = []
        for i in range(len(batch)):
            event = batch.rows(i, i + 1)
            answers.append(self.evidence(event))
            self.learn(event, y[i : i + 1], weight[i : i + 1])
        return np.concatenate(answers)

    def ask_and_learn(self, asked: Batch, ahead: Ints, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """Answer n events and learn m others in turns; returns the evidence [n, K] for each event that is asked about.

        `ahead` int64 [n], which never falls, says how many of the m events are learnt before each of the n is asked
        about. A kind of expert that has a lagged pass (`tocsin.kernels.lagged`) overrides this, and spares many calls.
        """
        answers: list[Floats] = []

        def ask(start: int, stop: int) -> None:
            answers.append(self.evidence(asked.rows(start, stop)))

        def learn(start: int, stop: int) -> None:
            self.learn(batch.rows(start, stop), y[start:stop], weight[start:stop])

        in_turns(ahead, len(batch), ask, learn)
        return np.concatenate(answers) if answers else self.evidence(asked)

    def merge(self, other: Any, share: float) -> None:  # noqa: B027 - most kinds have no mean
        """Become the mean of both, in which `other`, of the same class and columns, has `share` in [0, 1].

        A kind that has no mean stays as it is.
        """

    @property
    def n_nodes(self) -> int | None:
        """Branches and leaves of the trees that answer; None for an expert that has no tree."""
        return None

    @property
    def rules(self) -> Sequence[RuleStanding]:
        """How its declared rules stand, [R]; empty for an expert that has none."""
        return ()

    def fired(self, batch: Batch) -> Bools:
        """Which of its declared `rules` fire on each event, [B, R]."""
        return np.zeros((len(batch), 0), np.bool_)

    def explain(self, batch: Batch, i: int, label: int) -> list[TreeCondition]:
        """The path of event i through the tree that answers, for the class `label`; empty where there is no tree."""
        return []

    def paths(self, batch: Batch, rows: Ints, labels: Ints) -> TreePaths | None:
        """What `explain` says of the events `rows` [R], each for the class in `labels` [R], all at once.

        None for an expert that can only `explain` one event after the other.
        """
        return None

    def warm_up(self, batch: Batch) -> None:  # noqa: B027 - most kinds compile all by learning and scoring
        """Compile what explanations need, with a batch of one event."""

    # An expert that reads texts answers these.

    def recall(self, batch: Batch, posts: Sequence[Sequence[str]]) -> Floats:
        """The evidence [B, K] for events whose subjects had written `posts` before."""
        return self.evidence(batch)

    def learn_posts(self, batch: Batch, y: Ints, weight: Floats, posts: Sequence[Sequence[str]]) -> None:
        """`learn` for events whose labels hold of the subject's earlier texts, too."""
        self.learn(batch, y, weight)

    def words(self, text: str) -> list[tuple[str, Floats]]:
        """The n-grams that moved the evidence of a text, each with what it adds to each class [K]."""
        return []

    def strongest_words(self, texts: Sequence[str], most: int) -> list[list[tuple[str, Floats]]]:
        """What `words` says of each text, at the least of the `most` n-grams that moved its evidence most."""
        return [self.words(text) for text in texts]

    def standing(self, text: SubjectText, posts: int) -> SubjectStanding | None:
        """How a subject stands with each class after so many posts; None where the expert reads no whole subjects."""
        return None

    def follow(self, batch: Batch) -> tuple[Floats, list[SubjectText], Floats]:
        """For an expert of whole subjects: B events in order, with what their subjects wrote before in the batch.

        Returns the evidence [B, K], the subject text state after each event, and by how much each event moved the
        evidence [B, K].
        """
        raise NotImplementedError(f"{type(self).__name__} does not read whole subjects")
