"""Queue names and templates (contract: sidecar, Variables; controller, queueNameTemplate)."""

from __future__ import annotations

import pytest

from asya_schemas.names import TemplateError, check_template, dead_letter_queue, queue_name, uses_namespace


@pytest.mark.parametrize(
    ("template", "queue"),
    [("asya-{namespace}-{actor}", "asya-ns-a"), ("{actor}", "a"), ("{actor}.{namespace}.{actor}", "a.ns.a")],
)
def test_a_queue_is_named_by_the_template(template: str, queue: str) -> None:
    assert queue_name(template, "ns", "a") == queue


@pytest.mark.parametrize(
    "template",
    [
        "",
        "queue",
        "{namespace}",
        "{actor}-{other}",
        "{actor!r}",
        "{actor:>9}",
        "{actor.x}",
        "{actor",
        "{}",
        "{actor}-{0}",
    ],
)
def test_a_template_that_makes_no_queue_is_refused(template: str) -> None:
    with pytest.raises(TemplateError):
        check_template(template)


def test_only_a_template_that_names_it_needs_a_namespace() -> None:
    assert uses_namespace("asya-{namespace}-{actor}")
    assert not uses_namespace("{actor}")


def test_the_dead_letter_queue_is_named_after_its_queue() -> None:
    assert dead_letter_queue("asya-ns-a") == "asya-ns-a-dlq"
