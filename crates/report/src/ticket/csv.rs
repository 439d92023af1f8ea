//! The minutes of a ticket as CSV.
//!
//! Always: our own figures and UTC times only, so no cell can be a formula; a figure that is not known is an
//! empty cell.

use borehole_quota::ticket::TicketFacts;

/// `minute,attempts,throttled,raw,settled,reserved`: one line for each active minute, in order.
#[must_use]
pub fn minutes_csv(facts: &TicketFacts) -> String {
    let mut out = "minute,attempts,throttled,raw,settled,reserved\n".to_owned();
    let has_settled = facts.assumptions.charge.burndown.is_some();
    let has_reserved = facts.minutes.iter().any(|(_, load)| load.reserved > 0);
    for (minute, load) in &facts.minutes {
        let known = |is_known: bool, value: u64| if is_known { value.to_string() } else { String::new() };
        out.push_str(&format!(
            "{minute},{},{},{},{},{}\n",
            load.attempts,
            load.throttled,
            load.raw,
            known(has_settled, load.settled),
            known(has_reserved, load.reserved)
        ));
    }
    out
}
