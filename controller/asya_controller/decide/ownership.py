"""Who owns the fields of a child, as far as it matters to us.

Read off an object's managed fields by whoever keeps it, used by plan.py. Must not know how they are written down there.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ownership:
    """`applied` changes when the set of fields we own does; None when we have applied nothing.

    `replicas`: we own `spec.replicas`. `handover_open`: the helper that hands the count over to KEDA still owns more than the count.
    """

    applied: str | None
    replicas: bool
    handover_open: bool
