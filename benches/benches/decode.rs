//! Stored bytes to documents, on one thread, without a disk.
//!
//! In: the record objects of a corpus, as stored (`gzip`) and decoded (`plain`). Out: decoded bytes a second.
//! Always: both give the same documents, so does the strict reader, and their number is the truth's.

use std::hint::black_box;

use borehole_benches::{Corpus, Shape, Size, checksum, decode_options, decoded, tell};
use borehole_record::decode::DecodeTuning;
use borehole_record::{Document, DocumentKind, ObjectDecoder, Reject, Sink};
use criterion::{Criterion, Throughput};

fn main() {
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    bench(&mut criterion, Size::of_this_run());
    criterion.final_summary();
}

fn bench(criterion: &mut Criterion, size: Size) {
    for shape in [Shape::Small, Shape::Mixed, Shape::Quiet] {
        let corpus = Corpus::new(shape, size);
        let gzip = corpus.stored_objects();
        let plain: Vec<Vec<u8>> = gzip.iter().map(|object| decoded(object)).collect();
        let fast = DecodeTuning::default();
        let strict = DecodeTuning { fast_reader: false, ..fast };

        let mut group = criterion.benchmark_group(format!("decode/{}", shape.as_str()));
        group.throughput(Throughput::BytesDecimal(corpus.decoded_bytes));
        for (facts, word) in [(true, "facts"), (false, "bare")] {
            let expected = verify(&corpus, &plain, facts, fast);
            assert_eq!(verify(&corpus, &gzip, facts, fast), expected, "gzip changed the documents");
            assert_eq!(verify(&corpus, &plain, facts, strict), expected, "the readers differ");
            let name = format!("decode/{}/{word}", shape.as_str());
            tell(&name, corpus.documents, "documents", expected);
            for (objects, form) in [(&plain, "plain"), (&gzip, "gzip")] {
                group.bench_function(format!("{form}/{word}"), |bencher| {
                    bencher.iter(|| decode(objects, facts, fast, &mut Counted::default()));
                });
            }
        }
        group.bench_function("plain/facts/strict", |bencher| {
            bencher.iter(|| decode(&plain, true, strict, &mut Counted::default()));
        });
        group.finish();
    }
}

/// Decodes every object, and returns the decoded bytes.
fn decode(objects: &[Vec<u8>], facts: bool, tuning: DecodeTuning, sink: &mut dyn Sink) -> u64 {
    let mut decoded_bytes = 0;
    for object in objects {
        let mut decoder = ObjectDecoder::with_tuning(DocumentKind::Record, decode_options(facts), tuning);
        decoder.push(object, sink).expect("the corpus is sound");
        decoded_bytes += decoder.finish(sink).expect("the corpus is sound").decoded_bytes;
    }
    decoded_bytes
}

/// Holds what is decoded against the truth, and returns the checksum of all documents.
fn verify(corpus: &Corpus, objects: &[Vec<u8>], facts: bool, tuning: DecodeTuning) -> u64 {
    let mut summed = Summed::default();
    let decoded_bytes = decode(objects, facts, tuning, &mut summed);
    assert_eq!(decoded_bytes, corpus.decoded_bytes);
    assert_eq!((summed.documents, summed.rejects), (corpus.documents, 0));
    summed.checksum
}

/// Counts only, so that nothing but decoding is measured.
#[derive(Default)]
struct Counted {
    documents: u64,
}

impl Sink for Counted {
    fn document(&mut self, document: Document<'_>) {
        black_box(&document);
        self.documents += 1;
    }

    fn reject(&mut self, reject: Reject) {
        black_box(&reject);
    }
}

/// Sums up all that a document says.
#[derive(Default)]
struct Summed {
    documents: u64,
    rejects: u64,
    checksum: u64,
}

impl Sink for Summed {
    fn document(&mut self, document: Document<'_>) {
        self.documents += 1;
        // The order of the documents counts, too.
        self.checksum = checksum(&(self.checksum, document));
    }

    fn reject(&mut self, _reject: Reject) {
        self.rejects += 1;
    }
}
