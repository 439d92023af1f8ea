//! What a request asks of S3, read off its first line and headers.
//!
//! In: the head of a request. Out: its kind, its key, its range. Always: path-style addresses, which is what a
//! server without a name is asked with. Absent: signatures; nobody here has to believe anything.

use super::wire::Head;

/// What is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// GET of an object or a range of it.
    Get,
    /// HEAD of an object.
    Head,
    /// A page of a listing.
    List,
    /// PUT of an object.
    Put,
    /// RestoreObject.
    Restore,
    /// Anything else: buckets, tags, deletions.
    #[default]
    Other,
}

/// One request.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    pub kind: Kind,
    /// `bucket/key`, or `bucket/prefix` of a listing; unescaped.
    pub name: String,
    pub range: Option<String>,
    pub if_match: Option<String>,
    /// A listing's parameters: which page of it is asked for.
    pub page: Option<String>,
}

impl Request {
    pub(super) fn of(head: &Head) -> Self {
        let mut words = head.first.split(' ');
        let method = words.next().unwrap_or_default();
        let target = words.next().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = path.strip_prefix('/').unwrap_or(path);
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let parameters: Vec<(&str, &str)> = query
            .split('&')
            .filter(|parameter| !parameter.is_empty())
            .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
            .collect();
        let has = |name: &str| parameters.iter().any(|(key, _)| *key == name);
        // `x-id` names the operation; the others choose among an object's states or say how it is to be answered.
        let plain = parameters.iter().all(|(name, _)| {
            matches!(*name, "x-id" | "versionId" | "partNumber") || name.starts_with("response-")
        });
        let kind = match (method, key.is_empty()) {
            ("GET", true) if has("list-type") => Kind::List,
            ("GET", false) if plain => Kind::Get,
            ("HEAD", false) => Kind::Head,
            ("PUT", false) if plain => Kind::Put,
            ("POST", false) if has("restore") => Kind::Restore,
            _ => Kind::Other,
        };
        let listed = parameters.iter().find(|(name, _)| *name == "prefix").map_or("", |(_, value)| value);
        let key = if kind == Kind::List { listed } else { key };
        Request {
            kind,
            name: unescape(&format!("{bucket}/{key}")),
            range: head.value("range"),
            if_match: head.value("if-match"),
            page: (kind == Kind::List).then(|| query.to_owned()),
        }
    }

    /// Requests with the same lane follow each other; of different lanes they may come in any order.
    pub(super) fn lane(&self) -> Option<String> {
        let end = |range: &String| range.rsplit_once('-').map(|(_, end)| end.to_owned());
        self.page.clone().or_else(|| self.range.as_ref().and_then(end)).filter(|lane| !lane.is_empty())
    }
}

fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                plain.push(byte);
                at += 3;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_and_name(line: &str) -> (Kind, String) {
        let request = Request::of(&Head::new(line, &[("Range", "bytes=5-")]));
        (request.kind, request.name)
    }

    #[test]
    fn requests_are_told_apart() {
        let cases = [
            ("GET /b/a%20b%2Bc%F0%9F%98%80?x-id=GetObject HTTP/1.1", Kind::Get, "b/a b+c😀"),
            ("GET /b/a/b HTTP/1.1", Kind::Get, "b/a/b"),
            ("GET /b/a?tagging HTTP/1.1", Kind::Other, "b/a"),
            ("GET /b?list-type=2&prefix=x%2Fy&delimiter=%2F HTTP/1.1", Kind::List, "b/x/y"),
            ("GET /b/?list-type=2 HTTP/1.1", Kind::List, "b/"),
            ("GET /b?location HTTP/1.1", Kind::Other, "b/"),
            ("HEAD /b/a HTTP/1.1", Kind::Head, "b/a"),
            ("HEAD /b HTTP/1.1", Kind::Other, "b/"),
            ("PUT /b/a?x-id=PutObject HTTP/1.1", Kind::Put, "b/a"),
            ("POST /b/a?restore HTTP/1.1", Kind::Restore, "b/a"),
            ("GET /b/100% HTTP/1.1", Kind::Get, "b/100%"),
        ];
        for (line, kind, name) in cases {
            assert_eq!(kind_and_name(line), (kind, name.to_owned()), "{line}");
        }
    }
}
