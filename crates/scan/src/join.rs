//! Joining the documents of the split layout: four files, one record.
//!
//! In: the documents of one folder hour at a time, hours ascending. Out: joined records, as soon as no later
//! folder can change them. The rule is `docs/rules.md` section 4; it looks one folder to each side, so the
//! result does not depend on where reading starts or ends beyond that. Memory holds three folders at most,
//! and of a request whose four documents lie together only its name.

use std::collections::BTreeMap;

use borehole_record::{BodyPlace, Document, DocumentKind, RequestId, UtcHour};
use rustc_hash::FxHashMap;

/// One document of a request, with where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Fragment {
    /// Which of the four.
    pub kind: DocumentKind,
    /// Index of the object, in canonical order.
    pub object: u32,
    /// What it holds.
    pub document: Box<Document<'static>>,
}

/// A joined record.
#[derive(Debug)]
pub(crate) struct Joined {
    /// The folder hour it belongs to.
    pub folder: UtcHour,
    /// The object of its first document in that folder: the invocation document where there is one.
    pub object: u32,
    /// All fields together.
    pub document: Document<'static>,
    /// The folder hours of its documents, but for one of its own folder: these became part of another one.
    pub siblings: Vec<UtcHour>,
    /// A document of a kind that another of the same kind outdid.
    pub superseded: u64,
    /// A later document said something else.
    pub conflict: bool,
}

/// Stream and request id as in the file name.
pub(crate) type JoinKey = (u32, RequestId);

/// An invocation document with the siblings that came to it so far.
struct Anchor {
    folder: UtcHour,
    invocation: Fragment,
    siblings: Vec<(UtcHour, Fragment)>,
}

#[derive(Default)]
struct Folder {
    anchors: FxHashMap<JoinKey, Vec<Anchor>>,
    /// Documents that found no invocation document in their own folder or the one before.
    loose: FxHashMap<JoinKey, Vec<Fragment>>,
    /// Those for which the folder after had none either.
    orphans: FxHashMap<JoinKey, Vec<Fragment>>,
}

/// Joins documents, folder by folder.
#[derive(Default)]
pub(crate) struct Joiner {
    folders: BTreeMap<UtcHour, Folder>,
}

impl Joiner {
    /// Takes all documents of one folder hour, which must be later than all before. `documents` may come in any order.
    pub(crate) fn complete(
        &mut self,
        hour: UtcHour,
        documents: FxHashMap<JoinKey, Vec<Fragment>>,
        out: &mut Vec<Joined>,
    ) {
        self.advance(UtcHour(hour.0 - 1), out);
        let mut folder = Folder::default();
        for (key, mut fragments) in documents {
            fragments.sort_by_key(|fragment| (fragment.kind, fragment.object));
            let (invocations, others): (Vec<_>, Vec<_>) =
                fragments.into_iter().partition(|fragment| fragment.kind == DocumentKind::Invocation);
            if invocations.is_empty() {
                folder.loose.insert(key, others);
                continue;
            }
            let mut anchors: Vec<Anchor> = invocations
                .into_iter()
                .map(|invocation| Anchor { folder: hour, invocation, siblings: Vec::new() })
                .collect();
            anchors[0].siblings.extend(others.into_iter().map(|fragment| (hour, fragment)));
            folder.anchors.insert(key, anchors);
        }
        if let Some(before) = self.folders.get_mut(&UtcHour(hour.0 - 1)) {
            // Siblings that came late: to the invocation document of the hour before.
            folder.loose.retain(|key, fragments| match before.anchors.get_mut(key) {
                Some(anchors) => {
                    anchors[0].siblings.extend(fragments.drain(..).map(|fragment| (hour, fragment)));
                    false
                }
                None => true,
            });
            // Siblings that came early: to the invocation document of this hour.
            for (key, fragments) in before.loose.drain() {
                match folder.anchors.get_mut(&key) {
                    Some(anchors) => {
                        let early = UtcHour(hour.0 - 1);
                        anchors[0].siblings.extend(fragments.into_iter().map(|fragment| (early, fragment)));
                    }
                    None => before.orphans.entry(key).or_default().extend(fragments),
                }
            }
        }
        self.folders.insert(hour, folder);
    }

