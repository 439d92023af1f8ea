//! What S3 asks for reading: one dated table, in integers.
//!
//! In: a storage class, a Region, a retrieval tier. Out: prices in millionths of a US dollar (micro-dollars) per 1,000
//! requests or per GiB, and sums of them, rounded up. Always: no float; the table says of which day and which Region
//! it is. Absent: storage prices, free tiers, discounts, taxes, volume steps, the prices of the China Regions (which
//! are not in dollars), and any look at the network: what comes out is an estimate.
//!
//! Sources: <https://aws.amazon.com/s3/pricing/>, tabs "Requests & data retrievals" and "Data transfer", and AWS's
//! Price List of Amazon S3 for us-east-1, version of 2025-10-01. A LIST costs what it costs in STANDARD, whatever the
//! class of what it finds.

use borehole_store::StorageClass;
use borehole_store::s3::restore::Tier;

/// The day from which the table is valid.
pub(crate) const VALID_FROM: &str = "2025-10-01";

/// Where the prices of today are.
pub(crate) const SOURCE: &str = "https://aws.amazon.com/s3/pricing/";

/// The Regions whose requests and retrievals cost what the table says. Elsewhere they cost the same or more.
const TABLE_REGIONS: [&str; 3] = ["us-east-1", "us-east-2", "us-west-2"];

/// Bytes that are paid as one GB: AWS counts in powers of two.
const GIB: u128 = 1 << 30;

/// LISTs, in micro-dollars per 1,000.
const LIST_PER_THOUSAND: u64 = 5_000;

/// One price for asking, one for each byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Price {
    /// Micro-dollars per 1,000 requests.
    pub per_thousand: u64,
    /// Micro-dollars per GiB.
    pub per_gib: u64,
}

impl Price {
    /// Micro-dollars for so many requests and bytes, each part rounded up.
    pub(crate) fn of(self, requests: u64, bytes: u64) -> Cost {
        Cost {
            requests: requests_cost(requests, self.per_thousand),
            retrieval: bytes_cost(bytes, self.per_gib),
        }
    }
}

/// Micro-dollars, by what they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Asking.
    pub requests: u64,
    /// Bytes of classes that are paid by the byte when they are read.
    pub retrieval: u64,
}

impl Cost {
    /// Both.
    pub(crate) fn total(self) -> u64 {
        self.requests.saturating_add(self.retrieval)
    }

    /// Adds another.
    pub(crate) fn add(&mut self, other: Cost) {
        self.requests = self.requests.saturating_add(other.requests);
        self.retrieval = self.retrieval.saturating_add(other.retrieval);
    }
}

/// What reading an object of a class costs. Restored copies of archived objects are read at the price of STANDARD.
pub(crate) fn reading(class: StorageClass) -> Price {
    let (per_thousand, per_gib) = match class {
        StorageClass::StandardIa | StorageClass::OneZoneIa => (1_000, 10_000),
        StorageClass::GlacierInstantRetrieval => (10_000, 30_000),
        // Every other class asks what STANDARD asks; of an unknown one no more can be said.
        _ => (400, 0),
    };
    Price { per_thousand, per_gib }
}

/// Micro-dollars for so many LISTs.
pub(crate) fn listing(lists: u64) -> u64 {
    requests_cost(lists, LIST_PER_THOUSAND)
}

/// What restoring archived objects costs; `None` where a tier does not do it.
pub(crate) fn restoring(class: StorageClass, tier: Tier) -> Option<Price> {
    let (per_thousand, per_gib) = match (class, tier) {
        (StorageClass::Glacier, Tier::Bulk) => (0, 0),
        (StorageClass::Glacier, Tier::Standard) => (30_000, 10_000),
        (StorageClass::Glacier, Tier::Expedited) => (10_000_000, 30_000),
        (StorageClass::DeepArchive, Tier::Bulk) => (25_000, 2_500),
        (StorageClass::DeepArchive, Tier::Standard) => (100_000, 20_000),
        _ => return None,
    };
    Some(Price { per_thousand, per_gib })
}

/// How long a restore takes, as AWS puts it; `None` where a tier does not do it.
pub(crate) fn restoring_takes(class: StorageClass, tier: Tier) -> Option<&'static str> {
    Some(match (class, tier) {
        (StorageClass::Glacier, Tier::Bulk) => "5 to 12 hours",
        (StorageClass::Glacier, Tier::Standard) => "3 to 5 hours",
        (StorageClass::Glacier, Tier::Expedited) => "1 to 5 minutes",
        (StorageClass::DeepArchive, Tier::Bulk) => "up to 48 hours",
        (StorageClass::DeepArchive, Tier::Standard) => "up to 12 hours",
        _ => return None,
    })
}

/// Whether the table's prices of requests are this Region's own.
pub(crate) fn is_in_table(region: &str) -> bool {
    TABLE_REGIONS.contains(&region)
}

/// Whether a Region's prices are in another currency.
pub(crate) fn has_no_dollars(region: &str) -> bool {
    region.starts_with("cn-")
}

/// What leaving a Region costs, in micro-dollars per GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transfer {
    /// To another Region.
    pub to_region: u64,
    /// To the internet, the first 10 TB of a month; 100 GB of it are free.
    pub to_internet: u64,
    /// Whether the Region is in the table; else these are the highest prices in it.
    pub is_known: bool,
}

