"""The only place that knows which slot of a Redis Cluster a key falls into."""

from binascii import crc_hqx
from functools import cache

SLOTS = 16_384
SPREAD_OVER = 64
"""So many partitions do the sites of a Cluster share: enough for any number of servers, few enough to follow all."""


def slot_of(tag: str) -> int:
    """The slot of all keys with this tag in braces: CRC16 as the Redis Cluster specification has it (XMODEM)."""
    return crc_hqx(tag.encode(), 0) % SLOTS


@cache
def spread_tags() -> tuple[str, ...]:
    """64 tags, one for each 64th of the slots, so that servers that share the slots evenly share the tags evenly.

    The tag of the 21st part is the first of p21-0, p21-1, p21-2 … that falls into it. Neighbours in the list are far
    from each other in the slots: the first two tags are half of the slots apart, the next two lie between them.
    """
    return tuple(_tag_within(_mirrored(number)) for number in range(SPREAD_OVER))


def _tag_within(part: int) -> str:
    share = SLOTS // SPREAD_OVER
    numbered = (f"p{part:02}-{number}" for number in range(SLOTS))
    return next(tag for tag in numbered if slot_of(tag) // share == part)


def _mirrored(number: int) -> int:
    """The number with its six bits the other way round: 0, 32, 16, 48, 8 …"""
    width = SPREAD_OVER.bit_length() - 1
    return int(f"{number:0{width}b}"[::-1], 2)
