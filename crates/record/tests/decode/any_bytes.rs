//! Any bytes as an object: no panic, and one outcome however they are cut, whichever reader reads them, and whether
//! they come in pieces or at once.
//!
//! The first two bytes of the input choose the kind of document, the options and the length of the chunks, the
//! rest is the object. The fuzz target `decode` and the test beside this file ask the same.

use borehole_record::decode::{DecodeTuning, PayloadDecoder, PayloadSide};
use borehole_record::gunzip::WholeGunzip;
use borehole_record::{
    DecodeOptions, Document, DocumentKind, ObjectDecoder, ObjectFailure, Reject, Sink, Warnings,
};

/// Every outcome in one value, so that two can be compared.
#[derive(Default, PartialEq, Debug)]
struct Outcome {
    documents: Vec<Document<'static>>,
    rejects: Vec<Reject>,
    end: Option<Result<(u64, u64, Warnings), ObjectFailure>>,
}

impl Sink for Outcome {
    fn document(&mut self, document: Document<'_>) {
        self.documents.push(document.into_owned());
    }

    fn reject(&mut self, reject: Reject) {
        self.rejects.push(reject);
    }
}

fn decode(mut decoder: ObjectDecoder, stored: &[u8], chunk_bytes: usize) -> Outcome {
    let mut outcome = Outcome::default();
    let pushed = stored.chunks(chunk_bytes).try_for_each(|chunk| decoder.push(chunk, &mut outcome));
    let end = pushed.and_then(|()| decoder.finish(&mut outcome));
    outcome.end =
        Some(end.map(|summary| (summary.documents_found, summary.documents_decoded, summary.warnings)));
    outcome
}

/// Holds the decoder to its word for one input.
pub(crate) fn hold(input: &[u8]) {
    let [choice, chunk, stored @ ..] = input else { return };
    let kinds = [
        DocumentKind::Record,
        DocumentKind::Invocation,
        DocumentKind::Metadata,
        DocumentKind::Request,
        DocumentKind::Response,
    ];
    let kind = kinds[usize::from(choice & 7) % kinds.len()];
    let options = DecodeOptions {
        facts: choice & 8 == 0,
        accept_epoch: choice & 16 != 0,
        lenient_numbers: choice & 32 != 0,
        allow_double_gzip: choice & 64 != 0,
        decoded_bytes_max: 1 << 24,
    };
    let whole = decode(ObjectDecoder::new(kind, options), stored, usize::MAX);
    let cut = decode(ObjectDecoder::new(kind, options), stored, usize::from(*chunk) + 1);
    assert_eq!(whole, cut, "the cut of the input changed the outcome");

    // By a decoder that has read something else before.
    let mut used = ObjectDecoder::new(DocumentKind::Response, options);
    let _ = used.push_whole(&stored[stored.len() / 2..], &mut Outcome::default());
    used.restart(kind);
    let mut at_once = Outcome::default();
    let end = used.push_whole(stored, &mut at_once).and_then(|()| used.finish(&mut at_once));
    at_once.end =
        Some(end.map(|summary| (summary.documents_found, summary.documents_decoded, summary.warnings)));
    assert_eq!(whole, at_once, "at once it is something else");

    let strict = DecodeTuning { fast_reader: false, ..DecodeTuning::default() };
    let strict = decode(ObjectDecoder::with_tuning(kind, options, strict), stored, usize::MAX);
    assert_eq!(whole, strict, "the readers differ");

    for side in [PayloadSide::Input, PayloadSide::Output, PayloadSide::InputOrBoth] {
        let mut payload = PayloadDecoder::new(side, 1 << 24);
        let in_chunks = stored.chunks(usize::from(*chunk) + 1).try_for_each(|chunk| payload.push(chunk));
        let in_chunks = in_chunks.and_then(|()| payload.finish());
        let at_once = PayloadDecoder::new(side, 1 << 24).decode_whole(stored, &mut WholeGunzip::default());
        assert_eq!(in_chunks, at_once, "a payload at once is something else");
    }
}
