"""`asya trace`: every hop, log line and timing of one envelope or trace id (contract: cli)."""

import shutil
from typing import Annotated, Any

import typer

from asya_cli.context import ContextOption, refuse_cluster
from asya_cli.errors import ProblemsFound, Unreachable
from asya_cli.local.folder import Folder
from asya_cli.local.hops import Hop, hops, lines_about
from asya_cli.local.outcome import failure_text, outcome_of
from asya_cli.local.present import last_known
from asya_cli.local.waterfall import as_data, waterfall
from asya_cli.output import Output, OutputOption, emit

_SHOWN_BY_THE_WATERFALL = frozenset({"envelope done", "call done"})


def command(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="Id of an envelope or of a trace.")],
    output: OutputOption = Output.TABLE,
    context: ContextOption = None,
) -> None:
    """Show every hop and log line of one envelope."""
    refuse_cluster(context)
    folder = Folder.here()
    if last_known(folder) is None:
        raise Unreachable(f"no mesh has run in {folder.root.parent}: start one with `asya up PATH`")
    found = hops(folder.logs, wanted)
    lines = other_lines(folder, wanted)
    ids = sorted({hop.envelope_id for hop in found} | {wanted})
    ends = {name: end for name in ids if (end := outcome_of(folder, name)) is not None}
    if not found and not ends and not lines:
        raise ProblemsFound(f"nothing in {folder.logs} speaks of {wanted}: it may still wait in a queue (`asya get`)")
    value = {
        "id": wanted,
        "hops": as_data(found),
        "lines": lines,
        "ends": {name: {"file": str(end.file), "failed": end.failed} for name, end in ends.items()},
    }
    emit(value, output, lambda: shown(found, lines, ends))


def other_lines(folder: Folder, wanted: str) -> list[dict[str, Any]]:
    """Log lines of both processes that are no hop, in order."""
    lines = [
        {**members, "pod": pod}
        for process in ("sidecar", "runtime")
        for pod, members in lines_about(folder.logs, wanted, process)
        if members.get("msg") not in _SHOWN_BY_THE_WATERFALL
    ]
    return sorted(lines, key=lambda members: str(members.get("time", "")))


def shown(found: list[Hop], lines: list[dict[str, Any]], ends: dict[str, Any]) -> str:
    """Waterfall, other lines, ends."""
    parts = [waterfall(found, shutil.get_terminal_size((120, 40)).columns)] if found else []
    if lines:
        parts.append(
            "\n".join(f"{m.get('time', '')}  {m['pod']}  {m.get('level', '')} {m.get('msg', '')}" for m in lines)
        )
    for name, end in ends.items():
        parts.append(f"{name}: {failure_text(end)}" if end.failed else f"{name}: result in {end.file}")
    return "\n\n".join(parts)
