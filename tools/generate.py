"""Write every generated file anew (`make generate`), or name those that are out of date (`--check`).

A generator is a function that returns the text of its file, found by module path so that this list is the whole truth about what is
generated. tests/repository/test_generated_files.py runs the check.
"""

import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

GENERATED = {
    # First, because the next two are made from it.
    "schemas/asya_schemas/actor/structure.py": "asya_schemas.actor.structural:module_text",
    "schemas/crd/asyncactors.yaml": "asya_schemas.actor.crd:text",
    "schemas/json/asyncactor.json": "asya_schemas.actor.json_schema:text",
    "docs/reference/sidecar-variables.md": "asya_sidecar.settings.document:text",
    "docs/reference/crew-variables.md": "asya_crew.document:text",
}


def generated_text(generator: str) -> str:
    """What the function `module:name` returns."""
    module, _, name = generator.partition(":")
    return str(getattr(importlib.import_module(module), name)())


def main(check: bool) -> int:
    """0 when all files are as generated (always, unless `check`), else 1."""
    stale = []
    for name, generator in GENERATED.items():
        path, text = ROOT / name, generated_text(generator)
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    for name in stale:
        sys.stderr.write(f"{name} {'is out of date: run make generate' if check else 'written'}\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
