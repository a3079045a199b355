"""How often each kind of fault met each phase: what never happens is not tested."""

from __future__ import annotations

from collections import Counter

NETWORK = (
    "drop_request",
    "drop_answer",
    "delay_request",
    "delay_answer",
    "duplicate",
    "error_500",
    "error_503",
    "error_429",
    "html",
    "kill_before_commit",
    "kill_after_commit",
)
STORE = ("enqueue", "claim", "settle", "requeue")
PHASES = ("idle", "in_flight", "enqueue", "claim", "settle", "requeue")

DEVICE = (
    "clock_jump",
    "clock_jump_years",
    "cut_out",
    "cut_in",
    "wipe",
    "restore",
    "compact",
    "server_clock_back",
    "server_clock_ahead",
    "freeze",
    "restore_quietly",
    "roll_back",
    "poke",
)
EXPECTED: tuple[tuple[str, str], ...] = (
    *((fault, phase) for fault in NETWORK for phase in ("push", "pull")),
    *(("store_abort", phase) for phase in (*STORE, "retry", "remove")),
    *((crash, phase) for crash in ("crash_tab", "crash_device") for phase in PHASES),
    *((fault, phase) for fault in DEVICE for phase in PHASES[:2]),
    *((gate, phase) for gate in ("error_401", "error_426") for phase in ("push", "pull")),
    *((page, phase) for page in ("page_502", "page_503") for phase in ("push", "pull")),
    *(("damage", what) for what in ("client_id", "cursor", "epoch", "reset", "seq")),
    ("damage", "row"),
    ("damage", "entry"),
    *(("settled", outcome) for outcome in ("applied", "conflict", "failed", "discarded")),
    *(("rolled_back", then) for then in ("renewed", "perhaps_done", "retried")),
    ("error_413", "push"),
    *(("message_lost", kind) for kind in ("changed", "status", "wake", "sync", "synced")),
    *(("pulled", what) for what in ("all", "more", "reset")),
    *(("hold", kind) for kind in ("sign_in", "update")),
    ("restored", "told"),
    *(
        ("verdict", verdict)
        for verdict in ("applied", "duplicate", "conflict", "rejected", "retry")
    ),
    ("poison", "made"),
    ("reordered", "push"),
    ("discarded", "sent"),
    *(("dependent", came) for came in ("made", "freed", "orphaned")),
    ("edited", "sent"),
    ("edited", "unsent"),
    *(("resolved", how) for how in ("mine", "theirs", "merge", "taken_back")),
    ("coalesced", "joined"),
    ("coalesced", "cancelled"),
)
"""Every (fault, phase) that a run of some hundred schedules must have met."""

Coverage = Counter[tuple[str, str]]


def missing(coverage: Coverage) -> list[str]:
    """Return what a run never met."""
    return [f"{fault} × {phase}" for fault, phase in EXPECTED if not coverage[fault, phase]]


def table(coverage: Coverage) -> str:
    """Return the counts as text, one fault a line."""
    lines: dict[str, list[str]] = {}
    for (fault, phase), count in sorted(coverage.items()):
        lines.setdefault(fault, []).append(f"{phase} {count}")
    return "\n".join(f"  {fault:<20} {', '.join(counts)}" for fault, counts in lines.items())
