from __future__ import annotations

import pytest

from tocsin.streams.replay.inference.words import is_id, is_label, is_perhaps_label, is_subject, may_be_secret


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("label", "label"), ("payment.verdict", "label"), ("true_label", "label"), ("y", "label"),
        ("is_fraud", "perhaps"), ("isSpam", "perhaps"), ("Churned", "perhaps"), ("passenger_class", "perhaps"),
        ("labelled_at", ""), ("amount", ""), ("", ""),
    ],
)  # fmt: skip
def test_what_a_name_says_of_a_label(name: str, said: str) -> None:
    assert ("label" if is_label(name) else "perhaps" if is_perhaps_label(name) else "") == said


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("customer", True), ("customer.id", True), ("customerID", True), ("account_no", True), ("user_name", True),
        ("customer_age", False), ("card_present", False), ("device_type", False), ("user_agent", False), ("id", False),
    ],
)  # fmt: skip
def test_a_subject_is_an_account_and_not_the_age_of_one(name: str, subject: bool) -> None:
    assert is_subject(name) is subject


def test_ids_and_secrets_are_known_by_their_names() -> None:
    assert all(map(is_id, ("id", "payment_id", "UUID", "row number", "transaction.ref")))
    assert not any(map(is_id, ("paid", "idle", "identity card", "")))
    assert all(map(may_be_secret, ("password", "apiKey", "user.token", "card_number", "SSN", "CVV2")))
    assert not any(map(may_be_secret, ("key", "spinning", "card_present", "tokens_used", "amount")))
