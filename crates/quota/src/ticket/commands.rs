//! Lines for a shell: how to ask for the increase, and how to fetch what is not known.
//!
//! In: the facts of a ticket. Out: text, which is printed and never run. Always: every word that comes from logs
//! or files is checked against the characters that AWS's names have, so that nothing in a line is anything but
//! a word to a shell; what does not fit gives no line. Absent: credentials, profiles.

use crate::rules::Limit;
use crate::ticket::TicketFacts;

/// Something to type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Asks for an increase.
    Request {
        /// Of which limit.
        limit: Limit,
        /// `L-…`.
        code: String,
        /// The new value.
        desired: u64,
        /// Where the quota lives.
        region: String,
    },
    /// Fetches codes and current values.
    Fetch {
        /// 12 digits, for the name of the file.
        account: Option<String>,
        /// Where the quotas live.
        region: String,
    },
}

impl Command {
    /// The lines, at most 80 columns each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        match self {
            Command::Request { code, desired, region, .. } => vec![
                "aws service-quotas request-service-quota-increase --service-code bedrock \\".to_owned(),
                format!("  --quota-code {code} --desired-value {desired} --region {region}"),
            ],
            Command::Fetch { account, region } => {
                let account = account.as_ref().map(|account| format!("-{account}")).unwrap_or_default();
                vec![
                    format!("for region in {region}; do"),
                    "  aws service-quotas list-service-quotas --service-code bedrock \\".to_owned(),
                    "    --region \"$region\" --output json \\".to_owned(),
                    format!("    > \"service-quotas{account}-$region.json\""),
                    "done".to_owned(),
                ]
            }
        }
    }
}

/// The commands of a ticket: one for each limit whose increase is asked for and whose code is known; where a code
/// or a current quota is not known, the loop that fetches them.
pub(super) fn of(facts: &TicketFacts) -> Vec<Command> {
    let Some(region) = facts.key.region.as_deref().filter(|region| is_region(region)) else {
        return Vec::new();
    };
    let mut commands = Vec::new();
    let mut is_open = false;
    for limit in [&facts.tokens, &facts.requests] {
        let Ok(need) = &limit.need else { continue };
        let code = limit.name.as_ref().and_then(|name| name.code.as_deref()).filter(|code| is_code(code));
        is_open |= code.is_none() || limit.current.is_none();
        if let Some(code) = code
            && limit.is_asked()
        {
            commands.push(Command::Request {
                limit: limit.limit,
                code: code.to_owned(),
                desired: need.requested_peak,
                region: region.to_owned(),
            });
        }
    }
    if is_open {
        let account = facts.key.account.as_deref().filter(|account| is_account(account));
        commands.push(Command::Fetch { account: account.map(str::to_owned), region: region.to_owned() });
    }
    commands
}

/// `us-gov-west-1`; the longest names have some 15 letters.
fn is_region(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= 32 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(plain)
}

/// `L-F4DDD3EB`.
fn is_code(text: &str) -> bool {
    text.len() <= 32
        && text.strip_prefix("L-").is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        })
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_reach_a_shell() {
        for region in ["us-east-1", "us-gov-west-1", "ap-southeast-2", "mx-central-1"] {
            assert!(is_region(region));
        }
        for region in ["", "-h", "us-east-1;id", "$(id)", "us east", "US-EAST-1", "a\n", "--endpoint-url"] {
            assert!(!is_region(region), "{region}");
        }
        assert!(is_code("L-F4DDD3EB"));
        for code in ["", "L-", "F4DDD3EB", "L-f4", "L-F4 --x", "L-`id`"] {
            assert!(!is_code(code), "{code}");
        }
        assert!(is_account("111122223333"));
        assert!(!is_account("11112222333") && !is_account("11112222333x"));
    }

    #[test]
    fn no_line_is_wider_than_80_columns() {
        let request = Command::Request {
            limit: Limit::TokensPerMinute,
            code: "L-F4DDD3EB".to_owned(),
            desired: 999_999_999_999,
            region: "ap-southeast-2".to_owned(),
        };
        let fetch =
            Command::Fetch { account: Some("111122223333".to_owned()), region: "ap-southeast-2".to_owned() };
        for line in [request, fetch].iter().flat_map(Command::lines) {
            assert!(line.len() <= 80, "{line}");
        }
    }
}
