"""Text to words (`tokens`), their counts by class (`counts`), what they are worth (`values`), texts to `confidence`."""

from tocsin.kernels.text.confidence import (
    MAX,
    MEAN,
    SUM,
    Memo,
    confidence_of,
    confidence_value,
    look_up,
    memo,
    recognise,
    reference_combined,
    word_confidence_of,
)
from tocsin.kernels.text.counts import EMPTY, Lead, Once, Table, count_text, lead, place_all, refill
from tocsin.kernels.text.keys import ngram_key, plain_step, step, word_key
from tocsin.kernels.text.letters import alphabet
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
    "Lead",
    "Memo",
    "Once",
    "Rule",
    "Table",
    "Words",
    "alphabet",
    "confidence_of",
    "confidence_value",
    "count_text",
    "global_values",
    "largest",
    "lead",
    "local",
    "look_up",
    "memo",
    "ngram_key",
    "place_all",
    "plain_step",
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
