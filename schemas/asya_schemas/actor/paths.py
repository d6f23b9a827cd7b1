"""Places in an AsyncActor: names and list indexes from the root down, and how they are written for people."""

Path = tuple[str | int, ...]

ROOT: Path = ()
SPEC: Path = ("spec",)
WORKLOAD: Path = ("spec", "workload")
POD_METADATA: Path = ("spec", "workload", "template", "metadata")
POD: Path = ("spec", "workload", "template", "spec")
CONTAINERS: Path = (*POD, "containers")


def dotted(path: Path) -> str:
    """`spec.workload.template.spec.containers[0].image`; a name that holds a dot is put into brackets."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.replace("-", "").replace("_", "").isalnum():
            text += f".{part}" if text else part
        else:
            text += f"[{part}]"
    return text
