//! The transition table against what sessions really do.

use dm_core::session::table::{Diagram, Role, TABLE};

use crate::harness::WALKED;

/// Runs tests of the other modules by name.
macro_rules! run {
    ($($($module:ident)::+: $($test:ident)+;)+) => { $(run! { @ crate $(:: $module)+; $($test)+ })+ };
    (@ $path:path; $test:ident $($rest:ident)*) => { { use $path as tests; tests::$test(); } run! { @ $path; $($rest)* } };
    (@ $path:path;) => {};
}

#[test]
fn every_row_is_walked_and_no_other_step_is() {
    run! {
        pair:
            a_session_with_digests_both_ways_runs_to_its_end
            stale_nonces_on_both_sides_are_mended_within_the_session
            a_stale_server_nonce_alone_makes_the_commands_go_out_twice_and_run_once
            a_client_without_credentials_is_challenged_and_goes_back_to_package_one
            a_wrong_password_ends_the_session_on_both_sides
            a_server_with_a_wrong_password_gets_nothing_done
            peers_whom_the_transport_has_proved_need_no_credentials
            credentials_that_count_for_one_message_are_shown_in_every_one
            a_server_without_work_ends_the_session_with_package_two
            orders_that_do_not_fit_wait_for_the_next_package;
        auth:
            macs_in_both_directions_sign_every_message_with_a_new_nonce
            a_value_in_parts_goes_out_under_seals_to_a_device_that_seals;
        client:
            each_item_gets_its_status_and_a_get_its_results_after_them
            what_a_client_does_not_do_is_refused_command_by_command
            nothing_is_done_for_a_server_that_is_not_believed
            an_abort_is_sent_and_its_answer_is_not_waited_for
            a_lost_message_is_sent_again_after_16_32_and_64_seconds
            silence_is_a_loss_and_ends_the_session_in_time
            a_client_that_signs_signs_its_abort_too
            a_signing_server_may_leave_its_package_open
            a_server_that_takes_no_answer_at_all_is_given_up
            misuse_is_named_and_changes_nothing;
        client::prompts:
            a_session_that_a_notification_announces_begins_when_the_user_has_seen_it_or_agreed
            what_the_user_says_is_the_status_of_the_alert
            a_no_directly_in_the_body_touches_nothing_else
            a_no_in_a_sequence_keeps_the_rest_of_it_from_being_done
            after_a_cancel_nothing_more_of_the_message_is_done
            a_prompt_is_asked_of_a_server_that_proved_itself
            a_text_that_the_server_has_no_room_for_becomes_413;
        client::blocks:
            a_member_that_fails_undoes_those_before_it;
        client::objects:
            a_large_alert_is_read_from_the_tree_part_by_part_also_in_package_one
            a_large_alert_is_begun_again_when_the_server_must_prove_itself_first;
        client::packages:
            device_information_that_fits_into_no_message_ends_the_session;
        server:
            a_session_opens_with_package_one_only
            an_open_package_is_continued_and_an_endless_one_is_cut_off
            a_device_that_is_not_served_is_told_why
            an_open_first_package_is_continued_by_a_server_that_signs
            silence_ends_a_session_when_its_time_has_come_and_not_before
            misuse_is_named_and_changes_nothing;
        server::block:
            orders_that_cannot_be_sent_do_not_block_the_rest
            a_server_that_signs_asks_for_other_orders_where_none_can_be_sent;
        server::object:
            a_value_that_was_left_out_is_asked_for_as_it_goes
            a_value_that_is_not_to_be_had_lets_others_be_asked_for
            a_server_that_signs_asks_for_parts_after_that
            a_session_that_may_have_no_more_orders_ends_with_the_value;
    }
    let walked = WALKED.with_borrow(Clone::clone);
    let missed: Vec<_> = TABLE.iter().filter(|row| !walked.contains(row)).collect();
    assert!(missed.is_empty(), "no test walks {missed:#?}");
    let beside: Vec<_> = walked.iter().filter(|row| !row.is_legal()).collect();
    assert!(beside.is_empty(), "not in the table: {beside:#?}");
}

#[test]
fn the_diagrams_in_the_architecture_are_those_of_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../ARCHITECTURE.md");
    let text = std::fs::read_to_string(path).expect("ARCHITECTURE.md is there");
    for role in [Role::Client, Role::Server] {
        let diagram = Diagram(role).to_string();
        assert!(text.contains(&diagram), "ARCHITECTURE.md does not have this diagram of the {role:?}:\n{diagram}");
    }
}
