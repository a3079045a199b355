"""The schedules that caught the seeded defects last: they are tried first.

What a seed does changes with the simulation. Where a defect's schedule does not catch it any more,
the others are tried, from the first one on, as they are for defects that are not named here.
"""

WITNESSES = {
    "last_writer_wins": 5,
    "no_dedupe": 27,
    "server_forgets_what_failed": 13,
    "ignores_the_epoch": 18,
    "reset_is_ignored": 18,
    "sign_in_is_a_verdict": 47,
    "held_queue_is_tried_at_once": 47,
    "ignores_the_horizon": 187,
    "too_large_is_given_up": 47,
    "ignores_retry_after": 9,
    "sends_by_the_clock": 29,
    "lost_messages_go_unnoticed": 8,
    "waits_for_a_report_for_ever": 134,
    "put_off_for_years": 220,
    "stays_who_it_was": 117,
    "takes_all_for_new": 531,
    "trusts_its_counter": 139,
    "forgets_who_sent_it": 82,
    "damaged_rows_are_given_up": 25,
    "old_copy_is_not_told": 20,
    "all_is_told_as_applied": 14,
    "hold_ignores_followers": 13,
    "dependents_are_sent_anyway": 6,
    "dependents_outlive_a_discard": 13,
    "keeps_what_a_whole_pull_did_not_show": 146,
    "coalesce_after_sent": 269,
}
"""Seeds by the names of defects."""
