"""What every group of settings shares."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class FrozenSettings(BaseModel):
    """A group of settings: immutable, and an unknown key is an error rather than a silent default."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,  # an input may hold a secret
    )


def _class_name(value: Any) -> Any:
    """YAML reads `0` and `true` as a number and a boolean; a class is always named by a string."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else value


ClassName = Annotated[str, BeforeValidator(_class_name), Field(min_length=1, max_length=128)]
