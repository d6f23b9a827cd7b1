"""The crew's variables, and what it refuses to start with."""

from pathlib import Path

import pytest

from asya_crew.document import text
from asya_crew.settings import S3_VARIABLES, VARIABLES, ConfigurationError, from_environ


def refusal(environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        from_environ(environ)
    return str(caught.value).splitlines()


def test_defaults_store_nothing_and_log_payloads_of_64_kib() -> None:
    settings = from_environ({})
    assert (settings.mount, settings.results_prefix, settings.errors_prefix) == (None, "results/", "errors/")
    assert (settings.log_payloads, settings.log_payload_max_bytes) == (True, 65_536)


def test_the_mount_and_the_prefixes_are_taken_over(tmp_path: Path) -> None:
    environ = {
        "ASYA_PERSISTENCE_MOUNT": str(tmp_path),
        "ASYA_S3_RESULTS_PREFIX": "ok/",
        "ASYA_S3_ERRORS_PREFIX": "bad/",
    }
    settings = from_environ(environ)
    assert (settings.mount, settings.results_prefix, settings.errors_prefix) == (tmp_path, "ok/", "bad/")


def test_a_bucket_is_refused_with_what_to_do() -> None:
    assert refusal({"ASYA_S3_BUCKET": "results"}) == [
        "ASYA_S3_BUCKET is set, but this build stores in a folder only: "
        "set ASYA_PERSISTENCE_MOUNT and remove the ASYA_S3_ settings"
    ]


def test_a_mount_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    assert refusal({"ASYA_PERSISTENCE_MOUNT": str(tmp_path / "gone")}) == [
        f"ASYA_PERSISTENCE_MOUNT='{tmp_path}/gone': must be a folder that exists"
    ]


@pytest.mark.parametrize("prefix", ["/etc/", "../up/", "a/../../b"])
def test_a_prefix_cannot_leave_the_mount(prefix: str) -> None:
    assert refusal({"ASYA_S3_RESULTS_PREFIX": prefix}) == [
        f"ASYA_S3_RESULTS_PREFIX={prefix!r}: must be a relative path without '..', such as results/"
    ]


def test_all_mistakes_are_told_at_once() -> None:
    lines = refusal({"ASYA_LOG_PAYLOADS": "maybe", "ASYA_LOG_PAYLOAD_MAX_BYTES": "-1", "ASYA_LOG_FORMAT": "xml"})
    assert [line.split("=")[0] for line in lines] == [
        "ASYA_LOG_PAYLOADS",
        "ASYA_LOG_PAYLOAD_MAX_BYTES",
        "ASYA_LOG_FORMAT",
    ]


def test_empty_counts_as_unset() -> None:
    assert from_environ({"ASYA_S3_BUCKET": " ", "ASYA_PERSISTENCE_MOUNT": ""}).mount is None


def test_an_unknown_log_level_is_info() -> None:
    assert from_environ({"ASYA_LOG_LEVEL": "chatty"}).log_level == "INFO"


@pytest.mark.parametrize("name", [*VARIABLES, *S3_VARIABLES])
def test_every_variable_is_on_the_reference_page(name: str) -> None:
    assert f"`{name}`" in text()
