"""The only place that asks what all of this ran on. It tells no names and no paths."""

import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path


def facts(redis_version: str) -> list[str]:
    return [
        f"{datetime.now(UTC):%Y-%m-%d}",
        f"{os.cpu_count()} cores, {_cpu()}, {platform.system()} on {platform.machine()}",
        f"{platform.python_implementation()} {platform.python_version()}, {redis_version}",
    ]


def stolen_and_all() -> tuple[int, int]:
    """The time that the host of a virtual machine gave to others, and all there was, of all cores in ticks; on other
    systems than Linux nothing of nothing."""
    with suppress(OSError):
        ticks = [int(each) for each in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return ticks[7], sum(ticks)
    return 0, 0


def redis_of(info: str) -> str:
    """The server's name and version, from INFO."""
    fields = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    if "valkey_version" in fields:
        return f"Valkey {fields['valkey_version']}"
    return f"Redis {fields['redis_version']}"


def memory_of(pid: int) -> int:
    """Resident bytes of a process."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(told.stdout) * 1024


def _cpu() -> str:
    return next(_named(), platform.processor() or "an unknown processor")


def _named() -> Iterator[str]:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                yield line.partition(":")[2].strip()
    with suppress(OSError, subprocess.CalledProcessError):
        asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
        yield subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
