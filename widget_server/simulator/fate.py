"""What happens to the machines: time passes or goes back, Redis forgets, processes end."""

from widget_server.simulator.operations import operation
from widget_server.simulator.workers import sweep
from widget_server.simulator.world import WEBS, WORKER, World

_JUMPS_MS = (50, 1_000, 5_000, 20_000, 20_000, 60_000, 60_000, 120_000)
_LONG_JUMPS_MS = (600_000, 600_000, 8 * 3_600_000, 24 * 3_600_000)


@operation(weight=8)
async def time_passes(world: World) -> str:
    return _pass(world, world.chance.choice(_JUMPS_MS))


@operation(weight=5)
async def a_deadline_nears(world: World) -> str:
    """To the instant when the next hold is due, just before it, or after it; often somebody sweeps just then."""
    due = world.redis.next_due_ms()
    if due is None:
        return "nothing is due"
    passed = _pass(world, max(0, due - world.redis.now_ms() + world.chance.choice((-8, -3, 0, 1, 30))))
    return f"{passed}, {await sweep(world)}" if world.chance.random() < 0.5 else passed


@operation(weight=0.4)
async def a_night_passes(world: World) -> str:
    return _pass(world, world.chance.choice(_LONG_JUMPS_MS))


def _pass(world: World, ms: int) -> str:
    world.pass_time(ms)
    return f"{ms} ms"


@operation(weight=0.3)
async def redis_clock_steps(world: World) -> str:
    world.redis.skew_ms += world.chance.choice((-60_000, -5_000, -1_000, 1_000, 5_000))
    return f"to {world.redis.skew_ms} ms"


@operation(weight=0.05)
async def redis_forgets_all(world: World) -> str:
    world.redis.forget_all()
    return "all keys are gone"


@operation(weight=0.3)
async def redis_is_copied(world: World) -> str:
    """What it may be set back to later."""
    world.redis.remember()
    return "done"


@operation(weight=0.04)
async def redis_loses_the_end_of_its_file(world: World) -> str:
    world.redis.go_back(is_another=False)
    return "to the last copy"


@operation(weight=0.04)
async def a_replica_takes_over(world: World) -> str:
    """One that had not heard of the latest."""
    world.redis.go_back(is_another=True)
    return "to the last copy"


@operation(weight=0.3)
async def feed_is_trimmed(world: World) -> str:
    world.redis.trim_feed(world.chance.choice((0, 1, 50)))
    return "done"


@operation(weight=0.1)
async def process_ends(world: World) -> str:
    name = world.chance.choice((*WEBS, WORKER))
    world.processes[name].crash()
    return name
