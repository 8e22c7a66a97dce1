"""What workers and operators do."""

from dataclasses import replace

from sqlmodel.ext.asyncio.session import AsyncSession

from widget_server.domain.schedule import Service
from widget_server.domain.sites import Site
from widget_server.simulator.operations import ask, operation
from widget_server.simulator.processes import Process
from widget_server.simulator.world import PARTITION, PEOPLE, SITES, WITH_PEOPLE, World, openings, services_of, shifts
from widget_server.store.schedule import Write, put_openings, put_service, put_settings
from widget_server.store.staff import put_shifts

CAPACITIES = (1, 2, 3, 4, 5)


@operation(weight=8)
async def sweep(world: World) -> str:
    process = world.worker() if world.chance.random() < 0.8 else world.web()
    return f"{process.name}: {await ask(process, process.reconciliation.sweep(PARTITION))} ended"


@operation(weight=2.5)
async def deliver(world: World) -> str:
    process = world.worker()
    return f"{await ask(process, process.reconciliation.deliver())} told"


@operation(weight=1)
async def fill(world: World) -> str:
    """The look that a worker takes each second at whether all sites are there, and nothing lost is left to count."""
    process = world.worker()
    await ask(process, process.reconciliation._look_after(PARTITION))
    return "done"


@operation(weight=0.4)
async def audit(world: World) -> str:
    """One round through everything, as a worker always goes; its first finds what was lost before it began."""
    process = world.worker()
    await ask(process, process.reconciliation._go_round(PARTITION))
    return "done"


@operation(weight=0.05)
async def rebuild(world: World) -> str:
    """The command, while everything runs."""
    process, site = world.worker(), world.chance.choice(list(SITES))
    return f"{site}: {await ask(process, process.reconciliation.fill(site))!r}"


@operation(weight=1)
async def change_schedule(world: World) -> str:
    process, site = world.web(), world.sites[world.chance.choice(list(SITES))]
    what, write = world.chance.choice((_capacity, _hours, _settings, _people))(world, site)
    return await change_of(world, process, site, what, write)


async def change_of(world: World, process: Process, site: Site, what: str, write: Write) -> str:
    try:
        version = await ask(process, process.scheduling.change(site, write))
    finally:
        await world.look_at_plan(site.key)
    if isinstance(version, int):
        world.witness.schedules[site.key] = max(version, world.witness.schedules.get(site.key, 0))
    return f"{process.name}: {site.key} {what}: {version!r}"


def _capacity(world: World, site: Site) -> tuple[str, Write]:
    service = replace(world.chance.choice(services_of(site.key)), capacity=world.chance.choice(CAPACITIES))
    return resized(world, site, service)


def resized(world: World, site: Site, service: Service) -> tuple[str, Write]:
    async def write(session: AsyncSession) -> None:
        await put_service(session, site.id, service, at=world.clock.now())

    return f"{service.capacity} seats for {service.key}", write


def _hours(world: World, site: Site) -> tuple[str, Write]:
    service, closed = world.any_service(site.key), world.chance.sample(range(7), world.chance.choice((0, 0, 1)))

    async def write(session: AsyncSession) -> None:
        await put_openings(session, site.id, service, openings(service, without=closed))

    return f"{service} closed on {closed}", write


def _people(world: World, site: Site) -> tuple[str, Write]:
    if site.key != WITH_PEOPLE:
        return _hours(world, site)
    person, off = world.chance.choice(PEOPLE), world.chance.sample(range(7), world.chance.choice((0, 0, 1, 2)))

    async def write(session: AsyncSession) -> None:
        await put_shifts(session, site.id, person, shifts(person, without=off))

    return f"{person} is off on {off}", write


def _settings(world: World, site: Site) -> tuple[str, Write]:
    wanted = replace(site, holds_on=world.chance.random() < 0.9, hold_minutes=world.chance.choice((1, 2, 10)))

    async def write(session: AsyncSession) -> None:
        await put_settings(session, wanted)

    return f"holds {'on' if wanted.holds_on else 'off'}, {wanted.hold_minutes} min", write
