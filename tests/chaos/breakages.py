"""What a careless change could break, as texts to be replaced in a copy of the product: a test of the simulator."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Breakage:
    name: str
    file: str
    before: str
    after: str
    seed: int = 1
    """Whose story noticed it when somebody looked last: tried first, to save time."""


BREAKAGES = (
    Breakage(
        "room for one seat too many",
        "lua/lib/find_room.lua",
        "seats.held + seats.booked + line.seats - line.capacity",
        "seats.held + seats.booked + line.seats - line.capacity - 1",
        seed=2,
    ),
    Breakage(
        "booked seats do not count",
        "lua/lib/find_room.lua",
        "seats.held + seats.booked + line.seats - line.capacity",
        "seats.held + line.seats - line.capacity",
        seed=2,
    ),
    Breakage(
        "the same call holds again",
        "lua/hold.lua",
        "if known >= 4 then",
        "if known >= 8 then",
    ),
    Breakage(
        "another body is taken for the same call",
        "lua/hold.lua",
        "if kept[2] ~= hold.secret or kept[3] ~= hold.text then",
        "if kept[2] ~= hold.secret then",
        seed=2,
    ),
    Breakage(
        "of those who come together one is counted",
        "lua/hold.lua",
        "seats.held = seats.held + line.seats",
        "seats.held = seats.coming and seats.held or seats.held + line.seats",
    ),
    Breakage(
        "who comes together does not count in budgets",
        "lua/hold.lua",
        "(by_visitor or 0) + 1, (by_network or 0) + 1",
        "nil, (by_network or 0) + 1",
        seed=12,
    ),
    Breakage(
        "an older schedule is good enough",
        "lua/hold.lua",
        "if schedule - gate_schedule < 0 then",
        "if false then",
        seed=2,
    ),
    Breakage(
        "budgets count nobody",
        "lua/lib/is_spent.lua",
        "redis.call('ZCARD', budget_key) >= most",
        "redis.call('ZCARD', budget_key) < 0",
        seed=3,
    ),
    Breakage(
        "a line that is there already is counted again",
        "lua/lib/keep_line.lua",
        "score, member) == 0 then",
        "score, member) == 2 then",
    ),
    Breakage(
        "anybody may look at a hold",
        "widget_server/engine/reservations.py",
        "if found.secret_hash != secret_hash:",
        "if False:",
        seed=3,
    ),
    Breakage(
        "a hold that was given back is not told of",
        "lua/release.lua",
        "tell_seats(feed_key, site, epoch, 'release', hold_id, '', parts)",
        "",
    ),
    Breakage(
        "the sweep ends pinned holds",
        "lua/sweep.lua",
        "elseif read[1] == 'paying' then",
        "elseif read[1] == 'paying' then end_due(hold, read[5]) elseif read[1] == 'nobody' then",
    ),
    Breakage(
        "the sweep is a blink too early",
        "lua/sweep.lua",
        "read[2] - now > 0 then",
        "read[2] - now > 20 then",
        seed=2,
    ),
    Breakage(
        "an expired hold is pinned without looking for room",
        "lua/pin.lua",
        "if not redis.call('ZSCORE', line.slot_key, line.member) then",
        "if false then",
    ),
    Breakage(
        "the epoch is not compared by scripts",
        "lua/lib/loaded_schedule.lua",
        "if gate[1] == epoch and gate[2] == 'OPEN' then",
        "if gate[2] == 'OPEN' then",
        seed=5,
    ),
    Breakage(
        "the clock may go back",
        "lua/lib/now_ms.lua",
        "return machine + offset",
        "return machine",
    ),
    Breakage(
        "confirmed without a pin",
        "widget_server/use_cases/bookings.py",
        "            pin = await self._pin(listing, ref, wanted, coupon)\n",
        "            found = await self._engine.find(listing.site, ref.hold_id, ref.secret_hash)\n"
        "            pin = Pin(1, found.expires_at, found.lines, found.now)\n",
    ),
    Breakage(
        "whoever is told no may be booked by an earlier try",
        "widget_server/use_cases/pinning.py",
        "outcome = await self._store.refuse(site.id, hold_id, owner)\n",
        "outcome = await self._store.outcome(site.id, hold_id)\n",
        seed=8,
    ),
    Breakage(
        "the outcome is decided by reading",
        "widget_server/store/bookings.py",
        "            if await abandon(session, site_id, hold_id, fence=fence):\n",
        "            if True:\n",
        seed=4,
    ),
    Breakage(
        "a cancellation frees its seats again and again",
        "widget_server/store/bookings.py",
        ".where(col(BookingRow.order_id) == order, col(BookingRow.state) == BookingState.CONFIRMED)",
        ".where(col(BookingRow.order_id) == order)",
    ),
    Breakage(
        "a filling opens the gate and restores nothing",
        "widget_server/use_cases/restoring.py",
        "        days = _chunks([*booked, *only_here])\n",
        "        days = _chunks([])\n",
        seed=7,
    ),
    Breakage(
        "a gap in the feed is passed over in silence",
        "widget_server/engine/feed.py",
        "if not same and last_id != NOTHING:",
        "if False:",
        seed=2,
    ),
    Breakage(
        "money is taken before the seats are booked",
        "widget_server/use_cases/deciding.py",
        "                return await self._pay(site, attempt, payment)\n",
        "                account = await self._account(attempt)\n"
        "                payment = await self._gateway.capture(account, payment, attempt_id=attempt.id)\n"
        "                return await self._pay(site, attempt, payment)\n",
    ),
    Breakage(
        "a refund has another key each time",
        "widget_server/use_cases/refunding.py",
        "account, due.intent_id, due.amount.amount_minor, refund_id=due.id",
        'account, due.intent_id, due.amount.amount_minor, refund_id=f"{due.id}{due.tries}"',
    ),
    Breakage(
        "a webhook is believed",
        "widget_server/use_cases/settling.py",
        "            await self.carry_on(attempt)\n        await",
        "            await self._payments.give_up(attempt.id, self.now(), why=event.kind)\n        await",
    ),
    Breakage(
        "seats are given back while their page is open",
        "widget_server/use_cases/deciding.py",
        "        try:\n            payment = await self._answer_of(",
        "        if is_over:\n"
        '            return await self._payments.give_up(attempt.id, now, why="not paid")\n'
        "        try:\n            payment = await self._answer_of(",
        seed=11,
    ),
    Breakage(
        "more goes back than was said",
        "widget_server/store/refunds.py",
        "policy.get(service, 100)",
        "100",
        seed=15,
    ),
    Breakage(
        "somebody who is busy elsewhere is claimed",
        "lua/lib/room_with.lua",
        "if claim.from_ms < need.until_ms and claim.until_ms > need.from_ms then",
        "if claim.slot_id == slot_id then",
        seed=2,
    ),
    Breakage(
        "somebody serves any number of seats",
        "lua/lib/room_with.lua",
        "(claim.slot_id == slot_id and claim.seats or need.each)",
        "(claim.slot_id == slot_id and 0 or need.each)",
        seed=2,
    ),
    Breakage(
        "whoever was claimed stays claimed",
        "lua/lib/drop_claims.lua",
        "if score and tonumber(score) ~= 4000000000000000 then",
        "if false then",
        seed=5,
    ),
    Breakage(
        "a claim is not told",
        "lua/lib/keep_claims.lua",
        "parts[#parts + 1] = note_claim(gate_key, claim, score)",
        "note_claim(gate_key, claim, score)",
    ),
    Breakage(
        "memory does not hear of seats",
        "widget_server/use_cases/availability.py",
        "seats.apply(update)",
        "pass",
    ),
    Breakage(
        "lines are dropped a minute early",
        "lua/lib/find_room.lua",
        "'-inf', string.format('%d', now)",
        "'-inf', string.format('%d', now + 60000)",
        seed=6,
    ),
    Breakage(
        "renewed for ever",
        "lua/renew.lua",
        "math.min(wanted, limit)",
        "wanted",
    ),
    Breakage(
        "a widget that missed something is not told to read again",
        "widget_server/live/board.py",
        "position, reset = self._complete_since, wire.reset(self.epoch, id=self._id(self._complete_since))",
        'position, reset = self._complete_since, b""',
        seed=5,
    ),
    Breakage(
        "SQL is no wall",
        "widget_server/store/meetings.py",
        '.where(_its_table.c.booked + bindparam("seats") <= bindparam("at_most"))',
        "",
        seed=4,
    ),
    Breakage(
        "what was charged for no seats is kept",
        "widget_server/use_cases/deciding.py",
        "            if not await self._refunding.return_all(attempt, payment):\n",
        "            if False:\n",
    ),
    Breakage(
        "an outcome that was written is written again",
        "widget_server/store/outcomes.py",
        "(_its_table.c.fence < new.excluded.fence)",
        "(_its_table.c.fence <= new.excluded.fence)",
        seed=4,
    ),
    Breakage(
        "unpin does not compare the fence",
        "lua/unpin.lua",
        "or hold[2] ~= fence or",
        "or",
    ),
    Breakage(
        "an older count of booked seats wins",
        "lua/lib/set_booked_of.lua",
        "or line.booked_version <= tonumber(seats.booked_version) then",
        "then",
        seed=2,
    ),
)

RARELY_FOUND = (
    Breakage(
        "a line that has gone already is dropped again",
        "lua/lib/drop_line.lua",
        "if redis.call('ZREM', line.slot_key, member) == 1 then",
        "if redis.call('ZREM', line.slot_key, member) >= 0 then",
    ),
)
"""It takes many stories, and others with every change of the product: tried by hand, as it would take minutes."""
