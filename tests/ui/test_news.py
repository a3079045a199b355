"""What is new in the log, and what of it is unread."""

from __future__ import annotations

from app.core.messages import Message
from app.core.view import ItemStatus
from app.protocol import Problem
from app.sync.collection import Shown
from app.ui.news import News, Unread, news, news_text, unread_text
from app.ui.routes import page_title
from app.ui.stretch import compare


def message(
    name: str, status: ItemStatus = "synced", place: int = 0, sender: str = ""
) -> Shown[Message]:
    order = (0, place) if status == "synced" else (1, place)
    value = Message(text=f"text of {name}", sent_at=0, sender=sender)
    return Shown(name, value, status, order, server_version=place if status == "synced" else 0)


A, B, C = message("a", place=1), message("b", place=2), message("c", place=3)
MINE = message("mine", "pending", 1)


def found(before: tuple[Shown[Message], ...], after: tuple[Shown[Message], ...]) -> News:
    return news(before, after, compare(before, after))


def test_message_of_another_arrives_also_behind_ones_own_that_waits() -> None:
    assert found((A, B), (A, B, C)) == News(arrived=(C,))
    assert found((A, B, MINE), (A, B, C, MINE)) == News(arrived=(C,))


def test_older_messages_that_were_loaded_are_no_news() -> None:
    assert found((B, C), (A, B, C)) == News()


def test_ones_own_message_is_sent_or_failed_and_never_arrives() -> None:
    sent, failed = message("mine", place=4), message("mine", "failed", 1)
    assert found((A,), (A, MINE)) == News()
    assert found((A, MINE), (A, sent)) == News(sent=(sent,))
    assert found((A, MINE), (A, failed)) == News(failed=(failed,))
    assert found((A, failed), (A,)) == News()


def test_news_are_told_once_and_in_words() -> None:
    ada = message("d", place=4, sender="Ada")
    assert news_text(News()) == ""
    assert news_text(News(arrived=(ada,))) == "Ada: text of d"
    assert news_text(News(arrived=(C,))) == "New message: text of c"
    assert news_text(News(arrived=(A, B, C))) == "3 new messages"
    assert news_text(News(sent=(A,))) == "Sent"
    refused = Shown(
        "x", A.value, "failed", (1, 1), error=Problem(code="invalid", message="Too long.")
    )
    assert news_text(News(failed=(refused,), arrived=(A,))) == "Not sent. Too long."


def test_what_arrives_unseen_is_counted_and_marked_where_it_begins() -> None:
    unread = Unread()
    unread.arrive((A,))
    assert (unread.count, unread.first) == (0, None)
    unread.attend(False)
    unread.arrive((B,))
    unread.arrive((C,))
    assert (unread.count, unread.first) == (2, "b")


def test_mark_stays_when_the_new_ones_were_seen_until_others_come_or_one_answers() -> None:
    unread = Unread()
    unread.attend(False)
    unread.arrive((A,))
    unread.forget()
    unread.attend(True)
    assert (unread.count, unread.first) == (0, "a")
    unread.attend(False)
    unread.arrive((C,))
    assert (unread.count, unread.first) == (1, "c")
    unread.attend(True)
    unread.forget()
    assert unread.first is None


def test_counts_are_said_in_words() -> None:
    assert unread_text(0) == "Newest messages"
    assert unread_text(1) == "1 new message"
    assert unread_text(1_200) == "1,200 new messages"
    assert page_title("notes", 0) == "Notes · Driftline"
    assert page_title("messages", 3) == "(3) Messages · Driftline"
