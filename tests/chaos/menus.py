"""What a saboteur may do to a town, how often each, and what it is sure to do."""

from collections import Counter
from collections.abc import Mapping

Menu = Mapping[str, int]

KILLED: Menu = {
    "kill_web": 3,
    "kill_worker": 2,
    "kill_all_workers": 1,
    "kill_valkey": 3,
    "kill_web_before_commit": 2,
    "kill_web_after_commit": 3,
    "kill_web_after_pin": 2,
    "kill_web_before_telling": 2,
}
LINES: Menu = {
    "lose_replies": 3,
    "cut_replies": 3,
    "delay_replies": 2,
    "hang_up_redis": 1,
    "flush_scripts": 3,
    "stop_web": 1,
    "stop_worker": 1,
    "stop_valkey": 1,
}
FORGETS: Menu = {
    "empty_redis": 2,
    "empty_redis_while_down": 1,
    "truncate_file": 3,
    "put_older_file_back": 4,
    "kill_web": 1,
    "kill_worker": 1,
}
TIME: Menu = {
    "step_clock": 4,
    "leap_ahead": 1,
    "stop_web_past_resolve_by": 4,
    "stop_worker": 1,
    "stop_web": 1,
    "kill_web_after_pin": 1,
}
SQL: Menu = {
    "stop_postgres": 2,
    "lose_sql_replies": 3,
    "lose_commit_answer": 4,
    "hang_up_sql": 2,
    "kill_web_after_commit": 1,
    "kill_worker": 1,
}
STRIPE: Menu = {
    "lose_stripe_replies": 3,
    "cut_stripe_replies": 2,
    "delay_stripe_replies": 1,
    "cut_off_stripe": 2,
    "have_stripe_busy": 2,
    "break_stripe": 3,
    "delay_refunds": 2,
    "double_webhooks": 1,
    "delay_webhooks": 1,
    "lose_webhooks": 2,
    "kill_after_opening": 2,
    "kill_before_capture": 2,
    "kill_after_capture": 2,
    "kill_after_refund": 2,
    "close_windows": 3,
    "let_seats_go": 2,
    "kill_web": 1,
    "kill_worker": 1,
    "empty_redis": 1,
}
EVERYTHING: Menu = {name: 1 for menu in (KILLED, LINES, FORGETS, TIME, SQL, STRIPE) for name in menu}
MENUS = {
    "killed": KILLED,
    "lines": LINES,
    "forgets": FORGETS,
    "time": TIME,
    "sql": SQL,
    "stripe": STRIPE,
    "everything": EVERYTHING,
}
FAMILIES = (
    ("kill_web", "kill_worker", "kill_all_workers"),
    ("kill_valkey",),
    ("kill_web_before_commit", "kill_web_after_commit", "kill_web_after_pin", "kill_web_before_telling"),
    ("lose_replies", "cut_replies", "delay_replies", "hang_up_redis"),
    ("flush_scripts",),
    ("stop_web", "stop_worker"),
    ("stop_valkey",),
    ("stop_web_past_resolve_by",),
    ("step_clock",),
    ("leap_ahead",),
    ("lose_sql_replies", "hang_up_sql"),
    ("lose_commit_answer",),
    ("stop_postgres",),
    ("truncate_file",),
    ("put_older_file_back",),
    ("empty_redis", "empty_redis_while_down"),
    ("lose_stripe_replies", "cut_stripe_replies", "delay_stripe_replies", "cut_off_stripe"),
    ("have_stripe_busy", "break_stripe", "delay_refunds"),
    ("double_webhooks", "delay_webhooks", "lose_webhooks"),
    ("kill_after_opening", "kill_before_capture", "kill_after_capture", "kill_after_refund"),
    ("close_windows",),
    ("let_seats_go",),
)
"""Of each that a menu has something of, one is done in every run of it, whatever the seed says."""


def missed(menu: Menu, done: Counter[str]) -> list[str]:
    return ["/".join(family) for family in families_of(menu) if not any(done[name] for name in family)]


def families_of(menu: Menu) -> list[tuple[str, ...]]:
    families = (tuple(name for name in family if name in menu) for family in FAMILIES)
    return [family for family in families if family]
