"""A situation that the embedded broker shows in its own way: nobody can write (contract: sidecar, Situation 20)."""

import sqlite3

from tests.support.sidecar_process import envelope, mesh
from tests.support.wait import until


def test_row_20_without_the_broker_there_is_no_acknowledgement_and_the_message_comes_again() -> None:
    with mesh() as own:
        sidecar, runtime = own.pair(ASYA_RESILIENCY_ACTOR_TIMEOUT="2s")
        own.send(envelope({"do": "sleep", "s": 60}))
        until(own.calls, what="the handler was called")
        lock = sqlite3.connect(own.database, isolation_level=None, timeout=10)
        lock.execute("BEGIN IMMEDIATE")  # nobody can write: to the sidecar the broker has stopped answering
        assert sidecar.exit_code(17) == 1
        assert "crashing pod to recover" in sidecar.log
        runtime.kill()
        lock.execute("ROLLBACK")
        lock.close()
        assert own.is_gone("x-sump")
        assert len(own.stored("a")) == 1
        own.admin.release_dead()
        again, _ = own.pair(ASYA_RESILIENCY_ACTOR_TIMEOUT="2s")
        assert again.exit_code(30) == 1
        assert own.arrived_one("x-sump", "e-1")["status"]["reason"] == "Timeout"
        assert own.is_gone("a")
        assert len(own.at("x-sump")) == 1
