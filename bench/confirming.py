"""From a hold to a booking: over HTTP with everything, against the SQL transaction alone."""

import asyncio
import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from statistics import median

from bench.lean import HttpAnswers, drive
from bench.studio import SITE, Studio
from bench.table import ROUNDS, Bound, Row, Section, ratio, trust
from widget_server.domain.bookings import Customer
from widget_server.domain.money import Money
from widget_server.ids import hash_secret, new_id, new_order_number
from widget_server.store.bookings import Bookings, Confirmation, ConfirmationLine
from widget_server.store.database import Database

CONFIRMED, CONNECTIONS = 400, 16
_BODY = json.dumps({"customer": {"name": "Anna Berg", "email": "anna@example.org"}}).encode()


def measured(studio: Studio) -> Section:
    ours, theirs = [], []
    with studio.serving():
        for _ in range(ROUNDS):
            ours.append(_over_http(studio))
            theirs.append(asyncio.run(_in_sql(studio)))
    return Section(
        [
            Row(
                f"Free confirmation over HTTP, {CONNECTIONS} connections",
                f"{median(ours):,.0f}/s",
                f"{median(theirs):,.0f}/s, its SQL transaction alone",
                ratio(ours, theirs),
                must=Bound(0.5, is_least=True),
                aim=Bound(0.8, is_least=True),
            )
        ],
        _MEANING,
    )


def _over_http(studio: Studio) -> float:
    """Confirmations a second; the holds are taken before."""
    slots = [offered.slot.id for offered in studio.slots]
    holds = [(new_id(), new_id()) for _ in range(CONFIRMED)]
    taken = drive(
        studio.address,
        [_post("holds", *of, _hold(of[0], slots[n % len(slots)]), n) for n, of in enumerate(holds)],
        HttpAnswers,
        connections=CONNECTIONS,
    )
    trust(all(answer.startswith(b"HTTP/1.1 201 ") for answer in taken.answers), "Not all holds were granted.")
    confirmed = drive(
        studio.address,
        [_post(f"holds/{of[0]}/confirmation", *of, _BODY, n) for n, of in enumerate(holds)],
        HttpAnswers,
        connections=CONNECTIONS,
    )
    trust(all(answer.startswith(b"HTTP/1.1 201 ") for answer in confirmed.answers), "Not all holds were confirmed.")
    return confirmed.rate


async def _in_sql(studio: Studio) -> float:
    """The same transactions, made by as many tasks on a database like ours, with nothing around them."""
    database = Database(studio.settings.database_url, studio.settings.data_dir)
    store, slots = Bookings(database), studio.slots
    wanted = iter([_confirmation(studio, n % len(slots)) for n in range(CONFIRMED)])

    async def confirm() -> None:
        for confirmation in wanted:
            await store.confirm(confirmation)

    began_at_s = time.perf_counter()
    await asyncio.gather(*(confirm() for _ in range(CONNECTIONS)))
    seconds = time.perf_counter() - began_at_s
    await database.close()
    return CONFIRMED / seconds


def _confirmation(studio: Studio, at: int) -> Confirmation:
    offered = studio.slots[at]
    return Confirmation(
        site_id=studio.site.id,
        epoch=studio.site.epoch,
        schedule_version=studio.schedule.version,
        hold_id=new_id(),
        fence=1,
        lines=(ConfirmationLine(replace(offered), 1, Money(0, studio.site.currency), "A desk for half an hour"),),
        customer=Customer("Anna Berg", "anna@example.org", "UTC", "en"),
        digest=hash_secret(new_id()),
        order_number=new_order_number(),
        order_secret_hash=hash_secret(new_id()),
        at=datetime.now(UTC),
    )


def _hold(hold_id: str, slot_id: str) -> bytes:
    return json.dumps({"id": hold_id, "visitor": new_id(), "lines": [{"slot": slot_id, "seats": 1}]}).encode()


def _post(path: str, hold_id: str, secret: str, body: bytes, number: int) -> bytes:
    return (
        f"POST /v1/sites/{SITE}/{path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {secret}\r\nx-forwarded-for: 10.{number >> 8 & 255}.{number & 255}.7\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body


_MEANING = f"""**Confirmation.** {CONFIRMED} holds of as many visitors are confirmed over {CONNECTIONS} connections: \
validation, pin, the confirming transaction, commit, the answer. The reference is that transaction alone, on the same \
SQLite file with the same settings (each commit waits for the disk), by as many tasks at once in one process."""
