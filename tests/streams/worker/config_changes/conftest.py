from __future__ import annotations

from pathlib import Path

import pytest

from ...support import Service, drain, running, settings
from .changes import BEFORE, EVENTS, UNLABELLED, event, label


@pytest.fixture(scope="session")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Service, Path]:
    """The topics and the state of a service that has learnt under `BEFORE`."""
    directory = tmp_path_factory.mktemp("before")
    service = Service(settings(directory, **BEFORE))
    with running(service) as worker:
        for i in range(EVENTS):
            service.send(event(i, {}))
            if i >= UNLABELLED:
                service.tell(label(i - UNLABELLED))
            worker.step(0)
        drain(worker)
    assert len(service.feedback) == EVENTS - UNLABELLED
    return service, directory
