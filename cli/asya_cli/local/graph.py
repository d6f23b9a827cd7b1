"""The mesh as nodes and edges, from the published state or from files. Pure; drawn by `drawings.py`, called by `asya graph`.

Observed edges are what sidecars sent since the mesh started; declared ones stand in the files (`onExhausted`: the route a
retry policy falls back to). The route of an envelope is its sender's, so no file declares it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Node:
    """One actor. Numbers are None where nothing runs."""

    name: str
    status: str | None = None
    ready: int | None = None
    desired: int | None = None
    queued: int | None = None
    processing: int | None = None

    @property
    def facts(self) -> str:
        """Status, replicas and queue depth in a few words, empty for an actor that does not run."""
        if self.status is None:
            return ""
        counted = ((self.queued, "queued"), (self.processing, "in work"))
        known = [f"{count} {what}" for count, what in counted if count is not None]
        return ", ".join([f"{self.status} {self.ready}/{self.desired}", *(known or ["queue not counted"])])


@dataclass(frozen=True, slots=True)
class Edge:
    """`count` messages went from one actor to another; None for an edge that is only declared."""

    source: str
    target: str
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes by name, edges by source and target."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        return {
            "nodes": [
                {
                    "name": n.name,
                    "status": n.status,
                    "replicas": n.ready,
                    "queued": n.queued,
                    "processing": n.processing,
                }
                for n in self.nodes
            ],
            "edges": [
                {
                    "from": e.source,
                    "to": e.target,
                    "kind": "declared" if e.count is None else "observed",
                    "count": e.count,
                }
                for e in self.edges
            ],
        }

    def layers(self) -> list[list[str]]:
        """Names in columns, so that edges lead from left to right as far as there are no loops."""
        depth: dict[str, int] = {node.name: 0 for node in self.nodes}
        for _ in self.nodes:  # the longest path has at most so many steps; a loop would never end
            moved = False
            for edge in self.edges:
                wanted = min(depth[edge.source] + 1, len(self.nodes) - 1)
                if edge.source != edge.target and depth[edge.target] < wanted and not self._back(edge):
                    depth[edge.target], moved = wanted, True
            if not moved:
                break
        ranks = sorted(set(depth.values()))
        return [[node.name for node in self.nodes if depth[node.name] == rank] for rank in ranks]

    def _back(self, edge: Edge) -> bool:
        """Whether it closes a loop: its target leads to its source. Of a loop the edge against the order of names is left out."""
        return edge.source > edge.target and self._leads(edge.target, edge.source)

    def _leads(self, begin: str, end: str) -> bool:
        seen, waiting = set[str](), [begin]
        while waiting:
            name = waiting.pop()
            if name == end:
                return True
            if name not in seen:
                seen.add(name)
                waiting += [edge.target for edge in self.edges if edge.source == name]
        return False


def graph_of(entries: Sequence[Mapping[str, Any]]) -> Graph:
    """The running mesh."""
    by_queue = {entry["queue"]: str(entry["label"]) for entry in entries if entry["queue"]}
    counts: dict[tuple[str, str], int | None] = {}
    for entry in entries:
        for target in declared(entry["document"]):
            counts[entry["label"], target] = None
        for queue, number in entry["edges"].items():
            pair = (str(entry["label"]), by_queue.get(queue, queue))
            counts[pair] = (counts.get(pair) or 0) + number
    return _graph([_node(entry) for entry in entries], counts)


def graph_of_files(documents: Iterable[Mapping[str, Any]]) -> Graph:
    """What the files say, without a mesh."""
    documents = list(documents)
    counts: dict[tuple[str, str], int | None] = {}
    for document in documents:
        for target in declared(document):
            counts[document["metadata"]["name"], target] = None
    return _graph([Node(document["metadata"]["name"]) for document in documents], counts)


def declared(document: Mapping[str, Any]) -> list[str]:
    """Actors that the file itself sends to."""
    spec = document.get("spec") or {}
    policies = (spec.get("resiliency") or {}).get("policies") or {}
    return sorted({str(p["onExhausted"][0]) for p in policies.values() if p and p.get("onExhausted")})


def _node(entry: Mapping[str, Any]) -> Node:
    status = entry["document"]["status"]
    return Node(
        name=str(entry["label"]),
        status=str(status.get("status", "Creating")),
        ready=status.get("readyReplicas", 0),
        desired=status.get("desiredReplicas", 0),
        queued=entry["queued"],
        processing=entry["processing"],
    )


def _graph(nodes: list[Node], counts: Mapping[tuple[str, str], int | None]) -> Graph:
    known = {node.name for node in nodes}
    missing = {name for pair in counts for name in pair} - known
    edges = tuple(Edge(source, target, number) for (source, target), number in sorted(counts.items()))
    return Graph(tuple(sorted([*nodes, *(Node(name) for name in missing)], key=lambda node: node.name)), edges)
