"""Commands with many options: a parameter that is a dataclass stands for an option by each of its fields."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints


def with_grouped_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command as typer takes it: with an option for each field of its dataclasses.

    Fields are annotated as parameters of commands are, and all have a default.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: kind for name, kind in hints.items() if dataclasses.is_dataclass(kind)}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name not in groups:
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(parameter.replace(annotation=hints[name], kind=kind))
            continue
        inner = get_type_hints(groups[name], include_extras=True)
        parameters += [_option(field, inner[field.name]) for field in dataclasses.fields(groups[name])]

    def flat(**values: Any) -> None:
        for name, kind in groups.items():
            values[name] = kind(**{field.name: values.pop(field.name) for field in dataclasses.fields(kind)})
        command(**values)

    flat.__name__, flat.__doc__ = command.__name__, command.__doc__
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    setattr(flat, "__signature__", inspect.Signature(parameters))  # noqa: B010 - which no function is said to have
    return flat


def _option(field: dataclasses.Field[Any], annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=annotation)
