"""A real Prometheus for tests: Debian's, on a free port, scraping every second and evaluating rules as often.

tools/setup installs it. Used by tests/gitops.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.support.guarded import Guarded, free_port
from tests.support.wait import until

JSON = dict[str, Any]


class Prometheus:
    """`query` asks it; `close` ends it."""

    def __init__(self, scrape_configs: Sequence[JSON], rule_groups: Sequence[JSON]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="asya-prometheus-"))
        self._guarded = Guarded(self.folder)
        # JSON is YAML.
        (self.folder / "rules.yaml").write_text(json.dumps({"groups": list(rule_groups)}))
        often = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        config = {"global": often, "rule_files": ["rules.yaml"], "scrape_configs": list(scrape_configs)}
        (self.folder / "prometheus.yaml").write_text(json.dumps(config))
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        try:
            self._guarded.start(
                [
                    "prometheus",
                    "--config.file=prometheus.yaml",
                    "--storage.tsdb.path=data",
                    f"--web.listen-address=127.0.0.1:{port}",
                ],
                self.folder / "log",
                cwd=self.folder,
            )
            until(self._is_ready, what=f"Prometheus is ready; see {self.folder / 'log'}")
        except BaseException:
            self._guarded.close()
            raise

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    def query(self, expression: str) -> list[JSON]:
        """The series of an instant query.

        Raises:
            AssertionError: Prometheus does not understand it; the message has its words.
        """
        target = f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        try:
            with urllib.request.urlopen(target, timeout=10) as answer:
                return list(json.load(answer)["data"]["result"])
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{expression}: {error.read().decode()}") from error

    def answers(self, expression: str) -> list[JSON]:
        """The series, once there are any whose value is a number."""

        def found() -> list[JSON]:
            return [item for item in self.query(expression) if item["value"][1] != "NaN"]

        return until(found, 40, 0.3, what=f"data for {expression}")

    def close(self) -> None:
        """End it."""
        self._guarded.close()


@contextlib.contextmanager
def prometheus(scrape_configs: Sequence[JSON], rule_groups: Sequence[JSON] = ()) -> Iterator[Prometheus]:
    """One for the tests of a module."""
    found = Prometheus(scrape_configs, rule_groups)
    try:
        yield found
    finally:
        found.close()
