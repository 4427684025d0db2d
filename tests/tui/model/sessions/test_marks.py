"""Marks follow their sessions, not rows."""

from tests.support.console.changing_service import ChangingService


def test_marks_follow_their_sessions() -> None:
    for seed in range(1_000):
        service = ChangingService(seed)
        for _ in range(8):
            session = service.view.at(service.random.randrange(max(1, len(service.view))))
            if session is not None:
                was_marked = session.key in service.marks
                service.marks.toggle(session.key)
                assert (session.key in service.marks) is not was_marked
            before = set(service.marks)
            service.change_and_poll()
            assert set(service.marks) <= before
            assert all(key in service.store for key in service.marks)
