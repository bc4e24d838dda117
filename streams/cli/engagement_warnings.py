"""What `tocsin check` says of asking fewer experts, and of a device beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tocsin.config import Settings

LEAST = 0.9
"""Below this share hardly anything more is spared, see `docs/models.md`."""


def engagement_warnings(settings: Settings) -> list[str]:
    """One line where `router.engage` is so low that it may be the old name of another setting, and one where a device
    is asked for that scores nothing."""
    engage, device, warnings = settings.router.engage, settings.kernels.device, list[str]()
    if engage < LEAST:
        warnings.append(
            f"router.engage: {engage:g} spares hardly more than {LEAST:g} does. Was `router.top_p` meant, which had "
            "this name in earlier releases?"
        )
    if device != "cpu" and engage < 1.0:
        warnings.append(
            f"kernels.device: {device} scores nothing here: with router.engage below 1 the CPU asks experts in stages"
        )
    if device != "cpu" and settings.router.kind == "multi-hot":
        warnings.append(f"kernels.device: {device} scores nothing here: router.kind: multi-hot leaves that to the CPU")
    return warnings
