"""Forms of experts that know little: all that they know is compared with what was sent, and what differs travels."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from numpy.typing import NDArray

from tocsin.models.device.forms.form import Form


class FormOfArrays(Form):
    """A form whose tensors are copies of a few small arrays."""

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of them as they are now, by the names of the tensors. A row should hold what changes together."""

    def follow(self) -> None:
        """See `Form`."""
        for name, array in self.arrays().items():
            self.copies.put(name, array)

    def bytes_needed(self) -> int:
        """See `Form`."""
        return sum(array.nbytes for array in self.arrays().values())
