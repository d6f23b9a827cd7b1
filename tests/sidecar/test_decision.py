"""What decisions depend on (contract: sidecar, Retries and Transports)."""

import json

from asya_sidecar.decide.decision import too_long_waits
from tests.support.decisions import rules

POLICIES = json.dumps({"patient": {"maxInterval": "2h", "initialDelay": "2h"}, "default": {"maxInterval": "5m"}})


def test_a_policy_that_waits_longer_than_the_transport_can_is_named() -> None:
    found = too_long_waits(rules(max_delay_s=900, ASYA_RESILIENCY_POLICIES=POLICIES))
    assert len(found) == 1
    assert found[0].startswith("policy patient may wait ")


def test_without_a_limit_there_is_nothing_to_say() -> None:
    assert too_long_waits(rules(ASYA_RESILIENCY_POLICIES=POLICIES)) == []


def test_a_hard_limit_of_the_transport_leaves_room_for_the_head() -> None:
    given = rules(transport_bytes=1_048_576)
    assert (given.reader_bytes, given.max_message_bytes) == (1_048_576, 1_048_576 - 65_536)


def test_without_one_readers_accept_more_than_handlers_may_make() -> None:
    given = rules()
    assert (given.max_message_bytes, given.reader_bytes) == (10_485_760, 10_485_760 + 65_536)
