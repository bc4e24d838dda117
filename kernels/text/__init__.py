"""Text to words (`tokens`), their counts by class (`counts`), what they are worth (`values`), texts to `confidence`."""

from tocsin.kernels.text.ascii import read_ascii, read_flat
from tocsin.kernels.text.confidence import confidence_of, word_confidence_of
from tocsin.kernels.text.counts import (
    EMPTY,
    Lead,
    Once,
    Table,
    count_text,
    lead,
    place_all,
    refill,
)
from tocsin.kernels.text.fast import quick_ngrams, quick_words
from tocsin.kernels.text.filter import (
    empty_filter,
    enter_names,
    filled,
    may_hold,
)
from tocsin.kernels.text.flat import Flat, flatten
from tocsin.kernels.text.keys import (
    ngram_key,
    plain_step,
    step,
    word_key,
)
from tocsin.kernels.text.letters import alphabet
from tocsin.kernels.text.lexicon import Lexicon
from tocsin.kernels.text.memo import Memo, confidence_value, memo
from tocsin.kernels.text.operators import (
    MAX,
    MEAN,
    SUM,
    reference_combined,
)
from tocsin.kernels.text.recognise import look_up, recognise
from tocsin.kernels.text.tokens import Words, tokenise
from tocsin.kernels.text.values import (
    Rule,
    global_values,
    largest,
    local,
    reference_global_values,
    root,
    rule,
    significance,
)
from tocsin.kernels.text.words import BREAK, SENTENCE, words

__all__ = [
    "BREAK",
    "EMPTY",
    "MAX",
    "MEAN",
    "SENTENCE",
    "SUM",
    "Flat",
    "Lead",
    "Lexicon",
    "Memo",
    "Once",
    "Rule",
    "Table",
    "Words",
    "alphabet",
    "confidence_of",
    "confidence_value",
    "count_text",
    "empty_filter",
    "enter_names",
    "filled",
    "flatten",
    "global_values",
    "largest",
    "lead",
    "local",
    "look_up",
    "may_hold",
    "memo",
    "ngram_key",
    "place_all",
    "plain_step",
    "quick_ngrams",
    "quick_words",
    "read_ascii",
    "read_flat",
    "recognise",
    "reference_combined",
    "reference_global_values",
    "refill",
    "root",
    "rule",
    "significance",
    "step",
    "tokenise",
    "word_confidence_of",
    "word_key",
    "words",
]
