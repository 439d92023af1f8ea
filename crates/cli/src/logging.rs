//! What Bedrock's own logging configuration says: where logs go, and what is left out of them.
//!
//! In: the JSON that `aws bedrock get-model-invocation-logging-configuration` prints. Out: places to check, and
//! notes. Always: no value of the JSON but names of buckets, prefixes and log groups is shown. Absent: any request;
//! the configuration is each Region's own, and this is the one that was given.

use serde_json::Value;

/// What a configuration says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Logging {
    /// Where records go: `s3://BUCKET[/PREFIX]`.
    pub records: Option<String>,
    /// Where large payloads go that are not beside the records.
    pub large_data: Option<String>,
    /// The CloudWatch log group that gets records.
    pub log_group: Option<String>,
    /// Kinds of data that are not delivered: the bodies of such calls are absent from the logs.
    pub not_delivered: Vec<&'static str>,
}

/// The switches, and what they switch.
const KINDS: [(&str, &str); 5] = [
    ("textDataDeliveryEnabled", "text"),
    ("imageDataDeliveryEnabled", "image"),
    ("embeddingDataDeliveryEnabled", "embedding"),
    ("videoDataDeliveryEnabled", "video"),
    ("audioDataDeliveryEnabled", "audio"),
];

impl Logging {
    /// Reads the JSON, with `loggingConfig` around it or without; `None` where it is something else.
    ///
    /// An empty answer is what AWS gives where logging is off.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.trim().is_empty() {
            return Some(Logging::default());
        }
        let document: Value = serde_json::from_str(text).ok()?;
        let outer = document.as_object()?;
        let config = match outer.get("loggingConfig") {
            Some(inner) => inner,
            None => &document,
        };
        let is_empty = config.is_null() || config.as_object().is_some_and(serde_json::Map::is_empty);
        let names = ["s3Config", "cloudWatchConfig"].into_iter().chain(KINDS.iter().map(|(name, _)| *name));
        if !is_empty && !names.into_iter().any(|name| config.get(name).is_some()) {
            return None;
        }
        let cloud_watch = config.get("cloudWatchConfig");
        let group = cloud_watch.and_then(|config| config.get("logGroupName")).and_then(Value::as_str);
        let mut logging = Logging {
            records: config.get("s3Config").and_then(location),
            large_data: cloud_watch
                .and_then(|config| config.get("largeDataDeliveryS3Config"))
                .and_then(location),
            log_group: group.filter(|name| !name.is_empty()).map(str::to_owned),
            not_delivered: Vec::new(),
        };
        // A switch that is absent is one that this Region's Bedrock does not have.
        let is_off = |name: &str| config.get(name).and_then(Value::as_bool) == Some(false);
        logging.not_delivered.extend(KINDS.iter().filter(|(name, _)| is_off(name)).map(|(_, kind)| kind));
        Some(logging)
    }

    /// Whether records go anywhere.
    pub(crate) fn is_on(&self) -> bool {
        self.records.is_some() || self.log_group.is_some()
    }
}

fn location(config: &Value) -> Option<String> {
    let bucket = config.get("bucketName")?.as_str().filter(|name| !name.is_empty())?;
    let prefix = config.get("keyPrefix").and_then(Value::as_str).unwrap_or("").trim_matches('/');
    Some(if prefix.is_empty() { format!("s3://{bucket}") } else { format!("s3://{bucket}/{prefix}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_and_switches_are_read() {
        let text = r#"{"loggingConfig": {
            "cloudWatchConfig": {"logGroupName": "bedrock", "roleArn": "arn:aws:iam::111122223333:role/x",
                "largeDataDeliveryS3Config": {"bucketName": "large", "keyPrefix": ""}},
            "s3Config": {"bucketName": "logs", "keyPrefix": "team/a/"},
            "textDataDeliveryEnabled": true, "imageDataDeliveryEnabled": false, "videoDataDeliveryEnabled": false}}"#;
        let logging = Logging::parse(text).expect("a configuration");
        assert_eq!(logging.records.as_deref(), Some("s3://logs/team/a"));
        assert_eq!(logging.large_data.as_deref(), Some("s3://large"));
        assert_eq!(logging.log_group.as_deref(), Some("bedrock"));
        assert_eq!(logging.not_delivered, ["image", "video"]);
        assert!(logging.is_on());
    }

    #[test]
    fn an_empty_answer_means_that_logging_is_off() {
        for text in ["", "{}", r#"{"loggingConfig": {}}"#, r#"{"loggingConfig": null}"#] {
            assert_eq!(Logging::parse(text), Some(Logging::default()), "{text}");
        }
    }

    #[test]
    fn the_inner_object_alone_is_read_and_other_json_is_not() {
        let logging = Logging::parse(r#"{"s3Config": {"bucketName": "logs"}}"#).expect("a configuration");
        assert_eq!(logging.records.as_deref(), Some("s3://logs"));
        for text in ["[]", "7", "no json", r#"{"Statement": []}"#] {
            assert_eq!(Logging::parse(text), None, "{text}");
        }
    }
}
