//! Callers: from `identity.arn` to the names that a report groups by.
//!
//! In: the ARN as logged. Out: slices of it. Always: an ARN of a form not listed here gives no name rather
//! than a wrong one. Absent: any check that the account or the role exists.

/// The names in an identity ARN; each `None` where the ARN's form has no such name.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Caller<'a> {
    /// `ROLE` of `…:assumed-role/ROLE/SESSION`.
    pub role: Option<&'a str>,
    /// `SESSION` of `…:assumed-role/ROLE/SESSION`.
    pub session: Option<&'a str>,
    /// `U` of `…:user/[path/]U` and of `…:federated-user/U`; `root` of `…:root`.
    pub user: Option<&'a str>,
}

/// Takes an identity ARN apart.
#[must_use]
pub fn caller(arn: &str) -> Caller<'_> {
    let nobody = Caller::default();
    // arn:partition:service:region:account:resource
    let mut parts = arn.splitn(6, ':');
    if parts.next() != Some("arn") {
        return nobody;
    }
    let Some(resource) = parts.nth(4) else {
        return nobody;
    };
    let named = |name: &'static str| resource.strip_prefix(name)?.strip_prefix('/');
    if resource == "root" {
        Caller { user: Some(resource), ..nobody }
    } else if let Some(names) = named("assumed-role") {
        let (role, session) = names.split_once('/').unwrap_or((names, ""));
        Caller { role: not_empty(role), session: not_empty(session), ..nobody }
    } else if let Some(path) = named("user").or_else(|| named("federated-user")) {
        Caller { user: path.rsplit('/').next().and_then(not_empty), ..nobody }
    } else {
        nobody
    }
}

fn not_empty(name: &str) -> Option<&str> {
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_identity_arn_gives_its_own_names() {
        let role = |role, session| Caller { role, session, user: None };
        let user = |user| Caller { user: Some(user), ..Caller::default() };
        let nobody = Caller::default();
        let cases = [
            ("arn:aws:sts::111122223333:assumed-role/Builder/ci-42", role(Some("Builder"), Some("ci-42"))),
            ("arn:aws-us-gov:sts::111122223333:assumed-role/R/a@b.c", role(Some("R"), Some("a@b.c"))),
            ("arn:aws:sts::111122223333:assumed-role/R/s:1/2", role(Some("R"), Some("s:1/2"))),
            ("arn:aws:sts::111122223333:assumed-role/R", role(Some("R"), None)),
            ("arn:aws:sts::111122223333:assumed-role/R/", role(Some("R"), None)),
            ("arn:aws:iam::111122223333:user/alice", user("alice")),
            ("arn:aws:iam::111122223333:user/team/eu/alice", user("alice")),
            ("arn:aws:sts::111122223333:federated-user/bob", user("bob")),
            ("arn:aws-cn:iam::111122223333:root", user("root")),
            ("arn:aws:iam::111122223333:user/", nobody),
            ("arn:aws:iam::111122223333:role/path/R", nobody),
            ("arn:aws:iam::111122223333:assumed-role", nobody),
            ("arn:aws:iam::111122223333:username/alice", nobody),
            ("arn:aws:iam::111122223333", nobody),
            ("assumed-role/R/s", nobody),
            ("root", nobody),
            ("", nobody),
        ];
        for (arn, expected) in cases {
            assert_eq!(caller(arn), expected, "{arn}");
        }
    }
}
