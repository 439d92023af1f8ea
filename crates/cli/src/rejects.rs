//! The list of losses: one JSON object a line, key and offset and reason, never any content.

use borehole_scan::ledger::LedgerLine;
use borehole_scan::{Ledger, Plan};
use borehole_store::EscapedKey;

/// The whole list, in the scan's order: by keys and offsets.
pub(crate) fn render(ledger: &Ledger) -> String {
    let mut out = String::new();
    for line in &ledger.lines {
        out.push_str(&json_line(line));
        out.push('\n');
    }
    if ledger.lines_dropped > 0 {
        out.push_str(&format!("{{\"class\":\"more\",\"n\":{}}}\n", ledger.lines_dropped));
    }
    out
}

fn json_line(line: &LedgerLine) -> String {
    let mut object = serde_json::Map::new();
    object.insert("class".into(), line.class.into());
    object.insert("reason".into(), line.reason.into());
    object.insert("source".into(), line.source.clone().into());
    object.insert("key".into(), EscapedKey(&line.key).to_string().into());
    if let Some(offset) = line.offset {
        object.insert("offset".into(), offset.into());
    }
    if let Some(bytes) = line.bytes {
        object.insert("bytes".into(), bytes.into());
    }
    serde_json::Value::Object(object).to_string()
}

/// Tells the first losses of each kind, and how many more there are.
pub(crate) fn tell(ledger: &Ledger, plan: &Plan) {
    for ((class, reason), lines) in &ledger.shown {
        for line in lines {
            let offset = line.offset.map(|offset| format!(" off={offset}")).unwrap_or_default();
            let stored = match (line.class, line.bytes) {
                ("object_failed", Some(bytes)) => format!(" stored={bytes}"),
                (_, Some(bytes)) if bytes > 0 => format!(" bytes={bytes}"),
                _ => String::new(),
            };
            let source = crate::exit::escaped(&line.source);
            tell!("{class} {reason} {source}/{}{offset}{stored}", EscapedKey(&line.key));
        }
        let total = match *class {
            "object_failed" => ledger.objects_failed.get(reason),
            "document_rejected" => ledger.tally.documents_rejected.get(reason),
            _ => ledger.tally.records_rejected.get(reason),
        };
        let more = total.copied().unwrap_or(0).saturating_sub(lines.len() as u64);
        if more > 0 {
            tell!("{class} {reason} n={more} more; --rejects FILE lists all");
        }
    }
    for (bucket, count) in &ledger.tally.references.unknown_buckets {
        let bucket = crate::exit::escaped(bucket);
        let references = if *count == 1 { "reference leads" } else { "references lead" };
        tell!("note: {count} payload {references} to the bucket {bucket:?}, which no source stands for");
        tell!(
            "hint: if you may read it, add --large-data s3://{bucket}, or --map s3://{bucket}=DIR for a copy"
        );
    }
    let split = plan.streams.iter().any(|stream| stream.has_hours && stream.account.is_none());
    if split && ledger.tally.warnings.contains_key("document_conflict") {
        tell!("note: documents of one request disagree in places; the invocation document was taken");
    }
}
