"""The process starts, or says everything that keeps it from starting (contract: controller 1)."""

import os
import subprocess
import sys
from pathlib import Path


def test_every_problem_of_variables_configuration_and_script_is_a_line_and_the_code_is_2(tmp_path: Path) -> None:
    config, script = tmp_path / "controller.yaml", tmp_path / "script.py"
    config.write_text("transports: {a: {type: rabbitmq, config: {hsot: r, delayTiers: [soon]}}}\nclusterID: x\n")
    script.write_text(" \n")
    wrong = {
        "ASYA_CONFIG_FILE": str(config),
        "ASYA_RUNTIME_SCRIPT_PATH": str(script),
        "ASYA_MAX_CONCURRENT_RECONCILES": "65",
    }
    command = [sys.executable, "-m", "asya_controller"]
    done = subprocess.run(command, env=os.environ | wrong, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    told = [line.removeprefix("configuration error: ").rsplit(": ", 1)[0] for line in done.stderr.splitlines()]
    assert told == [
        "ASYA_MAX_CONCURRENT_RECONCILES",
        "transports.a.config.host",
        "transports.a.config.passwordSecretRef",
        "transports.a.config.delayTiers.0",
        "transports.a.config.hsot",
        "clusterID",
        str(script),
    ]
    assert "did you mean host?" in done.stderr
    assert "did you mean clusterId?" in done.stderr
