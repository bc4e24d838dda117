"""Texts as numbers: their words (`tokeniser`), what words are worth to each class (`ss3`), and hashed `ngrams`."""

from tocsin.kernels.text.ss3.bloom_filter import empty_filter, enter_names, filled, may_hold
from tocsin.kernels.text.ss3.candidates import Candidates, no_candidates
from tocsin.kernels.text.ss3.confidence import Operators, confidence_of, word_confidence_of
from tocsin.kernels.text.ss3.counts import EMPTY, NgramTable, SeenOnce, Vocabulary, copy_waiting, count_text, insert_all
from tocsin.kernels.text.ss3.fast_path import fast_confidence_of, fast_word_confidence_of
from tocsin.kernels.text.ss3.global_values import (
    Rule,
    global_values,
    local_values,
    reference_global_values,
    root,
    rule,
    significance,
)
from tocsin.kernels.text.ss3.largest_values import largest_values
from tocsin.kernels.text.ss3.lessons.one_by_one import Cut, Lesson, Run, Way, learn_texts
from tocsin.kernels.text.ss3.lessons.scale_fit import reference_fitted_scale, scaled
from tocsin.kernels.text.ss3.operators import reference_combined
from tocsin.kernels.text.ss3.reading_state import ReadingState
from tocsin.kernels.text.ss3.recognise import look_up, recognise
from tocsin.kernels.text.ss3.strongest import strongest_ngrams
from tocsin.kernels.text.ss3.value_cache import ValueCache, confidence_value, empty_cache
from tocsin.kernels.text.tokeniser.characters import alphabet
from tocsin.kernels.text.tokeniser.hashing import ngram_key, word_key
from tocsin.kernels.text.tokeniser.reference import BREAK, SENTENCE, words
from tocsin.kernels.text.tokeniser.scripts import parted
from tocsin.kernels.text.tokeniser.to_ascii import Flat, flatten
from tocsin.kernels.text.tokeniser.unicode import Words, tokenise

__all__ = [
    "BREAK",
    "EMPTY",
    "SENTENCE",
    "Candidates",
    "Cut",
    "Flat",
    "Lesson",
    "NgramTable",
    "Operators",
    "ReadingState",
    "Rule",
    "Run",
    "SeenOnce",
    "ValueCache",
    "Vocabulary",
    "Way",
    "Words",
    "alphabet",
    "confidence_of",
    "confidence_value",
    "copy_waiting",
    "count_text",
    "empty_cache",
    "empty_filter",
    "enter_names",
    "fast_confidence_of",
    "fast_word_confidence_of",
    "filled",
    "flatten",
    "global_values",
    "insert_all",
    "largest_values",
    "learn_texts",
    "local_values",
    "look_up",
    "may_hold",
    "ngram_key",
    "no_candidates",
    "parted",
    "recognise",
    "reference_combined",
    "reference_fitted_scale",
    "reference_global_values",
    "root",
    "rule",
    "scaled",
    "significance",
    "strongest_ngrams",
    "tokenise",
    "word_confidence_of",
    "word_key",
    "words",
]
