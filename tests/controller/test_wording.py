"""Somebody else's words in our messages: short, without secrets, the same at every repeat."""

import pytest

from asya_controller.decide.wording import last_line, masked, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("back-off 40s restarting failed container", "back-off restarting failed container"),
        (
            "back-off 5m0s restarting failed container=a pod=x_ns(0123abcd-0000-0000-0000-0123456789ab)",
            "back-off restarting failed container=a pod=x",
        ),
        ('Back-off pulling image "a:1": ErrImagePull: no such host', "no such host"),
        ("runc create failed: unable to start container process: exec: x", "exec: x"),
        ("timed out after 2m30.5s", "timed out after <duration>"),
        ("read tcp 10.0.0.1:48232->10.0.0.2:443: reset", "read tcp 10.0.0.1->10.0.0.2:443: reset"),
        ("at 2026-11-24T12:00:00Z failed", "at <time> failed"),
        ("container 0170ceecc52c1a795043658976b20d28 gone", "container <id> gone"),
        ('pods "a-7c86fc7d5b-hkzh9" is forbidden: no', 'pods "a-7c86fc7d5b" is forbidden: no'),
        ('pods "a-0" is forbidden: no', 'pods "a-0" is forbidden: no'),
        ("two\n  lines", "two lines"),
        ('secret "db" not found', 'secret "db" not found'),
        ("Insufficient nvidia.com/gpu", "Insufficient nvidia.com/gpu"),
    ],
)
def test_what_changes_at_every_repeat_is_left_out(text: str, expected: str) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "dial amqp://asya:hunter2@rabbit:5672 failed",
        "connect with password=hunter2, retry",
        "RABBITMQ_PASSWORD: hunter2",
        "header Authorization: Bearer hunter2hunter2",
        "aws_secret_access_key=hunter2",
    ],
)
def test_secrets_are_masked(text: str) -> None:
    assert "hunter2" not in masked(text)
    assert "***" in words(text)


def test_a_long_message_keeps_its_beginning_and_its_end() -> None:
    found = words("begin " + "x" * 500 + " end")
    assert len(found) <= 200
    assert found.startswith("begin ")
    assert found.endswith(" end")


def test_the_last_line_is_the_last_that_says_something() -> None:
    assert last_line("one\ntwo\n \n") == "two"
    assert last_line("") == ""
