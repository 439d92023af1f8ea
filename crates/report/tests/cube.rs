//! A cube as text: what is packed comes back, names are bounded, and its size is what slots were chosen by.

use std::io::Read as _;
use std::sync::Arc;

use base64::Engine as _;
use borehole_record::{Call, ContentKinds, Count, Facets, Invocation, RequestId, Timestamp, UtcHour};
use borehole_report::model::Cube;
use borehole_usage::cube::PAGE_BYTES_AIM;
use borehole_usage::{CoverageId, Dimension, HourSummary, Question, Totals};

fn unpacked(cube: &Cube) -> Vec<u8> {
    assert_eq!(cube.encoding, "deflate-raw+base64");
    let packed = base64::engine::general_purpose::STANDARD.decode(&cube.data).expect("base64");
    let mut bytes = Vec::new();
    flate2::read::DeflateDecoder::new(&*packed).read_to_end(&mut bytes).expect("a raw DEFLATE stream");
    bytes
}

#[test]
fn a_packed_cube_is_its_version_its_names_and_its_body() {
    let names = vec!["region".to_owned(), "é".to_owned(), String::new()];
    let cube = borehole_usage::Cube { names, body: vec![7; 300], slot_hours: 6, page_bytes: 0 };
    let packed = Cube::new(&cube);
    assert_eq!(packed.slot_hours, 6);
    let mut expected = vec![1, 3, 6];
    expected.extend_from_slice("region".as_bytes());
    expected.extend_from_slice(&[2, 0xc3, 0xa9, 0]);
    expected.extend_from_slice(&[7; 300]);
    assert_eq!(unpacked(&packed), expected);
    assert_eq!(Cube::new(&cube), packed, "equal cubes are equal texts");
}

#[test]
fn long_names_are_cut_as_in_the_rest_of_a_report() {
    let long = "x".repeat(4_000);
    let cube = borehole_usage::Cube { names: vec![long], body: Vec::new(), slot_hours: 1, page_bytes: 0 };
    let bytes = unpacked(&Cube::new(&cube));
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains(&format!("{}…#", "x".repeat(256))), "{text}");
    assert!(bytes.len() < 300);
}

/// Numbers without any order, the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    /// Most are small, some are large.
    fn skewed(&mut self, typical: u64) -> Count {
        let doublings = self.below(4) + self.below(4);
        Count::known(typical / 8 + self.below(typical << doublings >> 2))
    }
}

/// The totals of so many hours of so many calls of five models.
fn totals(question: &Question, hours: i64, calls: u64) -> Totals {
    let facets = |model: u64, caller: u64| {
        let call = Call { model_id: format!("vendor.model-{model}").into(), ..Call::default() };
        let arn = format!("arn:aws:sts::111122223333:assumed-role/Service{}/{caller}", caller % 7);
        Arc::new(Facets { call: call.into(), identity: Some(arn.into()), ..Facets::default() })
    };
    let all: Vec<Arc<Facets>> =
        (0..5).flat_map(|model| (0..20).map(move |caller| facets(model, caller))).collect();
    let mut numbers = Numbers(1);
    let mut totals = Totals::new();
    for hour in (474_000..474_000 + hours).map(UtcHour) {
        let mut summary = HourSummary::new(hour);
        for _ in 0..calls {
            let facets = &all[numbers.below(all.len() as u64) as usize];
            let output = numbers.skewed(200);
            let invocation = Invocation {
                timestamp: Timestamp::from_seconds(hour.start_seconds() + numbers.below(3_600) as i64),
                request_id: RequestId::Missing,
                facets: Arc::clone(facets),
                input_tokens: numbers.skewed(2_000),
                output_tokens: output,
                cache_read_tokens: Count::UNKNOWN,
                cache_write_tokens: Count::UNKNOWN,
                cache_write_5m_tokens: Count::UNKNOWN,
                cache_write_1h_tokens: Count::UNKNOWN,
                max_tokens: Count::known(4_096),
                latency_ms: numbers.skewed(3_000),
                first_byte_ms: numbers.skewed(400),
                input_bytes: numbers.skewed(9_000),
                output_bytes: numbers.skewed(1_000),
                input_kinds: ContentKinds(1),
                output_kinds: ContentKinds(1),
                images: 0,
                documents: 0,
                http_status: 200,
                input_large: false,
                output_large: false,
                payload_lost: false,
                object: 0,
                offset: 0,
            };
            summary.observe(question, &invocation, CoverageId::NONE);
        }
        totals.insert(summary.seal());
    }
    totals
}

#[test]
fn a_page_is_about_as_large_as_was_expected() {
    let question = Question {
        by: vec![Dimension::Model],
        rank: vec![Dimension::Role, Dimension::Session],
        cube: true,
        ..Question::default()
    };
    let totals = totals(&question, 24, 2_000);
    let mut bytes_aim = PAGE_BYTES_AIM;
    loop {
        let cube = totals.cube_within(&question, &[], bytes_aim, PAGE_BYTES_AIM).expect("a small run");
        // What else stands in a page is a constant, and is in the estimate.
        let expected = cube.page_bytes - 300_000;
        let actual = Cube::new(&cube).data.len() as u64;
        let is_near = (actual * 4 / 5..=actual * 6 / 5).contains(&expected);
        assert!(is_near, "slots of {} hours: {expected} expected, {actual} in truth", cube.slot_hours);
        if cube.slot_hours == 0 {
            break;
        }
        bytes_aim = cube.page_bytes - 1;
    }
}
