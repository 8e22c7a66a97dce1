"""The only place that asks for a month over HTTP: as browsers do, without compression, and whether it has changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

from bench.lean import Address, HttpAnswers, drive
from bench.studio import SITE, Studio, free_port, started
from bench.table import Bound, Row, ratio, trust

READS = 200
_BY_BROWSERS = "accept-encoding: gzip, deflate, br\r\n"
_MUST = Bound(1.25)


@dataclass
class Reads:
    """What one read took, in µs: of each turn the median. And what came, in bytes."""

    sender: Address
    compressed: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)
    unchanged: list[float] = field(default_factory=list)
    no_op: list[float] = field(default_factory=list)
    as_many: list[float] = field(default_factory=list)
    compressed_bytes: int = 0
    plain_bytes: int = 0

    def take_turn(self, studio: Studio) -> None:
        head, self.plain_bytes = _parted(month(studio))
        _, self.compressed_bytes = _parted(_answer(studio.address, _request(studio, _BY_BROWSERS)))
        etag = head.partition("\r\netag: ")[2].partition("\r\n")[0]
        self.no_op.append(_took_us(studio.address, _get("/healthz")))
        self.compressed.append(_took_us(studio.address, _request(studio, _BY_BROWSERS)))
        self.unchanged.append(_took_us(studio.address, _request(studio, f"if-none-match: {etag}\r\n"), status=304))
        self.as_many.append(_took_us(self.sender, _get(f"/{self.plain_bytes}")))
        self.plain.append(_took_us(studio.address, _request(studio)))

    def rows(self, begins: str) -> list[Row]:
        no_op = f"{median(self.no_op):,.0f} µs, no-op route"
        as_many = f"{median(self.as_many):,.0f} µs, no-op route that sends as many bytes"
        of_browsers = f"{begins}, whole, as browsers ask: {self.compressed_bytes / 1000:.0f} kB"
        return [
            _row(of_browsers, self.compressed, self.no_op, no_op, must=_MUST),
            _row(
                f"for comparison: not compressed, {self.plain_bytes / 1000:.0f} kB", self.plain, self.as_many, as_many
            ),
            _row("the same, unchanged since (304)", self.unchanged, self.no_op, no_op, must=_MUST),
        ]


@contextmanager
def sending() -> Iterator[Address]:
    """A no-op route that sends as many bytes as it is asked for."""
    port = free_port()
    with started(["-m", "bench.sender", str(port)], says="Serving"):
        yield "127.0.0.1", port


def month(studio: Studio) -> bytes:
    """The whole answer, with all slots."""
    answer = _answer(studio.address, _request(studio))
    _trust_whole(studio, answer)
    return answer


def month_us(studio: Studio) -> float:
    """How long it took until the whole answer was read, once."""
    driven = drive(studio.address, [_request(studio)], HttpAnswers)
    _trust_whole(studio, driven.answers[0])
    return driven.took_s[0] * 1e6


def _trust_whole(studio: Studio, answer: bytes) -> None:
    slots = len(studio.slots)
    trust(answer.count(b'"held":') == slots, f"The answer does not have all {slots} slots.")


def _request(studio: Studio, header: str = "") -> bytes:
    return _get(
        f"/v1/sites/{SITE}/services/{studio.service}/availability?from={studio.first_day}&to={studio.last_day}", header
    )


def _get(path: str, header: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: bench\r\n{header}\r\n".encode()


def _answer(address: Address, request: bytes) -> bytes:
    answer: bytes = drive(address, [request], HttpAnswers).answers[0]
    return answer


def _parted(answer: bytes) -> tuple[str, int]:
    """The head, and how many bytes follow it."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode(), len(body)


def _took_us(address: Address, request: bytes, *, status: int = 200) -> float:
    driven = drive(address, [request] * READS, HttpAnswers)
    begins = f"HTTP/1.1 {status} "
    trust(all(answer.startswith(begins.encode()) for answer in driven.answers), f"Not every answer was {begins}.")
    return median(driven.took_s) * 1e6


def _row(
    name: str, ours: list[float], reference: list[float], reference_says: str, *, must: Bound | None = None
) -> Row:
    return Row(name, f"{median(ours):,.0f} µs", reference_says, ratio(ours, reference), must=must)
