"""A sidecar loads little: it runs once for every replica there is."""

import subprocess
import sys

from tests.support.gateway_server import gateway_server
from tests.support.sidecar_process import envelope, mesh
from tests.support.wait import until

HEAVY = ("pydantic", "rich", "typing_extensions", "prometheus_client", "opentelemetry", "psutil", "ruamel", "typer")
MOST_BYTES = 40e6


def test_a_start_loads_none_of_what_it_does_not_need() -> None:
    script = f"import sys, asya_sidecar.__main__; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


def test_what_was_hidden_can_be_loaded_later() -> None:
    script = "import asya_sidecar.lean, typing_extensions, rich; print(typing_extensions.__name__, rich.__name__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "typing_extensions rich\n"


def test_a_sidecar_that_reports_and_is_scraped_stays_within_40_mb() -> None:
    with gateway_server() as gateway, mesh() as own:
        sidecar, _ = own.pair(ASYA_GATEWAY_URL=gateway.url)
        for number in range(200):
            own.send(envelope({"n": number}, id=f"e-{number}"))
        until(lambda: own.counts("b").queued == 200, what="all are through")
        (line,) = [
            line for line in sidecar.get("/metrics")[1].splitlines() if line.startswith("process_resident_memory_bytes")
        ]
    assert float(line.split()[1]) <= MOST_BYTES
