"""Situations of the command that are about files and about stdout (contract: cli, table of situations)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.asya_command import WITHIN_S, asya

GOOD = """\
apiVersion: asya.sh/v1alpha1
kind: AsyncActor
metadata:
  name: hello
spec:
  transport: rabbitmq
  workload:
    template:
      spec:
        containers:
          - name: asya-runtime
            image: registry.example.com/hello:1.0.0
            env:
              - name: ASYA_HANDLER
                value: hello.greet
"""


@pytest.mark.parametrize(
    ("line", "place", "reason"),
    [("\tkind: Deployment\n", "8:1", "a tab cannot indent YAML"), ("     kind: Deployment\n", "9:5", "indentation")],
)
@pytest.mark.parametrize("verb", ["validate", "up"])
def test_row_2_a_tab_or_a_bad_indent_has_a_place_and_other_files_are_still_checked(
    tmp_path: Path, verb: str, line: str, place: str, reason: str
) -> None:
    (tmp_path / "a.yaml").write_text(GOOD.replace("    template:\n", f"{line}    template:\n"))
    (tmp_path / "b.yaml").write_text(GOOD.replace("  transport:", "  transprot:"))
    done = asya(verb, ".", cwd=tmp_path)
    told = done.stdout + done.stderr
    assert done.returncode == (2 if verb == "up" else 1)
    assert f"a.yaml:{place}: " in told
    assert reason in told
    assert "b.yaml:6:3: spec.transprot: unknown field, did you mean transport?" in told


@pytest.mark.parametrize("verb", ["validate", "up"])
def test_row_3_a_wrong_kind_names_field_allowed_values_and_the_near_one(tmp_path: Path, verb: str) -> None:
    (tmp_path / "a.yaml").write_text(GOOD.replace("    template:\n", "    kind: Deploymnt\n    template:\n"))
    done = asya(verb, ".", cwd=tmp_path)
    expected = (
        "a.yaml:8:5: spec.workload.kind: expected one of Deployment, StatefulSet,"
        ' got "Deploymnt", did you mean Deployment?\n'
    )
    assert expected in done.stdout + done.stderr
    assert done.returncode == (2 if verb == "up" else 1)


@pytest.mark.parametrize("verb", ["validate", "up"])
def test_row_4_an_unknown_field_is_an_error_with_the_near_name(tmp_path: Path, verb: str) -> None:
    (tmp_path / "a.yaml").write_text(GOOD + "  scalling:\n    enabled: true\n")
    done = asya(verb, ".", cwd=tmp_path)
    assert "a.yaml:16:3: spec.scalling: unknown field, did you mean scaling?\n" in done.stdout + done.stderr
    assert done.returncode == (2 if verb == "up" else 1)


@pytest.mark.parametrize("arguments", [["crd"], ["schema"], ["validate", "--output", "json", "a.yaml"]])
def test_row_17_a_reader_that_has_gone_ends_the_command_quietly(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "asya_cli", *arguments],
            cwd=tmp_path,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
