//! The least IAM policy that lets a reader read.
//!
//! In: buckets, and what each is for. Out: one policy document, as the IAM console takes it. Always: no statement
//! allows more than what a command of this program asks for, and what only some commands need stands in statements
//! of its own, whose ids begin with `Optional`. Absent: any look at what the caller has, and statements about who may
//! assume a role.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// One bucket that is to be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bucket {
    /// Its name, or an access point's ARN.
    pub name: String,
    /// Where it lies.
    pub region: String,
    /// Keys below this are read, no others; no `/` at its end, empty for all.
    pub prefix: String,
    /// What lies there.
    pub holds: Holds,
    /// Its objects are encrypted with a KMS key, as far as it is known.
    pub kms: bool,
}

/// What a bucket is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Holds {
    /// Records, and in the `aws` layout the payloads in their `data/` folders.
    Records,
    /// Payloads alone: the large-data bucket.
    Payloads,
}

/// The ARN of a bucket.
pub(crate) fn bucket_arn(name: &str, region: &str) -> String {
    if name.starts_with("arn:") { name.to_owned() } else { format!("arn:{}:s3:::{name}", partition(region)) }
}

/// The ARN of all objects of a bucket below a prefix.
pub(crate) fn objects_arn(name: &str, region: &str, prefix: &str) -> String {
    // An access point's objects have a part of their own.
    let objects = if name.starts_with("arn:") { "/object" } else { "" };
    let below = if prefix.is_empty() { "*".to_owned() } else { format!("{prefix}/*") };
    format!("{}{objects}/{below}", bucket_arn(name, region))
}

/// The part of AWS that a Region belongs to.
fn partition(region: &str) -> &'static str {
    const PARTITIONS: [(&str, &str); 4] =
        [("cn-", "aws-cn"), ("us-gov-", "aws-us-gov"), ("us-isob-", "aws-iso-b"), ("us-iso-", "aws-iso")];
    PARTITIONS.iter().find(|(start, _)| region.starts_with(start)).map_or("aws", |(_, partition)| partition)
}

/// How KMS knows that it is S3 that asks.
fn kms_service(region: &str) -> String {
    let domain = if partition(region) == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("s3.{region}.{domain}")
}

/// A policy document, in the order of fields that people write.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Policy {
    version: &'static str,
    statement: Vec<Statement>,
}

/// One statement of a policy.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Statement {
    sid: String,
    effect: &'static str,
    action: &'static str,
    resource: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    condition: Condition,
}

/// Operator, key, values.
type Condition = BTreeMap<&'static str, BTreeMap<&'static str, Vec<String>>>;

/// The policy for some buckets.
pub(crate) fn policy(buckets: &[Bucket]) -> Policy {
    let mut statements = Vec::new();
    // By prefix, since the condition of a statement holds for all of its buckets.
    let mut listed: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for bucket in buckets {
        listed.entry(&bucket.prefix).or_default().insert(bucket_arn(&bucket.name, &bucket.region));
    }
    for (number, (prefix, arns)) in listed.iter().enumerate() {
        let mut statement = allow(&format!("List{}", ordinal(number)), "s3:ListBucket", arns);
        if !prefix.is_empty() {
            let values = vec![(*prefix).to_owned(), format!("{prefix}/*")];
            statement.condition = condition("StringLike", "s3:prefix", values);
        }
        statements.push(statement);
    }
    for (sid, holds) in [("ReadRecords", Holds::Records), ("ReadPayloads", Holds::Payloads)] {
        push(&mut statements, sid, "s3:GetObject", &objects(buckets, |bucket| bucket.holds == holds));
    }
    let kms: BTreeSet<&str> =
        buckets.iter().filter(|bucket| bucket.kms).map(|bucket| &*bucket.region).collect();
    if !kms.is_empty() {
        statements.push(decrypt(&kms));
    }
    let all: BTreeSet<String> =
        buckets.iter().map(|bucket| bucket_arn(&bucket.name, &bucket.region)).collect();
    push(&mut statements, "OptionalSeeLifecycle", "s3:GetLifecycleConfiguration", &all);
    push(&mut statements, "OptionalRestore", "s3:RestoreObject", &objects(buckets, |_| true));
    Policy { version: "2012-10-17", statement: statements }
}

/// The statement that lets S3 decrypt for the reader. Which key it is no reader of a bucket can know: the condition
/// keeps it to what S3 asks for.
pub(crate) fn decrypt(regions: &BTreeSet<&str>) -> Statement {
    let keys: BTreeSet<String> =
        regions.iter().map(|region| format!("arn:{}:kms:{region}:*:key/*", partition(region))).collect();
    let services: Vec<String> = regions.iter().map(|region| kms_service(region)).collect();
    let mut statement = allow("Decrypt", "kms:Decrypt", &keys);
    statement.condition = condition("StringEquals", "kms:ViaService", services);
    statement
}

