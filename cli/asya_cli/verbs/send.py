"""`asya send`: puts an envelope straight into an actor's queue, and follows it (contract: cli)."""

import json
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from asya_cli import notes
from asya_cli.context import ContextOption, NamespaceOption, refuse_cluster
from asya_cli.errors import ProblemsFound, Unreachable, UsageMistake
from asya_cli.local.folder import Folder
from asya_cli.local.present import Present, last_known, near_names
from asya_cli.output import Output, OutputOption, emit, to_json

# A followed envelope with a deadline is looked for a little longer: its failure has to travel, too.
AFTER_DEADLINE_S = 10.0


def command(
    actors: Annotated[list[str] | None, typer.Argument(help="The route: one actor or several.")] = None,
    payload: Annotated[str | None, typer.Option(help="JSON, or @file, or @- for stdin.")] = None,
    header: Annotated[list[str] | None, typer.Option(help="name=value; a value that is JSON counts as JSON.")] = None,
    envelope_id: Annotated[str | None, typer.Option("--id", help="Id of the envelope. Default: a random one.")] = None,
    timeout: Annotated[float | None, typer.Option(min=0.001, help="Seconds until the envelope expires.")] = None,
    envelope: Annotated[str | None, typer.Option(help="A whole envelope: JSON, or @file, or @-.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for the end and print the result.")] = False,
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
) -> None:
    """Put an envelope straight into an actor's queue."""
    refuse_cluster(context)
    if envelope is not None:
        if actors or payload is not None or header or envelope_id:
            raise UsageMistake("--envelope holds id, route, headers and payload: leave the other options out")
        body = text_of(envelope, "--envelope").encode()
    else:
        body = encoded(actors or [], payload, header or [], envelope_id, timeout)
    found = checked(body)
    folder = Folder.here()
    mesh = last_known(folder)
    if mesh is None:
        raise Unreachable(f"no mesh is running in {folder.root.parent}: start one with `asya up PATH`")
    queue = queue_of(mesh, found.route.curr, found.route.next, namespace)
    if follow and mesh.pid is None:
        raise Unreachable(f"no mesh is running in {folder.root.parent}: start one with `asya up`, then follow")
    if follow:
        _send_and_follow(folder, queue, found, body, timeout, output)
        return
    publish(folder, queue, found, body)
    if mesh.pid is None:
        notes.say("no mesh is running here: the envelope waits for the next `asya up`")
    emit({"id": found.id, "queue": queue}, output, lambda: found.id)


def encoded(
    actors: list[str], payload: str | None, headers: list[str], envelope_id: str | None, timeout: float | None
) -> bytes:
    """The envelope that the options describe.

    Raises:
        UsageMistake: an option cannot be used; names it.
    """
    if not actors:
        raise UsageMistake("name an actor: asya send ACTOR... --payload JSON (asya get lists them)")
    if payload is None:
        raise UsageMistake('--payload is missing: JSON, or @file, for example --payload \'{"name": "you"}\'')
    text = text_of(payload, "--payload").strip()
    try:
        json.loads(text)
    except ValueError as error:
        raise UsageMistake(f"--payload is not JSON: {error}; text is written with its quotes: '\"text\"'") from error
    made: dict[str, Any] = {
        "id": envelope_id if envelope_id is not None else str(uuid.uuid4()),
        "route": {"prev": [], "curr": actors[0], "next": actors[1:]},
        "headers": dict(header_of(text) for text in headers),
    }
    now = datetime.now(UTC)
    status = {"phase": "pending", "actor": actors[0], "attempt": 1, "max_attempts": 1, "created_at": _time(now)}
    if timeout is not None:
        status["deadline_at"] = _time(now + timedelta(seconds=timeout))
    made["status"] = {**status, "updated_at": _time(now)}
    head = json.dumps(made, separators=(",", ":"))
    # The payload travels as it was written: numbers keep their spelling.
    return f'{head[:-1]},"payload":{text}}}'.encode()