    /// All folders up to and including `hour` have been completed: gives out what is final.
    pub(crate) fn advance(&mut self, hour: UtcHour, out: &mut Vec<Joined>) {
        // Once the folder after is complete (or known to be empty), anchors are final, and what is still loose
        // is orphaned.
        for (_, folder) in self.folders.range_mut(..hour) {
            folder.orphans.extend(folder.loose.drain());
            for (_, anchors) in folder.anchors.drain() {
                out.extend(anchors.into_iter().map(Anchor::join));
            }
        }
        // Once the one after that is, too, the orphans of the next folder are known.
        while let Some(entry) = self.folders.first_entry()
            && entry.key().0 + 1 < hour.0
        {
            let (own, folder) = entry.remove_entry();
            let after = UtcHour(own.0 + 1);
            for (key, fragments) in folder.orphans {
                let next = self.folders.get_mut(&after);
                let more = next.and_then(|next| next.orphans.remove(&key)).unwrap_or_default();
                let mut all: Vec<_> = fragments.into_iter().map(|fragment| (own, fragment)).collect();
                all.extend(more.into_iter().map(|fragment| (after, fragment)));
                // The first document is the one whose fields win, in whichever of the two folders it lies.
                all.sort_by_key(|(hour, fragment)| (fragment.kind, *hour, fragment.object));
                let object = all.iter().find(|(hour, _)| *hour == own).map(|(_, fragment)| fragment.object);
                let (home, first) = all.remove(0);
                let mut joined = Anchor { folder: own, invocation: first, siblings: all }.join();
                if home != own
                    && let Some(one) = joined.siblings.iter_mut().find(|hour| **hour == own)
                {
                    *one = home;
                }
                joined.object = object.unwrap_or(joined.object);
                out.push(joined);
            }
        }
    }

    /// No more folders: gives out everything.
    pub(crate) fn finish(&mut self, out: &mut Vec<Joined>) {
        self.advance(UtcHour(i64::MAX / 4), out);
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.folders.is_empty()
    }
}

impl Anchor {
    fn join(mut self) -> Joined {
        // Per kind the same folder first, then the earlier, then the smaller key.
        let own = self.folder;
        self.siblings.sort_by_key(|(hour, fragment)| (fragment.kind, *hour != own, *hour, fragment.object));
        let mut joined = Joined {
            folder: own,
            object: self.invocation.object,
            document: *self.invocation.document,
            siblings: self.siblings.iter().map(|(hour, _)| *hour).collect(),
            superseded: 0,
            conflict: false,
        };
        let mut last = self.invocation.kind;
        for (_, fragment) in self.siblings {
            if fragment.kind == last {
                joined.superseded += 1;
                continue;
            }
            last = fragment.kind;
            let conflict = absorb(&mut joined.document, *fragment.document, fragment.kind);
            joined.conflict |= conflict;
        }
        joined
    }
}

/// Adds the fields of a later document to a record; true where it says something else than is there.
fn absorb<'a>(record: &mut Document<'a>, more: Document<'a>, kind: DocumentKind) -> bool {
    let mut conflict = absorb_counts(record, &more);
    macro_rules! text {
        ($($field:ident),*) => {$(
            match (&record.$field, more.$field) {
                (None, value) => record.$field = value,
                (Some(own), Some(value)) => conflict |= *own != value,
                (Some(_), None) => {}
            }
        )*};
    }
    // A metadata document is where these are at home: it wins over what a body or the record says.
    if kind == DocumentKind::Metadata {
        record.latency_ms = more.latency_ms.or(record.latency_ms);
        record.first_byte_ms = more.first_byte_ms.or(record.first_byte_ms);
        if more.service_tier.is_some() {
            record.service_tier = more.service_tier;
        }
        if !more.tags.is_empty() {
            record.tags = more.tags;
        }
    } else {
        record.latency_ms = record.latency_ms.or(more.latency_ms);
        record.first_byte_ms = record.first_byte_ms.or(more.first_byte_ms);
        if record.service_tier.is_none() {
            record.service_tier = more.service_tier;
        }
        if record.tags.is_empty() {
            record.tags = more.tags;
        }
    }
    text!(
        timestamp,
        request_id,
        account,
        region,
        model_id,
        operation,
        identity,
        error_code,
        inference_region
    );
    text!(http_status);

    // What a body says belongs to the place where the body is; the first place wins, and a known length of a
    // body wins over the metadata document's figure, whichever came first.
    record.max_tokens = record.max_tokens.or(more.max_tokens);
    if record.stop_reason.is_none() {
        record.stop_reason = more.stop_reason;
    }
    if record.input_kinds.is_empty() {
        record.input_kinds = more.input_kinds;
        record.images = more.images;
        record.documents = more.documents;
    }
    if !(record.cache_write_5m_tokens.is_known() || record.cache_write_1h_tokens.is_known()) {
        record.cache_write_5m_tokens = more.cache_write_5m_tokens;
        record.cache_write_1h_tokens = more.cache_write_1h_tokens;
    }
    if record.output_kinds.is_empty() {
        record.output_kinds = more.output_kinds;
    }
    merge_body(&mut record.input_body, &mut record.input_bytes, more.input_body, more.input_bytes);
    merge_body(&mut record.output_body, &mut record.output_bytes, more.output_body, more.output_bytes);
    record.has_input |= more.has_input;
    record.has_output |= more.has_output;
    record.other_schema |= more.other_schema;
    conflict
}