/// Regions, or groups of them by their names' beginning, with (to another Region, to the internet). The first that
/// fits is taken.
const TRANSFER: [(&str, u64, u64); 17] = [
    ("us-gov-", 30_000, 155_000),
    ("us-", 20_000, 90_000),
    ("ca-", 20_000, 90_000),
    ("eu-", 20_000, 90_000),
    ("ap-northeast-1", 90_000, 114_000),
    ("ap-northeast-2", 80_000, 126_000),
    ("ap-northeast-3", 90_000, 114_000),
    ("ap-southeast-1", 90_000, 120_000),
    ("ap-southeast-2", 98_000, 114_000),
    ("ap-east-1", 90_000, 120_000),
    ("ap-south-1", 86_000, 109_300),
    ("ap-south-2", 86_000, 109_300),
    ("il-central-1", 80_000, 110_000),
    ("me-south-1", 110_500, 117_000),
    ("sa-east-1", 138_000, 150_000),
    ("af-south-1", 147_000, 154_000),
    // For Regions that are not here: the highest of each.
    ("", 147_000, 155_000),
];

/// What leaving this Region costs.
pub(crate) fn transfer(region: &str) -> Transfer {
    let row = TRANSFER.iter().find(|(name, ..)| region.starts_with(name));
    let (name, to_region, to_internet) = row.copied().unwrap_or(TRANSFER[TRANSFER.len() - 1]);
    Transfer { to_region, to_internet, is_known: !name.is_empty() }
}

/// Micro-dollars for bytes at a price per GiB, rounded up.
pub(crate) fn bytes_cost(bytes: u64, per_gib: u64) -> u64 {
    saturated((u128::from(bytes) * u128::from(per_gib)).div_ceil(GIB))
}

fn requests_cost(requests: u64, per_thousand: u64) -> u64 {
    saturated((u128::from(requests) * u128::from(per_thousand)).div_ceil(1_000))
}

fn saturated(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// `$0`, `under $0.01`, `$1.20`, `$1,234`: rounded to a cent, and to a dollar from a thousand on.
pub(crate) fn dollars(micro_dollars: u64) -> String {
    const CENT: u64 = 10_000;
    if micro_dollars == 0 {
        return "$0".to_owned();
    }
    let cents = micro_dollars / CENT + u64::from(micro_dollars % CENT >= CENT / 2);
    if micro_dollars < CENT {
        "under $0.01".to_owned()
    } else if cents < 100_000 {
        format!("${}.{:02}", cents / 100, cents % 100)
    } else {
        format!("${}", crate::columns::thousands(cents / 100 + u64::from(cents % 100 >= 50)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_requests_cost_what_the_price_list_says() {
        assert_eq!(reading(StorageClass::Standard).of(1_000, 1 << 40), Cost { requests: 400, retrieval: 0 });
        assert_eq!(
            reading(StorageClass::StandardIa).of(1_000, 1 << 30),
            Cost { requests: 1_000, retrieval: 10_000 }
        );
        let instant = reading(StorageClass::GlacierInstantRetrieval).of(2_000, 2 << 30);
        assert_eq!(instant, Cost { requests: 20_000, retrieval: 60_000 });
        assert_eq!(listing(1_000), 5_000);
        // A restored copy is read like any other object; what restoring it costs is another question.
        assert_eq!(reading(StorageClass::Glacier), reading(StorageClass::Standard));
    }

    #[test]
    fn parts_of_a_thousand_and_of_a_gibibyte_are_rounded_up() {
        assert_eq!(listing(1), 5);
        assert_eq!(reading(StorageClass::Standard).of(1, 0).requests, 1);
        assert_eq!(bytes_cost(1, 10_000), 1);
        assert_eq!(bytes_cost(0, 10_000), 0);
    }

    #[test]
    fn sums_never_overflow() {
        let cost = reading(StorageClass::GlacierInstantRetrieval).of(u64::MAX, u64::MAX);
        assert_eq!(cost.requests, u64::MAX);
        assert_eq!(cost.total(), u64::MAX);
    }

    #[test]
    fn expedited_does_not_restore_from_deep_archive() {
        for tier in [Tier::Bulk, Tier::Standard, Tier::Expedited] {
            assert!(restoring(StorageClass::Glacier, tier).is_some());
            assert!(restoring(StorageClass::Standard, tier).is_none());
            let both = (StorageClass::DeepArchive, tier);
            assert_eq!(restoring(both.0, both.1).is_some(), tier != Tier::Expedited);
            assert_eq!(restoring_takes(both.0, both.1).is_some(), tier != Tier::Expedited);
        }
        assert_eq!(restoring(StorageClass::Glacier, Tier::Bulk).map(|price| price.of(9, 9).total()), Some(0));
    }

    #[test]
    fn no_region_leaves_cheaper_than_the_table_knows() {
        assert_eq!(
            transfer("us-west-2"),
            Transfer { to_region: 20_000, to_internet: 90_000, is_known: true }
        );
        assert_eq!(transfer("us-gov-west-1").to_internet, 155_000);
        let unknown = transfer("mx-central-1");
        assert!(!unknown.is_known);
        for (name, to_region, to_internet) in TRANSFER {
            assert!(to_region <= unknown.to_region && to_internet <= unknown.to_internet, "{name}");
        }
    }

    #[test]
    fn money_is_short() {
        let cases = [
            (0, "$0"),
            (1, "under $0.01"),
            (9_999, "under $0.01"),
            (10_000, "$0.01"),
            (14_999, "$0.01"),
            (15_000, "$0.02"),
            (1_204_000, "$1.20"),
            (999_994_999, "$999.99"),
            (999_995_000, "$1,000"),
            (1_234_567_890, "$1,235"),
        ];
        for (micro_dollars, text) in cases {
            assert_eq!(dollars(micro_dollars), text);
        }
    }
}
