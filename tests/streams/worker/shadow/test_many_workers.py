"""Several workers with a shadow: one offset for all of them, whatever happens to them meanwhile."""

from __future__ import annotations

import random
from contextlib import ExitStack
from pathlib import Path

import pytest

from tocsin.streams.worker.worker import Worker

from ...support import Service, bits, check_chain, crash, drain, stream
from .beside import choose, deciders, with_shadow

EVENTS = 240


def of_worker(directory: Path, number: int) -> Path:
    return directory / str(number)


@pytest.mark.parametrize("seed", range(3))
def test_all_workers_change_at_one_offset_although_some_crash_and_partitions_move(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    service = Service(with_shadow(tmp_path), partitions=6, transactional=True)
    first, second = service.settings.digest(), service.settings.of_shadow.digest()  # type: ignore[union-attr]
    workers: dict[int, Worker] = {}

    def start(number: int) -> None:
        worker = service.worker(with_shadow(of_worker(tmp_path, number)))
        worker.__enter__()
        workers[number] = worker

    def step(most: int) -> None:
        for worker in chance.choices(list(workers.values()), k=most):
            worker.step(0)

    for number in range(3):
        start(number)
    changes = {80: second, 140: first, 200: second}
    offsets = [(-1, first)]
    for i, (event, label) in enumerate(stream(EVENTS, subjects=12)):
        service.send(event)
        service.tell(label)
        if i in changes:
            offsets.append((choose(service, changes[i]), changes[i]))
        if i in (60, 120, 205):
            victim = chance.choice(list(workers))
            crash(workers.pop(victim))
            step(4)
            start(victim)
        if chance.random() < 0.4:
            step(chance.randrange(4))
    drain(*workers.values())
    assert len(service.decisions) == len({d["event"] for d in service.decisions}) == EVENTS
    assert len({f["event"]["id"] for f in service.feedback}) == len(service.feedback) == EVENTS
    for offset, config in deciders(service):
        assert config == [known for at, known in offsets if at < offset][-1]
    assert len({config for _, config in deciders(service)}) == 2
    check_chain(service)
    [one, *others] = [bits(worker) for worker in workers.values()]
    assert all(other == one for other in others)
    assert not any(w._models.beside.failed for w in workers.values())  # type: ignore[union-attr]
    for worker in workers.values():
        worker.__exit__(None, None, None)


def test_what_all_workers_compared_is_each_labelled_event_once(tmp_path: Path) -> None:
    service = Service(with_shadow(tmp_path), partitions=6)
    workers = [service.worker(with_shadow(of_worker(tmp_path, number))) for number in range(3)]
    with ExitStack() as stack:
        for worker in workers:
            stack.enter_context(worker)
        pairs = list(stream(120, subjects=12))
        service.send(*[event for event, _ in pairs])
        drain(*workers)
        service.tell(*[label for _, label in pairs])
        drain(*workers)
        told = [worker._models.told() for worker in workers]
    assert all(one is not None and one.compared.events > 0 for one in told)
    assert sum(one.compared.events for one in told if one is not None) == 120