/// A document's own count wins over a body's usage, wherever that stands; two own counts that differ conflict.
fn absorb_counts(record: &mut Document<'_>, more: &Document<'_>) -> bool {
    let theirs = [more.input_tokens, more.output_tokens, more.cache_read_tokens, more.cache_write_tokens];
    let ours = [
        &mut record.input_tokens,
        &mut record.output_tokens,
        &mut record.cache_read_tokens,
        &mut record.cache_write_tokens,
    ];
    let mut conflict = false;
    for (index, (own, more_count)) in ours.into_iter().zip(theirs).enumerate() {
        let (own_is_usage, more_is_usage) = (record.from_usage[index], more.from_usage[index]);
        let both = own.is_known() && more_count.is_known();
        conflict |= both && !own_is_usage && !more_is_usage && *own != more_count;
        if more_count.is_known() && (!own.is_known() || own_is_usage && !more_is_usage) {
            *own = more_count;
            record.from_usage[index] = more_is_usage;
        }
    }
    conflict
}

fn merge_body<'a>(
    place: &mut BodyPlace<'a>,
    bytes: &mut borehole_record::Count,
    more_place: BodyPlace<'a>,
    more_bytes: borehole_record::Count,
) {
    match (&*place, more_place) {
        (BodyPlace::Absent, BodyPlace::Inline) => {
            *place = BodyPlace::Inline;
            *bytes = more_bytes.or(*bytes);
        }
        (BodyPlace::Absent, other) => {
            *place = other;
            *bytes = bytes.or(more_bytes);
        }
        // A reference is beaten by the body itself, wherever it stands.
        (BodyPlace::Reference(_), BodyPlace::Inline) => {
            *place = BodyPlace::Inline;
            *bytes = more_bytes.or(*bytes);
        }
        (BodyPlace::Reference(_) | BodyPlace::Inline, _) => *bytes = bytes.or(more_bytes),
    }
}

#[cfg(test)]
mod tests {
    use DocumentKind::{Invocation, Metadata, Request, Response};
    use borehole_record::Count;

    use super::*;

    /// Documents of one request, as (folder, kind, object); each says its object as its latency where it is a
    /// metadata document, and as its max_tokens otherwise.
    fn join(documents: &[(i64, DocumentKind, u32)]) -> Vec<Joined> {
        let mut folders: BTreeMap<UtcHour, FxHashMap<JoinKey, Vec<Fragment>>> = BTreeMap::new();
        for &(folder, kind, object) in documents {
            let mut document = Document::default();
            match kind {
                DocumentKind::Metadata => document.latency_ms = Count::known(object.into()),
                _ => document.max_tokens = Count::known(object.into()),
            }
            let fragment = Fragment { kind, object, document: Box::new(document) };
            let folder = folders.entry(UtcHour(folder)).or_default();
            folder.entry((0, RequestId::parse("id"))).or_default().push(fragment);
        }
        let mut joiner = Joiner::default();
        let mut out = Vec::new();
        for (hour, documents) in folders {
            joiner.complete(hour, documents, &mut out);
            joiner.advance(hour, &mut out);
        }
        joiner.finish(&mut out);
        assert!(joiner.is_empty());
        assert_eq!(out.iter().map(|joined| joined.siblings.len() + 1).sum::<usize>(), documents.len());
        out.sort_by_key(|joined| (joined.folder, joined.object));
        out
    }

    /// Per record its folder, its first object, and the latency it took over.
    fn summary(documents: &[(i64, DocumentKind, u32)]) -> Vec<(i64, u32, Option<u64>)> {
        let joined = join(documents).into_iter();
        joined.map(|joined| (joined.folder.0, joined.object, joined.document.latency_ms.get())).collect()
    }

    #[test]
    fn a_document_goes_to_its_own_folder_then_the_one_before_then_the_one_after() {
        let own = [(9, Invocation, 1), (10, Invocation, 2), (11, Invocation, 3), (10, Metadata, 4)];
        assert_eq!(summary(&own), [(9, 1, None), (10, 2, Some(4)), (11, 3, None)]);
        let before = [(9, Invocation, 1), (11, Invocation, 3), (10, Metadata, 4)];
        assert_eq!(summary(&before), [(9, 1, Some(4)), (11, 3, None)]);
        let after = [(11, Invocation, 3), (10, Metadata, 4)];
        assert_eq!(summary(&after), [(11, 3, Some(4))]);
    }

