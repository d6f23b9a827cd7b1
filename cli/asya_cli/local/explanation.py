"""Why an actor has its status, from its entry in the published state. Pure; called by `asya explain`.

Names the rule that fired, the evidence, what changed last and the next command to type (contract: cli). It finds no new
verdict: the rule is the one `status_of` reported.
"""

import re
from dataclasses import dataclass
from typing import Any

# The rules of `asya_controller.decide.status`, in words.
RULES = {
    "terminating": "the actor is being deleted",
    "creating": "no look has been finished yet",
    "transport_failed": "the queue cannot be used",
    "workload_failed": "spec, configuration or pods are at fault",
    "scaling_failed": "the autoscaler does not work",
    "napping": "scaled to zero: nothing has been in the queue for the cooldown",
    "too_few_pods": "pods are missing",
    "too_many_pods": "there are more pods than wanted",
    "too_few_ready": "pods are there, not all of them are ready",
    "draining": "pods finish their work after a scale-down",
    "running": "as many pods are ready as wanted",
}
FRAME = re.compile(r'^\s*File "([^"<]+)", line (\d+)', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Explanation:
    """One answer. `place` is `file:line` of the user's code or file at fault, when there is one."""

    actor: str
    status: str
    message: str
    rule: str
    place: str | None
    error: str | None
    evidence: tuple[str, ...]
    changed: str
    next: str

    def as_text(self) -> str:
        """For a person: what to mend first, then why."""
        lines = [] if self.error is None else [f"{self.place}: {self.error}" if self.place else self.error]
        lines.append(f"{self.actor} is {self.status}" + (f": {self.message}" if self.message else ""))
        lines.append(f"  rule      {self.rule}")
        for number, fact in enumerate(self.evidence):
            lines.append(f"  {'evidence' if number == 0 else '':<10}{fact}")
        return "\n".join([*lines, f"  changed   {self.changed}", f"  next      {self.next}"])


def explanation(entry: dict[str, Any]) -> Explanation:
    """Explain one actor."""
    document = entry["document"]
    status = document["status"]
    name, value = document["metadata"]["name"], str(status.get("status", "Creating"))
    fault = _fault(entry, value)
    rule = str(entry.get("rule", ""))
    return Explanation(
        actor=name,
        status=value,
        message=str(status.get("message", "")),
        rule=f"{rule}: {RULES.get(rule, '')}" if rule else "none yet",
        place=fault.place if fault else None,
        error=fault.error if fault else None,
        evidence=tuple(_evidence(entry)),
        changed=_changed(entry),
        next=_next(entry, name, value, fault),
    )


@dataclass(frozen=True, slots=True)
class _Fault:
    place: str | None
    error: str
    log: str


def _fault(entry: dict[str, Any], value: str) -> _Fault | None:
    """The last words of a failing container, with the user's line they speak of."""
    if value in ("Running", "Napping"):
        return None
    for pod in entry["pods"]:
        for container in pod["status"]["containerStatuses"]:
            ended = (container.get("lastState") or {}).get("terminated")
            if ended is None or container["ready"] or not ended.get("message"):
                continue
            text = str(ended["message"])
            frames = [(file, line) for file, line in FRAME.findall(text) if "asya_runtime.py" not in file]
            log = f"{pod['logs']}/{str(container['name']).removeprefix('asya-')}.log"
            error = text.splitlines()[-1].strip()
            # Without a frame of the user's it is the name of the handler that leads nowhere: it stands in the actor's file.
            named = entry.get("handlerAt") if str(container["name"]) == "asya-runtime" else None
            return _Fault(":".join(frames[-1]) if frames else named, error, log)
    return None


def _evidence(entry: dict[str, Any]) -> list[str]:
    status = entry["document"]["status"]
    found = []
    for c in status.get("conditions") or ():
        fine = c["status"] == "True" and c["type"] in ("TransportReady", "ScalingReady")
        if fine or c["type"] in ("Ready", "Reconciling", "Stalled"):  # these repeat what the others say
            continue
        news = c.get("message") if c.get("message") != status.get("message") else ""
        found.append(f"condition {c['type']} {c['status']}, {c['reason']}" + (f": {news}" if news else ""))
    for pod in entry["pods"]:
        found += [f"pod {pod['metadata']['name']}: {container_words(c)}" for c in pod["status"]["containerStatuses"]]
    if entry["queue"]:
        waiting = f"{_number(entry['queued'])} waiting, {_number(entry['processing'])} in work"
        later = f", {entry['delayed']} delayed" if entry.get("delayed") else ""
        dead = f", {entry['dead']} dead letters" if entry.get("dead") else ""
        found.append(f"queue {entry['queue']}: {waiting}{later}{dead}")
    if last := entry.get("lastError"):
        what = f"{last.get('error_type', last.get('reason', 'error'))}: {last.get('error_message', '')}".rstrip(": ")
        found.append(f"last error: {what} (envelope {last.get('envelope_id')})")
    return [*found, *entry.get("notes", ())]


def container_words(container: dict[str, Any]) -> str:
    """How a container is, from its status."""
    (kind, detail), *_ = container["state"].items()
    words = [str(container["name"]), kind]
    if detail.get("reason"):
        words.append(str(detail["reason"]))
    words.append("ready" if container["ready"] else "not ready")
    if container["restartCount"]:
        words.append(f"{container['restartCount']} restarts")
    last = (container.get("lastState") or {}).get("terminated")
    text = ", ".join([" ".join(words[:3]), *words[3:], *([f"last exit code {last['exitCode']}"] if last else [])])
    return f"{text}: {detail['message']}" if detail.get("message") and kind == "waiting" and not last else text


def _changed(entry: dict[str, Any]) -> str:
    transitions = entry.get("transitions") or []
    if not transitions:
        return "nothing since the mesh started"
    last = transitions[-1]
    return f"{last['time']}: {last['from'] or 'new'} -> {last['to']}"


def _next(entry: dict[str, Any], name: str, value: str, fault: _Fault | None) -> str:
    conditions = entry["document"]["status"].get("conditions") or ()
    reason = next((c["reason"] for c in conditions if c["type"] == "WorkloadReady"), "")
    if fault is not None and fault.place and reason == "RuntimeCrashLoop":
        return f"edit {fault.place}; saving it starts the runtime anew"
    if reason in _BY_REASON:
        return _BY_REASON[reason].format(
            file=entry["file"] or "the actor's file", log=fault.log if fault else ".asya/logs"
        )
    if fault is not None:
        return f"tail {fault.log}"
    if value in ("Running", "Napping"):
        last = entry.get("lastError")
        return f"asya trace {last['envelope_id']}" if last else f"asya send {name} --payload '{{}}' --follow"
    return f"asya get {name} --watch"


_BY_REASON = {
    "RuntimeCrashLoop": "tail {log}",
    "RuntimeMisconfigured": "tail {log}; then edit {file}",
    "InterpreterNotFound": "asya up --python PATH, or set workload.pythonExecutable in {file}",
    "ConfigNotFound": "echo 'NAME=value' >> .env; it is read at once",
    "ContainerConfigInvalid": "echo 'NAME=value' >> .env; it is read at once",
    "ValidationError": "asya validate {file}",
    "PolicyViolation": "edit {file}",
    "SidecarCrashLoop": "tail {log}",
}


def _number(value: int | None) -> str:
    return "?" if value is None else str(value)
