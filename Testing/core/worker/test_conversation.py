"""What a program makes of a worker's lines, and when it must end it."""

from __future__ import annotations

import json

import pytest

from MedDLCore.errors import Code, MedDLError
from MedDLCore.worker import Conversation, Job
from MedDLCore.worker.conversation import CANCEL_SECONDS, IDLE_SECONDS, SILENT_SECONDS
from MedDLCore.worker.messages import VERSION, read_event, read_job


class Clock:
    """Goes on only when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def line(event: str, number: int | None = None, **data: object) -> bytes:
    return json.dumps({"event": event, "id": number, **data}).encode() + b"\n"


HELLO = line("hello", version=VERSION, pid=12, folder="/private")


def talking(clock: Clock | None = None) -> Conversation:
    conversation = Conversation(clock or Clock())
    conversation.receive(HELLO)
    return conversation


def test_lines_may_come_in_any_pieces() -> None:
    conversation = Conversation(Clock())
    number, _ = conversation.request("status")
    whole = HELLO + line("progress", number, fraction=0.5) + line("result", number)
    events = [event for n in range(len(whole)) for event in conversation.receive(whole[n : n + 1])]
    assert [event.kind for event in events] == ["hello", "progress", "result"]
    assert conversation.waiting == [] and conversation.pid == 12 and conversation.folder == "/private"


@pytest.mark.parametrize(
    "noise", [b"a library's print\n", b"[1, 2]\n", b"{}\n", b'{"event": 3}\n', b'{"event": "x", "id": "y"}\n', b"\n"]
)
def test_a_line_that_is_no_event_is_left_out(noise: bytes) -> None:
    assert read_event(noise) is None
    assert [event.kind for event in talking().receive(noise + line("heartbeat"))] == ["heartbeat"]


def test_a_worker_of_another_version_is_refused() -> None:
    with pytest.raises(MedDLError) as refused:
        Conversation(Clock()).receive(line("hello", version=VERSION + 1, pid=1, folder=""))
    assert refused.value.code is Code.WORKER_LOST


def test_a_cancel_that_is_not_heeded_ends_the_worker_and_is_still_a_cancel() -> None:
    clock = Clock()
    conversation = talking(clock)
    first, _ = conversation.request("segment", Job("m"))
    second, _ = conversation.request("segment", Job("m"))
    assert json.loads(conversation.cancel(first))["which"] == first
    clock.now += CANCEL_SECONDS - 0.1
    assert conversation.overdue() is None
    clock.now += 0.2
    overdue = conversation.overdue()
    assert overdue is not None and overdue.code is Code.CANCELLED
    events = conversation.ended(-9, MedDLError(Code.WORKER_LOST, "ended"))
    assert [(event.id, event.error.code) for event in events] == [
        (first, Code.CANCELLED),
        (second, Code.WORKER_LOST),
    ]
    assert conversation.hello is None and conversation.waiting == []


def test_a_cancel_that_came_too_late_changes_nothing() -> None:
    clock = Clock()
    conversation = talking(clock)
    number, _ = conversation.request("segment", Job("m"))
    conversation.receive(line("result", number))
    conversation.cancel(number)
    clock.now += 10 * CANCEL_SECONDS
    assert conversation.overdue() is None


def test_a_worker_that_neither_progresses_nor_computes_is_stalled() -> None:
    clock = Clock()
    conversation = talking(clock)
    conversation.request("segment", Job("m"))
    for n in range(int(IDLE_SECONDS / 30) - 1):
        clock.now += 30
        conversation.receive(line("heartbeat", cpu_seconds=0.01 * n))
        assert conversation.overdue() is None
    clock.now += 31
    conversation.receive(line("heartbeat", cpu_seconds=1))
    stalled = conversation.overdue()
    assert stalled is None, "it has just computed"
    clock.now += IDLE_SECONDS + 1
    conversation.receive(line("heartbeat", cpu_seconds=1.01))
    stalled = conversation.overdue()
    assert stalled is not None and stalled.code is Code.WORKER_STALLED


def test_a_worker_that_says_nothing_is_stalled_only_while_something_waits() -> None:
    clock = Clock()
    conversation = talking(clock)
    clock.now += 10 * SILENT_SECONDS
    assert conversation.overdue() is None
    conversation.receive(line("heartbeat"))
    conversation.request("status")
    clock.now += SILENT_SECONDS + 1
    stalled = conversation.overdue()
    assert stalled is not None and stalled.code is Code.WORKER_STALLED


@pytest.mark.parametrize(
    ("status", "code"), [(-9, Code.NO_MEMORY), (1, Code.WORKER_LOST), (-11, Code.WORKER_LOST), (None, Code.WORKER_LOST)]
)
def test_the_end_of_the_process_is_an_error_for_all_that_waits(status: int | None, code: Code) -> None:
    conversation = talking()
    numbers = [conversation.request("segment", Job("m"))[0] for _ in range(2)]
    assert [(event.id, event.error.code) for event in conversation.ended(status)] == [(n, code) for n in numbers]


def test_a_job_travels_whole() -> None:
    job = Job(
        "m", structures=("liver",), region=(0, 1, 2, 3, 4, 5), allow=("TOO_THIN",), points=((1, 2, 3),), device="mps"
    )
    _, sent = Conversation(Clock()).request("plan", job)
    assert sent.isascii() and sent.count(b"\n") == 1
    assert read_job(json.loads(sent)["job"]) == job


@pytest.mark.parametrize(
    "job", [None, [], {}, {"model": 3}, {"model": "m", "surprise": 1}, {"model": "m", "region": [1, 2]}]
)
def test_what_is_no_job_is_refused_by_name(job: object) -> None:
    with pytest.raises(MedDLError) as refused:
        read_job(job)
    assert refused.value.code is Code.REQUEST_INVALID and "job" in refused.value.message
