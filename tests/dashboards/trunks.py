"""The dashboard of trunks: health, answers, delay, load, and whether Asterisk is heard at all."""

from __future__ import annotations

from typing import Final

from tests.dashboards.panels import (
    HOST,
    RATE,
    YES,
    Board,
    Panel,
    grown,
    least,
    many,
    most,
    per_s,
    quantile,
    ratio,
    states,
)

TRUNK: Final = 'trunk=~"$trunk"'
STATE: Final = {"0": "down", "1": "trial", "2": "degraded", "3": "up"}


CAUSES: Final = grown("dialdip_trunk_causes_total", "trunk,cause", TRUNK)


def counted(what: str, by: str = "trunk", more: str = "") -> str:
    """Return the rate of one of the trunks' counters."""
    labels = f"{TRUNK},{more}" if more else TRUNK
    return per_s(f"dialdip_trunk_{what}_total", by, labels)


def health() -> str:
    """Return each trunk's state as one figure, see ``STATE``; several hosts' worst."""
    values = {"trial": 1, "degraded": 2, "up": 3}
    terms = (
        f"{value} * {most('dialdip_trunk_state', 'instance,trunk', more)}"
        for value, more in ((v, f'{TRUNK},state="{s}"') for s, v in values.items())
    )
    return f"min by (trunk) ({' + '.join(terms)})"


BOARD: Final = Board(
    "trunks",
    "dialdip: Trunks",
    "How each trunk does: health, answers, delay, load, as Asterisk tells it.",
    (
        (
            "How they stand",
            (
                states(
                    "Health",
                    "A trunk that is down is tried last; on trial it gets a few first calls.",
                    ((health(), "{{trunk}}"),),
                    STATE,
                ),
                Panel(
                    "Calls now",
                    "Attempts under way on each trunk. max_calls of trunks.csv is a limit to this.",
                    "none",
                    ((f"sum by (trunk) (dialdip_trunk_calls{{{HOST},{TRUNK}}})", "{{trunk}}"),),
                    stack=True,
                ),
                states(
                    "Pinned",
                    "Yes: a person decides of this trunk until the pin ends.",
                    ((most("dialdip_trunk_pinned", "trunk", TRUNK), "{{trunk}}"),),
                    YES,
                ),
                Panel(
                    "Attempts",
                    "Calls tried on each trunk. One that moves on to the next counts on both.",
                    "cps",
                    ((counted("attempts"), "{{trunk}}"),),
                    stack=True,
                ),
            ),
        ),
        (
            "Quality",
            (
                Panel(
                    "ASR",
                    "Answer-seizure ratio: answered calls of those that the trunk was given.",
                    "percentunit",
                    ((ratio(counted("answered"), counted("seizures")), "{{trunk}}"),),
                ),
                Panel(
                    "NER",
                    "Network effectiveness: as ASR, but busy, no answer, wrong number are well.",
                    "percentunit",
                    ((ratio(counted("effective"), counted("seizures")), "{{trunk}}"),),
                ),
                Panel(
                    "ACD",
                    "Mean talk time of answered calls. Very short ones point to false answers.",
                    "s",
                    ((ratio(counted("talk_seconds"), counted("answered")), "{{trunk}}"),),
                ),
                Panel(
                    "Post-dial delay",
                    "From dialling to the first sign of the far end.",
                    "s",
                    tuple(
                        (
                            quantile(q, "dialdip_trunk_pdd_seconds", "trunk", TRUNK),
                            f"{{{{trunk}}}} p{q * 100:g}",
                        )
                        for q in (0.5, 0.95)
                    ),
                ),
                Panel(
                    "Outcomes",
                    "How attempts ended, all chosen trunks together.",
                    "cps",
                    ((counted("attempts", "outcome"), "{{outcome}}"),),
                    stack=True,
                ),
                Panel(
                    "Causes of the time shown",
                    "The twelve commonest Q.850 causes by trunk.",
                    "none",
                    (
                        (
                            f"topk(12, {CAUSES})",
                            "{{trunk}}: {{cause}}",
                        ),
                    ),
                    "bargauge",
                ),
            ),
        ),
        (
            "Asterisk",
            (
                states(
                    "Heard",
                    "Whether each PBX's manager interface is read. Attempts in a gap are marked.",
                    ((least("dialdip_ami_connected", "asterisk"), "{{asterisk}}"),),
                    YES,
                ),
                Panel(
                    "Events",
                    "Events of each PBX; those that were lost for want of room should be none.",
                    "cps",
                    many(
                        (per_s("dialdip_ami_events_total", "asterisk"), "{{asterisk}}"),
                        (per_s("dialdip_ami_dropped_total", "asterisk"), "{{asterisk}}: lost"),
                    ),
                ),
                Panel(
                    "How late events are read",
                    "Over a second health decides late.",
                    "s",
                    ((most("dialdip_ami_lag_seconds", "asterisk"), "{{asterisk}}"),),
                ),
                Panel(
                    "Deaf",
                    "Share of time in which a PBX was not heard.",
                    "percentunit",
                    ((per_s("dialdip_ami_gap_seconds_total", "asterisk"), "{{asterisk}}"),),
                ),
                Panel(
                    "Attempts with a gap in them",
                    "AMI was away during a part of these: outcome or talk time may be missing.",
                    "cps",
                    ((counted("marked"), "{{trunk}}"),),
                ),
                Panel(
                    "Attempts that nobody decided",
                    "Calls that went out by the dialplan's own default: dialdip gave no answer.",
                    "cps",
                    ((f"sum(rate(dialdip_unverified_attempts_total{{{HOST}}}{RATE}))", "calls"),),
                ),
            ),
        ),
    ),
    (("trunk", "dialdip_trunk_state"),),
)
