"""One call of the handler, measured and traced; the same for ordinary and end actors.

Called by act/ordinary_actor.py and act/end_actor.py. Must not decide anything.
"""

import asyncio
from collections.abc import Callable

from asya_sidecar.act.job import Job
from asya_sidecar.act.metrics import Metrics
from asya_sidecar.act.runtime_client import RuntimeClient
from asya_sidecar.decide.answer import Reply, Unavailable, Unreachable


class Caller:
    """The runtime, with a stopwatch."""

    def __init__(self, runtime: RuntimeClient, metrics: Metrics) -> None:
        self._runtime = runtime
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()

    async def call(
        self, job: Job, body: bytes, limit_s: float, on_partial: Callable[[bytes], None] | None = None
    ) -> Reply:
        """Run the handler; `job.handler_s` says how long it took, unless it was never begun."""
        span = None if job.span is None else job.span.call()
        began = self._loop.time()
        reply = await self._runtime.call(body, limit_s, on_partial)
        if not isinstance(reply, (Unreachable, Unavailable)):
            job.handler_s = self._loop.time() - began
            self._metrics.runtime_execution.observe(job.handler_s)
        if span is not None:
            span.end(getattr(reply, "message", None))
        return reply
