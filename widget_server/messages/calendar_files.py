"""The only place that writes calendar files of bookings. A newer file of a booking replaces an older one."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from icalendar import Calendar, Event, vCalAddress, vDuration, vText

from widget_server.domain.messages import Shown
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.messages.words import Words

_PRODUCT = "-//Tenuto//Bookings//EN"
_REFRESHED_AFTER = timedelta(minutes=15)
"""As far as calendar programs go by what they are told."""


def write_calendar(
    site: Site,
    shown: Sequence[Shown],
    words: Words,
    *,
    number: str,
    link: str,
    at: datetime,
    sender: str | None = None,
    is_test: bool = False,
) -> str:
    """One entry a booking, unfolded: see `folded`. If all are cancelled, the file takes them out of calendars."""
    calendar = Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", "CANCEL" if all(one.is_cancelled for one in shown) else "PUBLISH")
    for one in shown:
        event = _event(site, one, words, number=number, link=link, at=at, sender=sender)
        event.add("summary", _title(site, one, words, is_test=is_test))
        calendar.add_component(event)
    return unfolded(calendar.to_ical().decode())


@dataclass(frozen=True, slots=True)
class SubscribedMeeting:
    """A meeting as it stands in the calendar of whoever serves it."""

    slot: Slot
    title: str
    description: str
    link: str


def write_subscription(site: Site, meetings: Iterable[SubscribedMeeting], *, at: datetime) -> str:
    """Folded. What is not in it any more goes from calendars that have subscribed to it."""
    calendar = Calendar()
    for name, value in (("prodid", _PRODUCT), ("version", "2.0"), ("name", site.name), ("x-wr-calname", site.name)):
        calendar.add(name, value)
    for name in ("refresh-interval", "x-published-ttl"):  # the standard one, and the one that programs know
        calendar.add(name, vDuration(_REFRESHED_AFTER), parameters={"VALUE": "DURATION"})
    for one in meetings:
        event = Event()
        event.add("uid", f"{one.slot.id}.{site.key}@tenuto")
        event.add("dtstamp", at.astimezone(UTC))
        event.add("dtstart", one.slot.starts_at.astimezone(UTC))
        event.add("dtend", one.slot.ends_at.astimezone(UTC))
        event.add("summary", one.title)
        event.add("description", one.description)
        event.add("url", one.link)
        calendar.add_component(event)
    return str(calendar.to_ical().decode())


def unfolded(text: str) -> str:
    """Each line as long as it is, so that words in it can be found."""
    return re.sub(r"\r\n[ \t]", "", text)


def folded(text: str) -> str:
    """As calendar files are sent: lines of at most 75 bytes."""
    return str(Calendar.from_ical(text).to_ical().decode())


def _event(site: Site, one: Shown, words: Words, *, number: str, link: str, at: datetime, sender: str | None) -> Event:
    event = Event()
    event.add("uid", one.uid)
    event.add("sequence", one.sequence)
    event.add("dtstamp", at.astimezone(UTC))
    event.add("dtstart", one.slot.starts_at.astimezone(UTC))
    event.add("dtend", one.slot.ends_at.astimezone(UTC))
    event.add("status", "CANCELLED" if one.is_cancelled else "CONFIRMED")
    event.add("description", _description(one, words, number=number, link=link))
    if one.access:
        event.add("location", " ".join(one.access.split()))
    if link:
        event.add("url", link)
    if sender:
        organizer = vCalAddress(f"mailto:{sender}")
        organizer.params["cn"] = vText(site.name)
        event.add("organizer", organizer)
    return event


def _title(site: Site, one: Shown, words: Words, *, is_test: bool) -> str:
    title = words.say("event.title", service=one.service_name, site=site.name)
    return words.say("test.subject", subject=title) if is_test else title


def _description(one: Shown, words: Words, *, number: str, link: str) -> str:
    lines = [words.seats(one.seats)]
    if one.served_by:
        lines.append(words.say("with", names=words.names(one.served_by)))
    if number:
        lines.append(words.say("event.number", number=number))
    if link:
        lines.append(words.say("event.link", link=link))
    return "\n".join(lines)
