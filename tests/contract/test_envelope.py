"""Every golden case of the envelope (contract: envelope, Golden cases), one test per row of the table; so it is as long as that."""

from __future__ import annotations

import pytest

from asya_schemas.envelope import Envelope, Refused, encode, parse
from asya_schemas.route import Route
from tests.support.golden import Golden, cases


def accepted(row: str) -> list[tuple[Golden, Envelope]]:
    """Every case of the row, each read, compared with what its file expects, and equal after writing."""
    read = []
    for case in cases("envelope", row):
        assert case.expected["verdict"] == "ok"
        envelope = parse(case.body, case.expected["max_bytes"])
        check_expected(case, envelope)
        assert as_written(envelope) == envelope, case.title
        read.append((case, envelope))
    return read


def as_written(envelope: Envelope) -> Envelope:
    body = encode(envelope)
    return parse(body, len(body))


def check_expected(case: Golden, envelope: Envelope) -> None:
    expected = case.expected
    if "route" in expected:
        route = {name: tuple(names) if isinstance(names, list) else names for name, names in expected["route"].items()}
        assert envelope.route == Route(**route, old_shape=expected.get("shape") == "old"), case.title
    if "payload" in expected:
        assert envelope.payload == expected["payload"].encode()
    if "headers" in expected:
        assert envelope.headers == {name: text.encode() for name, text in expected["headers"].items()}


def check_refused(row: str, verdict: str) -> None:
    for case in cases("envelope", row):
        assert case.expected["verdict"] == verdict
        with pytest.raises(Refused) as refusal:
            parse(case.body, case.expected["max_bytes"])
        assert (refusal.value.verdict, case.title) == (verdict, case.title)
        assert refusal.value.code in case.expected["codes"], case.title


def parse_error(row: str) -> None:
    check_refused(row, "parse_error")


def validation_error(row: str) -> None:
    check_refused(row, "validation_error")


def test_row_1_example_is_accepted() -> None:
    accepted("1")


def test_row_2_old_shape_is_kept() -> None:
    accepted("2")


def test_row_3_old_shape_begins_at_0() -> None:
    accepted("3")


def test_row_4_old_shape_may_be_finished() -> None:
    accepted("4")


def test_row_5_both_shapes_that_agree_count_as_new() -> None:
    accepted("5")


def test_row_6_null_lists_are_empty() -> None:
    accepted("6")


def test_row_7_finished_route_is_accepted() -> None:
    accepted("7")


def test_row_8_keeps_every_payload() -> None:
    assert {bytes(envelope.payload) for _, envelope in accepted("8")} == {b"null", b"{}", b"[]", b'""', b"0", b"false"}


def test_row_9_keeps_unknown_members() -> None:
    [(_, envelope)] = accepted("9")
    assert envelope.extra == {"x": b"[1]"}
    assert envelope.route.extra == {"metadata": b"{}"}


def test_row_10_null_counts_as_absent() -> None:
    [(_, envelope)] = accepted("10")
    assert envelope.parent_id is None
    assert envelope.headers == {}
    assert envelope.status.encode() is None


def test_row_11_headers_keep_values_of_any_type() -> None:
    accepted("11")


def test_row_12_wrong_types_in_status_count_as_absent() -> None:
    [(_, envelope)] = accepted("12")
    assert envelope.status.deadline is None
    assert envelope.status.attempt == 1
    assert len(envelope.status.warnings) == 2


def test_row_13_id_may_look_like_a_path() -> None:
    [(_, envelope)] = accepted("13")
    assert envelope.id == "../../etc"


def test_row_14_id_may_have_256_characters() -> None:
    [(_, envelope)] = accepted("14")
    assert len(envelope.id) == 256


def test_row_15_names_may_repeat_and_end_at_the_sink() -> None:
    [(_, envelope)] = accepted("15")
    assert envelope.route.next == ("a", "a", "x-sink")


def test_row_16_white_space_carries_no_meaning() -> None:
    accepted("16")


