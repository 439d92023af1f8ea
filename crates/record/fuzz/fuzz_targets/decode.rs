//! Any bytes as an object: no panic, and one outcome however they are cut and whichever reader reads them.
//!
//! The first two bytes of the input choose the kind of document, the options and the length of the chunks, the
//! rest is the object. `fixtures/records` is a good corpus to start from.

#![no_main]

use borehole_record::decode::{DecodeTuning, PayloadDecoder, PayloadSide};
use borehole_record::{
    DecodeOptions, Document, DocumentKind, ObjectDecoder, ObjectFailure, Reject, Sink, Warnings,
};
use libfuzzer_sys::fuzz_target;

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
    outcome.end = Some(end.map(|summary| (summary.documents_found, summary.documents_decoded, summary.warnings)));
    outcome
}

fuzz_target!(|input: &[u8]| {
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

    let strict = DecodeTuning { fast_reader: false, ..DecodeTuning::default() };
    let strict = decode(ObjectDecoder::with_tuning(kind, options, strict), stored, usize::MAX);
    assert_eq!(whole, strict, "the readers differ");

    for side in [PayloadSide::Input, PayloadSide::Output, PayloadSide::InputOrBoth] {
        let mut payload = PayloadDecoder::new(side, 1 << 24);
        if payload.push(stored).is_ok() {
            // Either outcome will do, so long as there is one.
            let _ = payload.finish();
        }
    }
});