fn condition(operator: &'static str, key: &'static str, values: Vec<String>) -> Condition {
    BTreeMap::from([(operator, BTreeMap::from([(key, values)]))])
}

fn objects(buckets: &[Bucket], wanted: impl Fn(&Bucket) -> bool) -> BTreeSet<String> {
    let wanted = buckets.iter().filter(|bucket| wanted(bucket));
    wanted.map(|bucket| objects_arn(&bucket.name, &bucket.region, &bucket.prefix)).collect()
}

fn push(statements: &mut Vec<Statement>, sid: &str, action: &'static str, resources: &BTreeSet<String>) {
    if !resources.is_empty() {
        statements.push(allow(sid, action, resources));
    }
}

fn allow(sid: &str, action: &'static str, resources: &BTreeSet<String>) -> Statement {
    Statement {
        sid: sid.to_owned(),
        effect: "Allow",
        action,
        resource: resources.clone(),
        condition: Condition::new(),
    }
}

/// Ids of statements are unique, and letters and digits only.
fn ordinal(number: usize) -> String {
    if number == 0 { String::new() } else { (number + 1).to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn as_json(buckets: &[Bucket]) -> Value {
        serde_json::to_value(policy(buckets)).expect("a policy is JSON")
    }

    fn bucket(name: &str, holds: Holds) -> Bucket {
        Bucket {
            name: name.to_owned(),
            region: "us-west-2".to_owned(),
            prefix: String::new(),
            holds,
            kms: false,
        }
    }

    #[test]
    fn the_policy_of_two_plain_buckets_is_short() {
        let buckets = [bucket("logs", Holds::Records), bucket("large", Holds::Payloads)];
        let expected = json!({
            "Version": "2012-10-17",
            "Statement": [
                {"Sid": "List", "Effect": "Allow", "Action": "s3:ListBucket",
                 "Resource": ["arn:aws:s3:::large", "arn:aws:s3:::logs"]},
                {"Sid": "ReadRecords", "Effect": "Allow", "Action": "s3:GetObject",
                 "Resource": ["arn:aws:s3:::logs/*"]},
                {"Sid": "ReadPayloads", "Effect": "Allow", "Action": "s3:GetObject",
                 "Resource": ["arn:aws:s3:::large/*"]},
                {"Sid": "OptionalSeeLifecycle", "Effect": "Allow", "Action": "s3:GetLifecycleConfiguration",
                 "Resource": ["arn:aws:s3:::large", "arn:aws:s3:::logs"]},
                {"Sid": "OptionalRestore", "Effect": "Allow", "Action": "s3:RestoreObject",
                 "Resource": ["arn:aws:s3:::large/*", "arn:aws:s3:::logs/*"]},
            ]
        });
        assert_eq!(as_json(&buckets), expected);
        let text = serde_json::to_string(&policy(&buckets)).expect("JSON");
        assert!(text.starts_with(r#"{"Version":"2012-10-17","Statement":[{"Sid":"List","Effect""#), "{text}");
    }

    #[test]
    fn a_prefix_narrows_both_listing_and_reading() {
        let team = Bucket { prefix: "team/a".to_owned(), ..bucket("logs", Holds::Records) };
        let policy = as_json(&[team, bucket("large", Holds::Payloads)]);
        let statements = policy["Statement"].as_array().expect("statements");
        assert_eq!(statements[0]["Sid"], "List");
        assert!(statements[0].get("Condition").is_none());
        assert_eq!(statements[1]["Sid"], "List2");
        assert_eq!(statements[1]["Condition"], json!({"StringLike": {"s3:prefix": ["team/a", "team/a/*"]}}));
        assert_eq!(statements[2]["Resource"], json!(["arn:aws:s3:::logs/team/a/*"]));
    }

    #[test]
    fn a_kms_key_is_used_through_s3_alone() {
        let policy = as_json(&[Bucket { kms: true, ..bucket("logs", Holds::Records) }]);
        let decrypt = &policy["Statement"][2];
        assert_eq!(decrypt["Action"], "kms:Decrypt");
        assert_eq!(decrypt["Resource"], json!(["arn:aws:kms:us-west-2:*:key/*"]));
        assert_eq!(
            decrypt["Condition"]["StringEquals"]["kms:ViaService"],
            json!(["s3.us-west-2.amazonaws.com"])
        );
    }

    #[test]
    fn other_partitions_have_other_arns() {
        assert_eq!(bucket_arn("logs", "us-gov-west-1"), "arn:aws-us-gov:s3:::logs");
        assert_eq!(objects_arn("logs", "cn-north-1", "a"), "arn:aws-cn:s3:::logs/a/*");
        assert_eq!(kms_service("cn-north-1"), "s3.cn-north-1.amazonaws.com.cn");
        let point = "arn:aws:s3:us-west-2:111122223333:accesspoint/reader";
        assert_eq!(objects_arn(point, "us-west-2", ""), format!("{point}/object/*"));
    }
}
