"""Words in the names of columns, by which people say what a column holds."""

from __future__ import annotations

import re
from itertools import pairwise

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_a-zA-Z]+")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


ID = _set("id ids uuid guid key no nr num number index idx hash ref reference row rownum")
SUBJECT = _set(
    "customer user account client subject card device sensor patient author thread member session host machine player "
    "sender caller vehicle driver employee student household merchant visitor owner msisdn imei userid accountid "
    "customerid username login"
)
SUBJECT_FORMS = ID | {"name", "code"}
"""What may follow a word of `SUBJECT`, so that the name is still that of a subject."""
TIME = _set("time timestamp ts datetime date when created at occurred epoch day")
LATER = _set(
    "updated modified closed resolved decided labelled labeled expiry expires expiration birth dob due end ended until "
    "next last reviewed finished completed paid"
)
"""What a time is named for that is not the event's own."""
TEXT = _set(
    "text message body comment content description review tweet post title summary note notes question answer sms "
    "remark reason"
)
CODE = _set(
    "code zip zipcode postcode postal type category class kind status country region mcc channel group segment id "
    "merchant terminal shop store branch agent vendor seller product item sku"
)
"""What whole numbers are named for that are codes rather than amounts."""
LABEL = _set("label labels class target y outcome verdict classification")
"""Words that are the name of a label where they stand alone."""
LABEL_ENDS = frozenset({"label", "target", "verdict"})
LABEL_PERHAPS = _set(
    "fraud fraudulent spam churn churned exited default defaulted sentiment diagnosis survived species outcome result "
    "attack anomaly class category status response converted clicked toxic malicious"
)
"""Words that the names of labels have, and those of other columns as well."""
_SECRET = _set("password passwd pwd secret token apikey cvv cvc ssn pin iban credential credentials passphrase")
_SECRET_PAIRS = frozenset({("api", "key"), ("access", "key"), ("private", "key"), ("card", "number"), ("card", "no")})


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name, in lower case.

    >>> words_of("customerID"), words_of("payment.created_at"), words_of("Is Fraud?")
    (('customer', 'id'), ('payment', 'created', 'at'), ('is', 'fraud'))
    """
    return tuple(part.lower() for part in _PARTS.findall(name))


def last_key(name: str) -> str:
    r"""The last key of a dot path.

    >>> last_key("account.id"), last_key(r"user\.name")
    ('id', 'user\\.name')
    """
    return re.split(r"(?<!\\)\.", name)[-1]


def may_be_secret(name: str) -> bool:
    """Whether a column is named for something that nobody should see."""
    words = words_of(name)
    return bool(_SECRET.intersection(words)) or any(pair in _SECRET_PAIRS for pair in pairwise(words))


def is_id(name: str) -> bool:
    """Whether a column is named for what tells rows apart."""
    words = words_of(name)
    return bool(words) and words[-1] in ID


def is_subject(name: str) -> bool:
    """Whether a column is named for who or what an event is about: an account, and not an account's age."""
    words = words_of(name)
    if not words:
        return False
    return words[-1] in SUBJECT or (words[-1] in SUBJECT_FORMS and len(words) > 1 and words[-2] in SUBJECT)


def is_label(name: str) -> bool:
    """Whether a column's name is that of a label."""
    words = words_of(last_key(name))
    return words[0] in LABEL if len(words) == 1 else bool(words) and words[-1] in LABEL_ENDS


def is_perhaps_label(name: str) -> bool:
    """Whether a column is named as labels are, among others."""
    words = words_of(last_key(name))
    return bool(LABEL_PERHAPS.intersection(words)) or words[:1] == ("is",)
