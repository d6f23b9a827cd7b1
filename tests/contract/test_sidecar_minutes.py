"""What a sidecar does only after minutes, on a clock that runs faster (contract: sidecar, Situation 44)."""

import json

from tests.support.fast_sidecar import FastMesh, run_fast
from tests.support.gateway_server import gateway_server
from tests.support.sidecar_process import envelope, mesh, route

END_ACTOR = {"ASYA_IS_END_ACTOR": "true", "ASYA_HANDLER_MODE": "envelope", "ASYA_ENABLE_VALIDATION": "false"}


def test_row_44_after_5_minutes_it_is_parked_and_reported_after_the_gateways_return() -> None:
    async def scenario(fast: FastMesh) -> None:
        queue, body = fast.settings.queue, envelope({"n": 1}, id="parked", route=route("a", at=1))
        fast.admin.publish(queue, json.dumps(body).encode())
        await fast.until(lambda: fast.health.reasons == ("final_report_pending",), 30, "not ready")
        assert fast.admin.counts(queue).processing == 1
        await fast.until(lambda: fast.admin.counts(queue).delayed == 1, 30, "parked after five minutes of its time")
        (parked,) = fast.admin.peek(queue)
        assert json.loads(parked.body)["headers"]["x-asya-parked"] == 1
        assert fast.metrics.gateway_reports["final", "parked"] == 1
        assert fast.metrics.messages_sent[queue, "parked"] == 1
        gateway.status = None
        # Another one is not held up by the parked one.
        fast.admin.publish(queue, json.dumps(body | {"id": "next"}).encode())
        await fast.until(lambda: fast.metrics.messages_processed["end_consumed"] == 1, 30, "the next one is reported")
        await fast.until(lambda: not fast.admin.peek(queue), 30, "the parked one is reported five minutes later")
        assert [post.body["id"] for post in gateway.posts("final")][-2:] == ["next", "parked"]
        assert fast.metrics.messages_processed["end_consumed"] == 2
        # Its patience with the runtime is thirty times shorter, too.
        await fast.until(lambda: fast.health.ready, 30, "ready")

    with gateway_server() as gateway, mesh() as own:
        gateway.status = 503
        crew = {"ASYA_HANDLER": "asya_crew.sink.handle", "ASYA_PERSISTENCE_MOUNT": str(own.folder)}
        own.runtime(pod="x-sink", **crew | END_ACTOR)
        run_fast(own.environ("x-sink", ASYA_GATEWAY_URL=gateway.url, **END_ACTOR), scenario)
