//! The goldens of the fixtures: which runs have one. The files are `fixtures/golden/dumps-*`.

/// Name, and the arguments of both `borehole analyze` and the oracle.
pub(crate) const GOLDENS: [(&str, &[&str]); 9] = [
    ("dumps-all", &["fixtures/dumps"]),
    ("dumps-aws", &["fixtures/dumps/aws"]),
    ("dumps-aws-by-hour", &["fixtures/dumps/aws", "--by", "hour", "--series", "hour"]),
    ("dumps-aws-other-rules", &["fixtures/dumps/aws", "--rules", "fixtures/rules.toml"]),
    ("dumps-aws-by-role-operation", &["fixtures/dumps/aws", "--by", "role,operation,error"]),
    ("dumps-cloudwatch", &["fixtures/dumps/cloudwatch"]),
    ("dumps-faults", &["fixtures/faults"]),
    ("dumps-split", &["fixtures/dumps/split"]),
    ("dumps-split-unresolved", &["fixtures/dumps/split", "--resolve", "never"]),
];

/// The files that the goldens are.
pub(crate) fn files() -> impl Iterator<Item = String> {
    GOLDENS.iter().flat_map(|(name, _)| [format!("{name}.json"), format!("{name}.txt")])
}