def header_of(text: str) -> tuple[str, Any]:
    """One --header. Raises UsageMistake without a name or an equals sign."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageMistake(f"--header {text}: expected name=value")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def text_of(value: str, option: str) -> str:
    """The value, or the text of the file behind an @.

    Raises:
        UsageMistake: the file cannot be read.
    """
    if not value.startswith("@"):
        return value
    try:
        return sys.stdin.read() if value == "@-" else Path(value[1:]).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageMistake(f"{option} {value}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def checked(body: bytes) -> Any:
    """The envelope, read by the rules every sidecar reads it by. Raises UsageMistake."""
    from asya_schemas.envelope import Refused, parse
    from asya_schemas.limits import MADE_DEPTH, MAX_MESSAGE_BYTES

    try:
        found = parse(body, MAX_MESSAGE_BYTES, MADE_DEPTH)
    except Refused as refused:
        raise UsageMistake(f"this is no envelope that the mesh would take: {refused.message}") from refused
    if not found.route.curr:
        raise UsageMistake("the route is finished: give it an actor that is still to come (curr, or current)")
    return found


def queue_of(mesh: Present, curr: str, following: tuple[str, ...], namespace: str | None) -> str:
    """The queue of the first actor.

    Raises:
        UsageMistake: an actor of the route is unknown; lists near names.
    """
    entry = mesh.find(curr, namespace)
    space = entry["document"]["metadata"]["namespace"]
    known = mesh.names(space)
    for name in following:
        if name not in known:
            raise UsageMistake(f"no actor is called {name!r}{near_names(name, known)}")
    if entry["queue"] is None:
        raise UsageMistake(f"actor {curr} has no queue: see `asya explain {curr}`")
    return str(entry["queue"])


def publish(folder: Folder, queue: str, found: Any, body: bytes) -> None:
    """Store it in the queue.

    Raises:
        Unreachable: the broker, or the embedded one's file, cannot be used, or refuses it.
    """
    from asya_cli.local.broker import kept_broker
    from asya_transport.admin import TransportError
    from asya_transport.port import Outcome

    broker = kept_broker(folder)
    try:
        admin = broker.open()
        try:
            outcome = admin.publish(queue, body, message_id=found.id, trace_id=found.trace_id, sender="asya/send")
        finally:
            admin.close()
    except TransportError as error:
        raise Unreachable(str(error)) from error
    if outcome is not Outcome.CONFIRMED:
        raise Unreachable(f"{broker.place}: queue {queue} did not take the envelope: {outcome.value}")


def _send_and_follow(
    folder: Folder, queue: str, found: Any, body: bytes, timeout: float | None, output: Output
) -> None:
    from asya_cli.local.follow import NotInTime, follow, follow_logs
    from asya_cli.local.outcome import failure_text, outcome_of
    from asya_cli.local.tail import Tail

    if outcome_of(folder, found.id) is not None:
        notes.say(f"{found.id} has ended before; the store keeps its first end, which is shown")
    tail = Tail()
    follow_logs(folder, tail)
    publish(folder, queue, found, body)
    notes.say(f"{found.id} -> {found.route.curr}")
    within_s = None if timeout is None else timeout + AFTER_DEADLINE_S
    try:
        end = follow(folder, found.id, within_s, lambda hop: notes.say(told(hop)), tail)
    except NotInTime:
        raise ProblemsFound(f"{found.id} has not ended within {within_s:g} s: see `asya trace {found.id}`") from None
    shown = end.envelope.get("payload") if output is Output.TABLE else end.envelope
    emit(shown, output, lambda: to_json(shown))
    if end.failed:
        raise ProblemsFound(failure_text(end))


def told(hop: Any) -> str:
    """One hop in one line."""
    took = "" if hop.handler_ms is None else f" in {hop.handler_ms:g} ms"
    why = f": {hop.error}" if hop.error else ""
    return f"  {hop.pod}: {hop.outcome}{took}{why}"


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