def test_row_17_reads_199_nested_lists() -> None:
    [(_, envelope)] = accepted("17")
    assert envelope.payload == b"[" * 199 + b"]" * 199


def test_row_18_keeps_an_integer_of_4300_digits() -> None:
    [(_, envelope)] = accepted("18")
    assert envelope.payload == b"7" * 4300


def test_row_19_keeps_the_spelling_of_numbers() -> None:
    accepted("19")


def test_row_20_keeps_escapes_in_texts() -> None:
    accepted("20")


def test_row_21_repeated_keys_in_a_payload_are_not_looked_at() -> None:
    accepted("21")


def test_row_22_may_have_256_names_behind() -> None:
    [(_, envelope)] = accepted("22")
    assert envelope.route.hops == 256


def test_row_23_nothing_is_no_json() -> None:
    parse_error("23")


def test_row_24_plain_text_is_no_json() -> None:
    parse_error("24")


def test_row_25_cut_body_is_no_json() -> None:
    parse_error("25")


def test_row_26_second_value_is_refused() -> None:
    parse_error("26")


def test_row_27_json_has_no_quotes_commas_comments_of_its_own() -> None:
    parse_error("27")


def test_row_28_nan_infinity_and_leading_zeros_are_refused() -> None:
    parse_error("28")


def test_row_29_raw_newline_in_a_text_is_refused() -> None:
    parse_error("29")


def test_row_30_number_beyond_a_float_is_refused() -> None:
    parse_error("30")


def test_row_31_integer_of_4301_digits_is_refused() -> None:
    parse_error("31")


def test_row_32_container_217_is_refused() -> None:
    parse_error("32")


def test_row_32a_readers_accept_16_containers_more() -> None:
    accepted("32a")


def test_row_33_a_flood_of_open_lists_is_refused() -> None:
    parse_error("33")


def test_row_34_byte_order_mark_is_refused() -> None:
    parse_error("34")


def test_row_35_utf_16_is_refused() -> None:
    parse_error("35")


def test_row_36_broken_utf_8_is_refused() -> None:
    parse_error("36")


def test_row_37_unpaired_surrogate_is_refused() -> None:
    parse_error("37")


def test_row_38_second_id_is_refused() -> None:
    parse_error("38")


def test_row_39_second_next_is_refused() -> None:
    parse_error("39")


def test_row_40_only_an_object_is_an_envelope() -> None:
    parse_error("40")


def test_row_41_one_byte_too_many_is_refused() -> None:
    parse_error("41")


def test_row_42_id_is_required() -> None:
    validation_error("42")


def test_row_43_id_has_256_characters_and_no_control() -> None:
    validation_error("43")


def test_row_44_parent_id_is_like_an_id() -> None:
    validation_error("44")


def test_row_45_route_is_required() -> None:
    validation_error("45")


def test_row_46_prev_is_required() -> None:
    validation_error("46")


def test_row_47_curr_is_required() -> None:
    validation_error("47")


def test_row_48_next_is_required() -> None:
    validation_error("48")


def test_row_49_next_has_actor_names() -> None:
    validation_error("49")


def test_row_50_finished_route_has_nobody_ahead() -> None:
    validation_error("50")


def test_row_51_257_names_ahead_are_refused() -> None:
    validation_error("51")


def test_row_52_257_names_behind_are_refused() -> None:
    validation_error("52")


def test_row_53_actors_are_required() -> None:
    validation_error("53")


def test_row_54_actors_have_names() -> None:
    validation_error("54")


def test_row_55_current_is_an_integer_within_actors() -> None:
    validation_error("55")


def test_row_56_shapes_that_disagree_are_refused() -> None:
    validation_error("56")


def test_row_57_headers_are_an_object() -> None:
    validation_error("57")


def test_row_58_payload_is_required() -> None:
    validation_error("58")


def test_row_59_status_is_an_object() -> None:
    validation_error("59")


def test_row_60_empty_object_lacks_an_id() -> None:
    validation_error("60")
