"""Draws a graph as text, Mermaid, DOT or SVG. Pure; called by `asya graph`."""

from collections.abc import Callable, Mapping
from xml.sax.saxutils import escape

from asya_cli.local.graph import Edge, Graph, Node

BOX_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y, MARGIN = 190, 46, 90, 24, 20
_COLOURS = {
    "Running": "#2e7d32",
    "Napping": "#546e7a",
    None: "#757575",
    "ScalingUp": "#b26a00",
    "ScalingDown": "#b26a00",
}


def as_text(graph: Graph) -> str:
    """One line per actor, its edges indented below it."""
    lines = []
    for node in graph.nodes:
        lines.append(f"{node.name}  ({node.facts})" if node.facts else node.name)
        lines += [f"  {'--' if e.count is not None else '- -'}> {e.target}{_count(e)}" for e in _from(graph, node)]
    return "\n".join(lines)


def as_mermaid(graph: Graph) -> str:
    """A Mermaid flowchart, as Markdown viewers draw it."""
    ids = {node.name: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for node in graph.nodes:
        facts = f"<br/>{node.facts}" if node.facts else ""
        lines.append(f'  {ids[node.name]}["{node.name}{facts}"]')
    for edge in graph.edges:
        arrow = "-.->" if edge.count is None else f"-->|{edge.count}|"
        lines.append(f"  {ids[edge.source]} {arrow} {ids[edge.target]}")
    return "\n".join(lines)


def as_dot(graph: Graph) -> str:
    """Graphviz."""
    lines = ["digraph mesh {", "  rankdir=LR;", "  node [shape=box];"]
    lines += [f'  "{node.name}" [label="{node.name}\\n{node.facts}"];' for node in graph.nodes]
    for edge in graph.edges:
        style = "style=dashed" if edge.count is None else f'label="{edge.count}"'
        lines.append(f'  "{edge.source}" -> "{edge.target}" [{style}];')
    return "\n".join([*lines, "}"])


def as_svg(graph: Graph) -> str:
    """A picture of its own: boxes in columns, edges as curves; no script, no foreign resource."""
    layers = graph.layers()
    place = {
        name: (MARGIN + column * (BOX_WIDTH + GAP_X), MARGIN + row * (BOX_HEIGHT + GAP_Y))
        for column, names in enumerate(layers)
        for row, name in enumerate(names)
    }
    width = 2 * MARGIN + max(1, len(layers)) * (BOX_WIDTH + GAP_X) - GAP_X
    height = 2 * MARGIN + max((len(names) for names in layers), default=1) * (BOX_HEIGHT + GAP_Y) - GAP_Y + GAP_Y
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        '<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 10 5 0 10z" fill="#555"/></marker></defs>',
        *(_svg_edge(edge, place) for edge in graph.edges),
        *(_svg_node(node, *place[node.name]) for node in graph.nodes),
        "</svg>",
    ]
    return "\n".join(parts)


def _svg_node(node: Node, x: int, y: int) -> str:
    colour = _COLOURS.get(node.status, "#c62828")
    return (
        f'<g><rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6" fill="#fff" stroke="{colour}" '
        f'stroke-width="2"/><text x="{x + 10}" y="{y + 19}" font-weight="bold">{escape(node.name)}</text>'
        f'<text x="{x + 10}" y="{y + 36}" fill="#555" font-size="10">{escape(node.facts)}</text></g>'
    )


def _svg_edge(edge: Edge, place: Mapping[str, tuple[int, int]]) -> str:
    (x1, y1), (x2, y2) = place[edge.source], place[edge.target]
    x1, y1, y2 = x1 + BOX_WIDTH, y1 + BOX_HEIGHT // 2, y2 + BOX_HEIGHT // 2
    bend = max(40, abs(x2 - x1) // 2)
    dash = ' stroke-dasharray="5 4"' if edge.count is None else ""
    label = "" if edge.count is None else _svg_label((x1 + x2) // 2, (y1 + y2) // 2 - 4, edge.count)
    curve = f"M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
    return f'<path d="{curve}" fill="none" stroke="#555"{dash} marker-end="url(#arrow)"/>{label}'


def _svg_label(x: int, y: int, number: int) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="middle" fill="#555">{number}</text>'


def _from(graph: Graph, node: Node) -> list[Edge]:
    return [edge for edge in graph.edges if edge.source == node.name]


def _count(edge: Edge) -> str:
    return "  declared" if edge.count is None else f"  {edge.count}"


DRAWINGS: Mapping[str, Callable[[Graph], str]] = {"text": as_text, "mermaid": as_mermaid, "dot": as_dot, "svg": as_svg}