    #[test]
    fn two_folders_away_is_out_of_reach() {
        assert_eq!(summary(&[(10, Invocation, 1), (12, Metadata, 4)]), [(10, 1, None), (12, 4, Some(4))]);
        assert_eq!(summary(&[(12, Invocation, 1), (10, Metadata, 4)]), [(10, 4, Some(4)), (12, 1, None)]);
    }

    #[test]
    fn of_two_invocation_documents_in_one_folder_the_smaller_key_takes_the_others() {
        assert_eq!(
            summary(&[(10, Invocation, 2), (10, Invocation, 1), (10, Metadata, 4)]),
            [(10, 1, Some(4)), (10, 2, None)]
        );
    }

    #[test]
    fn of_one_kind_the_same_folder_wins_then_the_earlier_then_the_smaller_key() {
        let all =
            [(10, Invocation, 1), (10, Metadata, 5), (10, Metadata, 4), (9, Metadata, 2), (11, Metadata, 3)];
        for (count, latency) in [(5, 4), (4, 5), (3, 5)] {
            let mut some = all.to_vec();
            if count < 5 {
                some.remove(2);
            }
            some.truncate(count);
            assert_eq!(summary(&some), [(10, 1, Some(latency))], "{some:?}");
            assert_eq!(join(&some)[0].superseded, count as u64 - 2);
        }
        assert_eq!(summary(&[(10, Invocation, 1), (9, Metadata, 3), (11, Metadata, 2)]), [(10, 1, Some(3))]);
    }

    #[test]
    fn orphans_take_the_next_folder_s_and_lie_in_the_earlier() {
        assert_eq!(summary(&[(10, Response, 1), (11, Metadata, 2)]), [(10, 1, Some(2))]);
        assert_eq!(summary(&[(10, Request, 1), (12, Metadata, 2)]), [(10, 1, None), (12, 2, Some(2))]);
        let chain = [(10, Metadata, 1), (11, Metadata, 2), (12, Metadata, 3), (13, Metadata, 4)];
        assert_eq!(summary(&chain), [(10, 1, Some(1)), (12, 3, Some(3))]);
    }

    #[test]
    fn an_orphan_s_neighbour_that_has_an_invocation_document_goes_there() {
        let documents = [(10, Metadata, 1), (11, Metadata, 2), (12, Invocation, 3)];
        assert_eq!(summary(&documents), [(10, 1, Some(1)), (12, 3, Some(2))]);
    }

    #[test]
    fn requests_of_other_streams_and_names_never_meet() {
        let mut joiner = Joiner::default();
        let mut out = Vec::new();
        let fragment = |kind, object| Fragment { kind, object, document: Box::default() };
        let documents = FxHashMap::from_iter([
            ((0, RequestId::parse("id")), vec![fragment(Invocation, 1)]),
            ((1, RequestId::parse("id")), vec![fragment(Metadata, 2)]),
            ((0, RequestId::parse("ID")), vec![fragment(Metadata, 3)]),
        ]);
        joiner.complete(UtcHour(10), documents, &mut out);
        joiner.finish(&mut out);
        assert_eq!(out.len(), 3);
    }

    #[test]
    fn what_a_body_counts_is_taken_from_one_document_as_a_whole() {
        use borehole_record::ContentKinds;
        let mut record = Document { input_kinds: ContentKinds::TEXT, ..Document::default() };
        let with_split = |five_minutes: u64| Document {
            input_kinds: ContentKinds::IMAGE,
            images: 2,
            documents: 3,
            cache_write_5m_tokens: Count::known(five_minutes),
            ..Document::default()
        };
        absorb(&mut record, with_split(1), Response);
        absorb(&mut record, Document { cache_write_1h_tokens: Count::known(9), ..with_split(2) }, Request);
        assert_eq!((record.cache_write_5m_tokens.get(), record.cache_write_1h_tokens.get()), (Some(1), None));
        assert_eq!(
            (record.images, record.documents),
            (0, 0),
            "the kinds were known, and no image among them"
        );
        let mut record = Document::default();
        absorb(&mut record, with_split(1), Request);
        assert_eq!((record.input_kinds, record.images, record.documents), (ContentKinds::IMAGE, 2, 3));
    }

    #[test]
    fn what_a_metadata_document_is_home_to_wins_and_the_rest_is_a_conflict() {
        let mut record =
            Document { latency_ms: Count::known(1), account: Some("a".into()), ..Document::default() };
        let metadata =
            Document { latency_ms: Count::known(2), account: Some("a".into()), ..Document::default() };
        assert!(!absorb(&mut record, metadata, Metadata));
        assert_eq!(record.latency_ms.get(), Some(2));
        let response =
            Document { latency_ms: Count::known(3), account: Some("b".into()), ..Document::default() };
        assert!(absorb(&mut record, response, Response));
        assert_eq!((record.latency_ms.get(), record.account.as_deref()), (Some(2), Some("a")));
    }
}
