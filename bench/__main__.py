"""Run every measurement, or those whose module is named: `python -m bench runtime_call hop`."""

import sys
from pathlib import Path

from bench import hop, local_mesh, rabbitmq, rabbitmq_latency, report, runtime_call

PARTS = {
    "runtime_call": runtime_call.figures,
    "hop": hop.figures,
    "local_mesh": local_mesh.figures,
    "rabbitmq": rabbitmq.figures,
    "rabbitmq_latency": rabbitmq_latency.figures,
}


def main(chosen: list[str]) -> int:
    """Exit status 0 when every figure that was measured meets its target, else 1."""
    unknown = set(chosen) - set(PARTS)
    if unknown:
        sys.stderr.write(f"bench: no part called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}\n")
        return 2
    facts = report.machine()
    figures = [figure for name, part in PARTS.items() if not chosen or name in chosen for figure in part()]
    report.write(Path("build/bench.json"), facts, figures)
    report.show(figures)
    return 0 if all(figure.ok for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
