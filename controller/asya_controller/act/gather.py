"""Everything one pass has to know about an actor, as a World.

Called at the beginning of a pass and after its writes. Reads stores, the facts about queues, and what is remembered; must not write, and
asks the API server nothing but Events about a pod that says nothing itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from asya_controller.act.actor_state import ActorState
from asya_controller.act.kinds import (
    DEPLOYMENT,
    HPA,
    POD,
    REPLICA_SET,
    SCALED_OBJECT,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    TRIGGER_AUTHENTICATION,
    WORKLOADS,
    Kind,
)
from asya_controller.act.store import Kept, Name
from asya_controller.act.view import View
from asya_controller.decide.config import OperatorConfig
from asya_controller.decide.counts import lenient
from asya_controller.decide.world import QueueFacts, World
from asya_schemas.actor import effective


class Children:
    """The objects of one actor as the stores have them now."""

    def __init__(self, view: View, actor: Name, kind: Kind) -> None:
        """`kind` of workload is what the spec asks for."""
        namespace, name = actor
        other = next(item for item in WORKLOADS if item is not kind)
        self.wanted_kind, self.other_kind = kind, other
        self.wanted = view.get(kind, actor)
        self.other = view.get(other, actor)
        self.workload = self.wanted or self.other
        self.workload_kind = kind if self.wanted else other
        self.scaled_object = view.get(SCALED_OBJECT, actor)
        self.authentication = view.get(TRIGGER_AUTHENTICATION, (namespace, f"{name}-trigger-auth"))
        self.service_account = view.get(SERVICE_ACCOUNT, (namespace, f"asya-{name}"))
        self.hpa = view.get(HPA, (namespace, f"keda-hpa-{name}"))
        self.pods = pods(view, actor, self.workload)

    def going(self, view: View, actor: Name) -> None:
        """Of an actor that is being deleted all pods count, also when the workload that made them has gone before them."""
        self.pods = [pod for pod in view.of_actor(POD, actor) if pod.owner]

    def signature(self) -> tuple[Any, ...]:
        """Changes when any of them does."""
        each = (self.wanted, self.other, self.scaled_object, self.authentication, self.service_account, self.hpa)
        return tuple(kept and (kept.uid, kept.version) for kept in (*each, *self.pods))

    def planned(self) -> tuple[tuple[Kind, Kept | None], ...]:
        """What a plan is made from, by kind; absent ones are None."""
        return (
            (self.wanted_kind, self.wanted),
            (self.other_kind, self.other),
            (SCALED_OBJECT, self.scaled_object),
            (TRIGGER_AUTHENTICATION, self.authentication),
            (SERVICE_ACCOUNT, self.service_account),
            (HPA, self.hpa),
        )

    def kept(self) -> Iterable[tuple[Kind, Kept]]:
        """Those of ours that are applied, by kind."""
        named = (
            (self.workload_kind, self.workload),
            (SCALED_OBJECT, self.scaled_object),
            (TRIGGER_AUTHENTICATION, self.authentication),
            (SERVICE_ACCOUNT, self.service_account),
        )
        return ((kind, item) for kind, item in named if item is not None)


def overtaken(before: Children, after: Children, left: Mapping[str, Kept]) -> bool:
    """Whether others changed, while a plan was carried out, what it was made from; `left` is what its own writes made of it, by kind.

    What an object says of itself plans nothing, except where one workload waits for the other's pods.
    """
    if before.other is not None:
        return before.signature() != after.signature()
    pairs = zip(before.planned(), after.planned(), strict=True)
    return any(not alike(left.get(kind.name, then), now) for (kind, then), (_, now) in pairs)


def alike(then: Kept | None, now: Kept | None) -> bool:
    """Whether a plan would be the same with either."""
    if then is None or now is None or then.uid != now.uid:
        return then is now
    return then.version == now.version or (then.fields == now.fields and essence(then) == essence(now))


def essence(kept: Kept) -> dict[str, Any]:
    """The object without what it says of itself."""
    found = kept.read()
    found.pop("status", None)
    del found["metadata"]["resourceVersion"]
    return found


def wanted_kind(spec: object) -> Kind:
    """The kind of workload that a spec asks for, which nobody may have checked."""
    asked = lenient(effective.kind, spec, "Deployment") if isinstance(spec, Mapping) else ""
    return STATEFUL_SET if asked == STATEFUL_SET.name else DEPLOYMENT


def pods(view: View, actor: Name, workload: Kept | None) -> list[Kept]:
    """The pods of a workload, its own or its ReplicaSets'."""
    if workload is None:
        return []
    owners = {workload.uid, *(item.uid for item in view.of_actor(REPLICA_SET, actor) if item.owner == workload.uid)}
    return [pod for pod in view.of_actor(POD, actor) if pod.owner in owners]


def world_of(
    actor: Mapping[str, Any],
    children: Children,
    config: OperatorConfig,
    state: ActorState,
    queue: QueueFacts | None,
    *,
    keda: bool,
    now_s: float,
    pass_finished: bool = True,
    awaiting: str = "",
) -> World:
    """The World of a pass."""
    found = World(
        actor=actor,
        config=config,
        workload=read(children.workload),
        pods=tuple(pod.read() for pod in children.pods),
        scaled_object=read(children.scaled_object),
        hpa=read(children.hpa),
        trigger_authentication=read(children.authentication),
        other_workload=read(children.other),
        service_account=read(children.service_account),
        keda=keda,
        queue=queue,
        fields={kind.name: kept.fields for kind, kept in children.kept()},
        pass_finished=pass_finished,
        awaiting=awaiting,
        checked=state.checked and state.checked[1:],
    )
    return remembered(found, state, now_s)


def remembered(world: World, state: ActorState, now_s: float) -> World:
    """The World with what is remembered as it is now."""
    return replace(
        world,
        events=tuple(event for looked in state.looked.values() for event in looked.events),
        refusals=tuple(held.refusal for held in state.held.values()),
        queues_dealt_with=tuple(state.dealt_with),
        left=dict(state.left),
        due=frozenset(kind for kind, until in state.sure_until.items() if until <= now_s),
        memory=state.memory,
    )


def read(kept: Kept | None) -> dict[str, Any] | None:
    """The object, None when there is none."""
    return None if kept is None else kept.read()
