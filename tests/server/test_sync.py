"""Push and pull over HTTP, on a real database."""

from __future__ import annotations

from server.tables import clients, receipts, rows
from tests.server.builders import action, message, request
from tests.server.conftest import Api


async def test_health_says_the_version(api: Api) -> None:
    answer = await api.http.get("/api/health")
    epoch = api.services.epoch
    assert answer.json() == {"status": "ok", "version": "0.1.0", "epoch": epoch}
    assert answer.headers["cache-control"] == "no-store"


async def test_push_answers_verdict_and_row_and_pulls_it_in_the_same_round_trip(api: Api) -> None:
    answer = await api.sync(message(1, "Hi"))
    row = {
        "collection": "messages",
        "id": "m1",
        "version": 1,
        "data": {"text": "Hi", "sent_at": 1_760_000_000_000},
        "deleted": False,
        "updated_at": 1_760_000_000_000_000,
        "updated_by": "local",
    }
    assert answer == {
        "protocol": 1,
        "results": [
            {"id": "a1", "verdict": "applied", "row": row, "error": None, "retry_after": None}
        ],
        "rows": [row],
        "cursor": answer["cursor"],
        "has_more": False,
        "epoch": api.services.epoch,
        "reset": False,
        "restored": False,
        "unread_count": 0,
        "server_time": 1_760_000_000_000,
    }


async def test_text_of_every_kind_comes_back_unchanged(api: Api) -> None:
    text = 'NUL \x00, quotes " \\ and </script>, emoji 🛟, RTL \u202e, ﷽'
    await api.sync(message(1, text))
    assert (await api.sync(client="c2"))["rows"][0]["data"]["text"] == text


async def test_sender_of_a_message_is_kept_and_one_too_long_is_refused(api: Api) -> None:
    signed = message(1, data={"text": "Hi", "sender": "Ada"})
    too_long = message(2, item="m2", data={"text": "Hi", "sender": "x" * 81})
    kept, refused = (await api.sync(signed, too_long))["results"]
    assert kept["row"]["data"]["sender"] == "Ada"
    assert refused["verdict"] == "rejected"
    assert refused["error"]["fields"].keys() == {"sender"}


async def test_duplicate_push_returns_first_verdict(api: Api) -> None:
    first = (await api.sync(message(1)))["results"][0]
    await api.sync(action(2, "update", "m1", collection="messages", data={"text": "Edited"}))
    again = (await api.sync(message(1)))["results"][0]
    assert again == {**first, "verdict": "duplicate"}
    assert api.count(rows) == 1


async def test_rejected_and_conflict_are_given_again(api: Api) -> None:
    await api.sync(action(1, data={"t": 1}), client="other")
    batch = [action(1), action(2, "update", base_version=None, item="n1")]
    assert await api.verdicts(batch[0]) == ["rejected"]
    assert await api.verdicts(batch[1]) == ["conflict"]
    assert await api.verdicts(batch[0]) == ["rejected"]
    assert await api.verdicts(batch[1]) == ["conflict"]


async def test_same_id_with_another_body_is_rejected_as_key_reuse(api: Api) -> None:
    await api.sync(message(1, "Hi"))
    result = (await api.sync(message(1, "Ho")))["results"][0]
    assert result["verdict"] == "rejected"
    assert result["error"]["code"] == "key_reuse"


async def test_ids_of_different_clients_do_not_meet(api: Api) -> None:
    assert await api.verdicts(message(1, item="x"), client="c1") == ["applied"]
    assert await api.verdicts(message(1, "Other", item="y"), client="c2") == ["applied"]


async def test_refused_action_leaves_the_others_of_the_batch_alone(api: Api) -> None:
    batch = [message(1, ""), message(2), action(3, "fly", "z"), message(4)]
    assert await api.verdicts(*batch) == ["rejected", "applied", "rejected", "applied"]
    assert api.count(rows) == 2


async def test_receipts_go_only_when_the_client_has_settled_them(api: Api) -> None:
    await api.sync(message(1), message(2), message(3))
    assert api.count(receipts) == 3
    api.clock.now += 10 * 365 * 24 * 3600 * 1_000_000
    await api.sync(message(4))
    assert api.count(receipts) == 4
    await api.sync(message(5), settled_through=3)
    assert api.count(receipts) == 2
    assert api.count(clients) == 1


async def test_late_copy_of_a_settled_push_has_no_second_effect(api: Api) -> None:
    late = request(message(1), settled_through=0)
    await api.post(late)
    await api.sync(message(2), settled_through=1)
    await api.sync(action(3, "delete", "m1", collection="messages", base_version=1))
    answer = (await api.post(late)).json()
    assert answer["results"][0]["error"]["code"] == "already_settled"
    assert api.count(rows) == 2
    assert (await api.sync(client="c2"))["rows"][1]["deleted"]


async def test_settling_never_goes_back(api: Api) -> None:
    await api.sync(message(5), settled_through=4)
    await api.sync(message(6), settled_through=2)
    assert (await api.sync(message(4)))["results"][0]["verdict"] == "rejected"


async def test_offline_edits_of_one_item_are_no_conflict_with_themselves(api: Api) -> None:
    first = await api.verdicts(action(1), action(2, "update", data={"t": 2}))
    second = await api.verdicts(action(3, "update", data={"t": 3}), action(4, "delete"))
    assert first + second == ["applied"] * 4


async def test_conflict_carries_the_current_row_and_holds_the_rest_of_the_item(api: Api) -> None:
    await api.sync(action(1, data={"t": 1}), client="other")
    stale = [action(1, "update", base_version=7, data={"t": 2}), action(2, "update", id="a2")]
    results = (await api.sync(*stale))["results"]
    assert [result["verdict"] for result in results] == ["conflict", "retry"]
    assert results[0]["row"]["data"] == {"t": 1}
    assert results[1]["error"]["code"] == "blocked"


async def test_document_describes_the_protocol(api: Api) -> None:
    document = (await api.http.get("/api/openapi.json")).json()
    models = document["components"]["schemas"]
    assert {"SyncRequest", "SyncResponse", "Action", "Row", "ErrorResponse"} <= models.keys()
    body = document["paths"]["/api/sync"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"] == {"$ref": "#/components/schemas/SyncRequest"}
