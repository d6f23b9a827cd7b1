"""`asya sync`: the file source (contract: cli). One pass, or with `--watch` one at every change."""

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asya_cli import notes
from asya_cli.context import ContextOption, NamespaceOption
from asya_cli.errors import Interrupted, ProblemsFound, UsageMistake
from asya_cli.output import Output, OutputOption, emit, to_json, write

if TYPE_CHECKING:
    from asya_controller.act.source.passes import Outcome

SETTLED = "{} unchanged"


def command(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Files and folders with AsyncActors.")],
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on: apply whenever the files change.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete actors of the set that are in no file any more.")
    ] = False,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Let --prune delete every actor of the set.")
    ] = False,
    max_deletes: Annotated[int, typer.Option("--max-deletes", min=0, help="Most deletes of one pass.")] = 10,
    set_name: Annotated[
        str, typer.Option("--set", help="Name of the set: a ConfigMap that keeps the inventory.")
    ] = "asya-files",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written and write nothing.")] = False,
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
) -> None:
    """Apply AsyncActors from files to a cluster. A file that cannot be used: nothing is applied, nothing deleted.

    The files are applied with field manager asya-files; the inventory is an ApplySet (applyset.kubernetes.io).
    """
    from asya_cli.cluster.connection import asked, own_version, reach
    from asya_controller.act.source.passes import Refused, Source
    from asya_controller.act.source.snapshot import Unsettled
    from asya_controller.decide.source.applyset import ApplySet
    from asya_controller.decide.source.sync import Rules

    if watch and dry_run:
        raise UsageMistake("--dry-run says what one pass would do: leave out --watch")
    for path in paths:
        if not path.exists():
            raise UsageMistake(f"{path}: no such file or folder")
    cluster = reach(context, namespace)
    rules = Rules(ApplySet(set_name, cluster.namespace), cluster.namespace, prune, allow_empty, max_deletes)
    source = Source(cluster.api, paths, rules, own_version())
    if watch:
        follow(source, output)
        return
    try:
        with asked(cluster):
            seen = source.look()
            outcome = source.run(seen, dry_run)
    except (Refused, Unsettled) as error:
        raise ProblemsFound(str(error)) from None
    if outcome.problems:
        raise UsageMistake(told(outcome))
    if not seen.loaded.actors and not allow_empty:
        held = outcome.planned.held_back if outcome.planned else None
        where = ", ".join(str(path) for path in paths)
        raise UsageMistake(
            f"no AsyncActor was found in {where}" + (f": {held}" if held else "; make one with: asya new hello")
        )
    emit(outcome_of(outcome), output, lambda: "\n".join(lines(outcome, dry_run)))
    finish(outcome)


def finish(outcome: "Outcome") -> None:
    """The notes of a pass. Raises ProblemsFound when something is left to do."""
    planned = outcome.planned
    for note in planned.notes if planned else ():
        notes.say(note)
    if planned and planned.held_back:
        raise ProblemsFound(planned.held_back)
    if planned and planned.going:
        names = ", ".join("/".join(key) for key in planned.going)
        raise ProblemsFound(f"still being deleted: {names}; run it again when they are gone")


def follow(source: Any, output: Output) -> None:
    """Passes until a signal. Raises Interrupted at its end."""
    from asya_controller.act.source.loop import follow as passes

    stop, ends = threading.Event(), (signal.SIGTERM, signal.SIGINT)

    def ended() -> None:
        signal.sigwait(ends)
        stop.set()

    # Not a handler: one that sets an Event hangs when it interrupts a wait for that very Event.
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    threading.Thread(target=ended, name="signals", daemon=True).start()
    passes(source, Reporter(output), stop)
    raise Interrupted


class Reporter:
    """Prints what each pass changed; what is the same as before is not said again."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._told: object = None

    def __call__(self, news: "Outcome | str") -> None:
        if isinstance(news, str):
            notes.say(f"asya: {news}; trying again")
            return
        if self._output is not Output.TABLE:
            write(to_json(outcome_of(news)).replace("\n", "") if self._output is Output.JSON else "---\n")
            if self._output is Output.YAML:
                emit(outcome_of(news), self._output, lambda: "")
            return
        text = told(news) if news.problems else ""
        held = news.planned.held_back if news.planned else None
        key = (news.revision, text, held, news.planned.going if news.planned else ())
        write("\n".join(line for line in lines(news, False) if "unchanged" not in line))
        if key != self._told:
            self._told = key
            if text:
                notes.say(f"{text}\nnothing is applied until this is mended")
            elif held:
                notes.say(f"asya: {held}")
            else:
                notes.say(f"in step with {news.revision}")


def told(outcome: "Outcome") -> str:
    """Why a pass was refused."""
    return "\n".join(str(problem) for problem in outcome.problems)


WORDS = {"created": "created", "changed": "configured", "drifted": "restored"}


def outcome_of(outcome: "Outcome") -> dict[str, Any]:
    """The pass as data."""
    planned = outcome.planned
    return {
        "revision": outcome.revision,
        "applied": [
            {"namespace": a.key[0], "name": a.key[1], "result": WORDS[a.why]}
            for a in (planned.applies if planned and not outcome.problems else ())
        ],
        "unchanged": [{"namespace": n, "name": name} for n, name in (planned.unchanged if planned else ())],
        "pruned": [
            {"namespace": item["metadata"]["namespace"], "name": item["metadata"]["name"]}
            for item in (planned.deletes if planned and not outcome.problems else ())
        ],
        "problems": [str(problem) for problem in outcome.problems],
        "heldBack": planned.held_back if planned else None,
    }


def lines(outcome: "Outcome", dry_run: bool) -> list[str]:
    """One line for each actor, as kubectl writes them."""
    data = outcome_of(outcome)
    results = [(item, item["result"]) for item in data["applied"]]
    results += [(item, "unchanged") for item in data["unchanged"]] + [(item, "pruned") for item in data["pruned"]]
    tail = " (dry run)" if dry_run else ""
    return [f"asyncactor.asya.sh/{item['name']} {result} in {item['namespace']}{tail}" for item, result in results]
