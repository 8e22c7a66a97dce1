"""The command `tenuto`: each of its words starts something, or does one thing and ends."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

import structlog
from pydantic import ValidationError

from widget_server import __version__, demo, serving
from widget_server.bootstrap import Parts, application, assembled, log_plainly, redis_of
from widget_server.domain.sites import Site
from widget_server.engine.embedded import EmbeddedRedis
from widget_server.errors import Fault, Refusal
from widget_server.reporting import Progress, as_json, as_lines
from widget_server.serving import listening, serve, work
from widget_server.settings import Settings
from widget_server.use_cases.findings import Finding
from widget_server.use_cases.rebuilding import Rebuilt
from widget_server.web.admin.people import invitation_link

FOUND_SOMETHING, COULD_NOT_LOOK = 1, 2
"""Exit codes of `tenuto audit`, besides 0: all is as it should be."""
NOBODY_READS = 128 + signal.SIGPIPE
"""What a shell says of a command whose reader, such as `head`, has seen enough."""

_log = structlog.get_logger()

Run = Callable[[Parts, EmbeddedRedis | None], Awaitable[None]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. What is wrong is said in one sentence."""
    # Until the event loop takes signals: an end as orderly as any.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    options = _parser().parse_args(arguments)
    log_plainly()
    try:
        code = _COMMANDS[options.command](_settings(options), options) or 0
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        return _unread()
    except KeyboardInterrupt:
        return 0
    except (Fault, Refusal) as problem:
        print(f"tenuto: {problem}", file=sys.stderr)
        return COULD_NOT_LOOK if options.command == "audit" else 1


def _unread() -> int:
    """At its end Python writes what is still to be written, and would complain once more: it goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return NOBODY_READS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tenuto", description="A booking widget and its server.")
    parser.add_argument("--version", action="version", version=f"tenuto {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, told in (("serve", "the web server"), ("demo", "everything at once, with a sample site")):
        command = commands.add_parser(name, help=told)
        command.add_argument("--port", type=int, help="instead of TENUTO_PORT")
    commands.add_parser("worker", help="ends holds on time, resolves what is stuck, keeps Redis filled")
    commands.add_parser("migrate", help="bring the tables up to date")
    create = commands.add_parser("create-site", help="a new site, and its first sign-in link")
    create.add_argument("key", help="its public name in snippets: a-z, 0-9 and hyphens")
    create.add_argument("--name", help="shown to visitors; the key if left out")
    create.add_argument("--zone", default="Europe/Berlin", help="IANA time zone, as Europe/Berlin")
    create.add_argument("--currency", default="EUR")
    link = commands.add_parser("sign-in-link", help="a new first sign-in link, also for a forgotten password")
    link.add_argument("key", help="the site's")
    link.add_argument("--email", help="a link that sets a new password for whoever signs in with this address")
    audit = commands.add_parser("audit", help="compare Redis with SQL, while serving, and change nothing")
    audit.add_argument("key", nargs="?", help="only this site")
    audit.add_argument("--json", action="store_true", help="for machines")
    rebuild = commands.add_parser("rebuild", help="let Redis count what SQL says, while serving")
    rebuild.add_argument("key", nargs="?", help="only this site")
    simulate = commands.add_parser("simulate", help="the whole system under faults, in virtual time, by a seed")
    seeds = "decides everything; the same seed runs the same. 1-24: these, one after the other"
    simulate.add_argument("--seed", type=_seeds, default=range(1, 2), help=seeds)
    simulate.add_argument("--steps", type=int, default=10_000, help="how many operations")
    return parser


def _seeds(text: str) -> range:
    """Raises ValueError."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _settings(options: argparse.Namespace) -> Settings:
    port = getattr(options, "port", None)
    try:
        return Settings() if port is None else Settings(port=port)
    except ValidationError as problem:
        found = problem.errors()[0]
        raise Fault(f"TENUTO_{str(found['loc'][0]).upper()} makes no sense: {found['msg']}.") from problem


def _serve(settings: Settings, _options: argparse.Namespace) -> None:
    with listening(settings.host, settings.port) as sockets:

        async def run(parts: Parts, redis: EmbeddedRedis | None) -> None:
            print(f"Serving on {settings.base_url}", flush=True)
            await serve(application(parts), sockets, parts.hub, redis)

        _run(settings, run)


def _worker(settings: Settings, _options: argparse.Namespace) -> None:
    async def run(parts: Parts, redis: EmbeddedRedis | None) -> None:
        print("Working", flush=True)
        await work(redis, parts.work())

    _run(settings, run)


def _demo(given: Settings, _options: argparse.Namespace) -> None:
    settings = demo.with_pretend_stripe(given)
    with listening(settings.host, settings.port) as sockets:

        async def run(parts: Parts, redis: EmbeddedRedis | None) -> None:
            site = await demo.ensure_sample_site(parts)
            is_new = await parts.use_cases.sites.needs_setup(site)
            print(demo.welcome(settings, await _sign_in_link(parts, site) if is_new else None), flush=True)
            app = demo.with_host_page(application(parts), settings)
            async with demo.pretend_stripe(app, settings):
                await serve(app, sockets, parts.hub, redis, parts.work())

        print("Getting everything ready ...", flush=True)
        _run(settings, run, migrating=True)


