"""The settings of a river classifier as an expert."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from tocsin.config.experts.base import ExpertSettings

MOST = 1e12
"""The size of a number among the parameters."""
Parameter = (
    bool
    | Annotated[int, Field(ge=-MOST, le=MOST)]
    | Annotated[float, Field(ge=-MOST, le=MOST)]
    | Annotated[str, Field(max_length=256)]
    | None
)


class RiverSettings(ExpertSettings):
    """Any classifier of river, by its path below `river` (for example `tree.HoeffdingTreeClassifier`)."""

    sees: ClassVar[tuple[str, ...]] = ("model", "history")

    kind: Literal["river"] = "river"
    name: str = Field(min_length=1, max_length=64)
    model: str = Field(default="tree.HoeffdingTreeClassifier", pattern=r"^[a-z_]+(\.[A-Za-z_]+)+$")
    """The classifier's path below `river`."""
    parameters: dict[Annotated[str, Field(max_length=64)], Parameter] = Field(default_factory=dict, max_length=64)
    """The arguments of its constructor: at most 64, each a number up to 1e12, true, false, null or a text of at most
    256 characters."""
    history: int = Field(default=0, ge=0, le=16)
    """How many of the stream's last known labels are added to the features."""
    strength: float = Field(default=10.0, ge=1e-9, le=1_000)
    """The most pseudo-counts of evidence that an answer is worth."""

    @field_validator("parameters", mode="before")
    @classmethod
    def _plain(cls, parameters: Any) -> Any:
        """Say what is wrong in words: the errors of a union speak of each of its types."""
        for name, value in parameters.items() if isinstance(parameters, dict) else ():
            shown = str(name)[:64]
            if isinstance(value, list | tuple | set | dict):
                raise ValueError(f"{shown} holds other values: a parameter is a number, true, false, null or a text")
            if isinstance(value, str) and len(value) > 256:
                raise ValueError(f"{shown} has {len(value)} characters: a parameter has at most 256")
            if isinstance(value, int | float) and not abs(value) <= MOST:
                raise ValueError(f"{shown} is no number from -1e12 to 1e12")
        return parameters
