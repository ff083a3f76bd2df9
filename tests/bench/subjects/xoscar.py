"""xoscar: an actor in a process of a pool. Its processes are the pool's, so there is no `spawn` and no `memory`."""

from __future__ import annotations

import asyncio

import xoscar

from tests.bench import measure


class Counter(xoscar.Actor):
    def __init__(self):
        self.count = 0

    async def add(self, n):
        self.count += n
        return self.count


def calls(**counts):
    loop = asyncio.new_event_loop()

    async def start():
        pool = await xoscar.create_actor_pool("127.0.0.1", n_process=1)
        strategy = xoscar.allocate_strategy.ProcessIndex(1)  # not in the main process: a call must cross
        return pool, await xoscar.create_actor(Counter, address=pool.external_address, allocate_strategy=strategy)

    async def gather(counter, n):
        await asyncio.gather(*[counter.add(1) for _ in range(n)])

    pool, counter = loop.run_until_complete(start())

    async def measured():
        # the same clockwork, awaited: leaving the loop for every call would be charged to xoscar
        return await in_loop(counter, gather, **counts)

    figures = loop.run_until_complete(measured())
    loop.run_until_complete(pool.stop())
    return figures


async def in_loop(counter, gather, *, sync, pipelined):
    from time import perf_counter

    for _ in range(measure.WARM_UP):
        await counter.add(1)
    times = []
    for _ in range(sync):
        start = perf_counter()
        await counter.add(1)
        times.append(perf_counter() - start)
    rates = []
    for _ in range(3):
        start = perf_counter()
        await gather(counter, pipelined)
        rates.append(pipelined / (perf_counter() - start))
    return {
        "p50": measure.percentile(times, 50) * 1e6,
        "p95": measure.percentile(times, 95) * 1e6,
        "rate": max(rates),
    }