def _migrate(settings: Settings, _options: argparse.Namespace) -> None:
    from widget_server.store.database import Database

    async def run() -> None:
        database = Database(settings.database_url, settings.data_dir)
        try:
            await database.migrate()
        finally:
            await database.close()

    asyncio.run(run())
    print("The tables are up to date.")


def _create_site(settings: Settings, options: argparse.Namespace) -> None:
    async def run(parts: Parts, _redis: EmbeddedRedis | None) -> None:
        name = options.name or options.key
        site = await parts.use_cases.sites.create(
            key=options.key, name=name, zone=options.zone, currency=options.currency
        )
        print(f"The site {site.key} is there. Sign in for the first time, within a week:")
        print(f"  {await _sign_in_link(parts, site)}")

    _run(settings, run)


def _sign_in_link_again(settings: Settings, options: argparse.Namespace) -> None:
    async def run(parts: Parts, _redis: EmbeddedRedis | None) -> None:
        site = await parts.sites.by_key(options.key)
        if site is None:
            raise Fault("There is no such site.")
        print("Works once, within a week, and sets a password; links made before work no longer:")
        print(f"  {await _password_link(parts, site, options.email)}")

    _run(settings, run)


def _audit(settings: Settings, options: argparse.Namespace) -> int:
    found: list[Finding] = []
    progress = Progress("looked at")

    async def run(parts: Parts, _redis: EmbeddedRedis | None) -> None:
        auditing, sites = parts.use_cases.reconciliation.auditing, await _sites(parts, options.key)
        found.extend(await auditing.found(sites, step=lambda look: progress.add(look.size)))

    _run(settings, run)
    progress.end()
    print((as_json if options.json else as_lines)(found, progress.count))
    return FOUND_SOMETHING if found else 0


def _rebuild(settings: Settings, options: argparse.Namespace) -> None:
    progress = Progress("slots")

    async def run(parts: Parts, _redis: EmbeddedRedis | None) -> None:
        total = Rebuilt()
        async for step in parts.use_cases.reconciliation.rebuilding.rebuild(await _sites(parts, options.key)):
            total += step
            progress.add(step.filled + step.looked_at)
        progress.end()
        print(f"{total.filled:,} slots written anew, {total.looked_at:,} looked at and {total.mended:,} mended.")

    _run(settings, run)


async def _sites(parts: Parts, key: str | None) -> list[Site]:
    sites = [site for site in await parts.sites.all() if key in (None, site.key)]
    if key is not None and not sites:
        raise Fault("There is no such site.")
    return sites


def _simulate(_settings: Settings, options: argparse.Namespace) -> None:
    from widget_server.simulator.simulation import tell

    tell(options.seed, options.steps, lambda line: print(line, flush=True))


async def _sign_in_link(parts: Parts, site: Site) -> str:
    token = await parts.use_cases.sites.first_run_token(site)
    return f"{parts.settings.base_url}/admin/setup#{token}"


async def _password_link(parts: Parts, site: Site, email: str | None) -> str:
    if email is None:
        return await _sign_in_link(parts, site)
    return invitation_link(parts.settings.base_url, await parts.use_cases.people.password_token(site, email))


async def _check(parts: Parts) -> None:
    """Say at start, in one sentence, what would otherwise be said to every visitor."""
    wrong = {part: state for part, state in (await parts.use_cases.readiness.ask()).items() if state != "ok"}
    for part, state in wrong.items():
        raise Fault(f"{_place_of(part, parts.settings)}: {state}")
    await parts.database.must_be_current()
    for part, told in (await parts.use_cases.readiness.notes()).items():
        _log.warning("to_be_seen_to", part=part, why=told)


def _place_of(part: str, settings: Settings) -> str:
    """Which part, where it was looked for and what says so; never the password in its address."""
    urls = {"redis": settings.redis_url, "database": settings.database_url}
    if not (url := urls.get(part)):
        return part
    place = urlsplit(url)
    return f"{part} at {place.netloc.rpartition('@')[2] or place.path} (TENUTO_{part.upper()}_URL)"


def _run(settings: Settings, run: Run, *, migrating: bool = False) -> None:
    async def connected(redis_url: str, redis: EmbeddedRedis | None) -> None:
        async with assembled(settings, redis_url) as parts:
            if migrating:
                await parts.database.migrate()
            await _check(parts)
            await run(parts, redis)

    with redis_of(settings) as (redis_url, redis):
        serving.run(connected(redis_url, redis))


_COMMANDS: dict[str, Callable[[Settings, argparse.Namespace], int | None]] = {
    "serve": _serve,
    "worker": _worker,
    "demo": _demo,
    "migrate": _migrate,
    "create-site": _create_site,
    "sign-in-link": _sign_in_link_again,
    "audit": _audit,
    "rebuild": _rebuild,
    "simulate": _simulate,
}
