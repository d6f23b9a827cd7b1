"""What a storm was asked for and what came of it, with every reason to call it failed.

Made by storm.py, judged by test_storm.py and storm_main.py.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from tests.faults.ledger import Verdict

EMPTY_WITHIN_S = 120.0
RSS_MB = 64.0
"""For a sidecar whose messages are small; what the contract allows grows with these (sidecar, P9)."""


@dataclass(frozen=True)
class Scale:
    """How much of everything."""

    envelopes: int
    kills: int
    crashes: int = 1
    freezes: int = 1
    alarms: int = 1
    deletions: int = 1
    seed: int = 17
    window: int = 16
    stuck_s: float = 90.0
    """Without any progress for so long the storm is given up."""
    unknown_actor_wait_s: float = 10.0
    """The mesh's own, and so the longest that a deleted queue may stay away."""


@dataclass
class Report:
    """What came of it."""

    scale: Scale
    verdict: Verdict
    seconds: float
    drained_s: float
    rss_mb: dict[str, float]
    told: list[str] = field(default_factory=list)
    """Logs that hold a secret."""

    def troubles(self) -> list[str]:
        """Everything that must not be; empty when the promise held."""
        found = self.verdict.troubles()
        if self.verdict.extra_runs > self.verdict.allowed_runs:
            found.append(f"{self.verdict.extra_runs} additional runs, {self.verdict.allowed_runs} allowed")
        if self.verdict.accepted < self.scale.envelopes:
            found.append(f"only {self.verdict.accepted} of {self.scale.envelopes} accepted")
        if self.drained_s > EMPTY_WITHIN_S:
            found.append(f"queues empty only {self.drained_s:.0f} s after the last fault")
        found += [f"{pod} had {mb:.0f} MB, more than {RSS_MB:g}" for pod, mb in self.rss_mb.items() if mb > RSS_MB]
        return found + [f"a secret in {where}" for where in self.told]

    def as_json(self) -> dict[str, object]:
        """What build/storm.json holds."""
        return {
            "scale": asdict(self.scale),
            "figures": self.verdict.figures(),
            "kinds": dict(self.verdict.kinds),
            "faults": dict(self.verdict.faults),
            "seconds": round(self.seconds),
            "empty_s_after_last_fault": round(self.drained_s, 1),
            "sidecar_rss_mb": round(max(self.rss_mb.values()), 1),
            "troubles": self.troubles(),
        }
