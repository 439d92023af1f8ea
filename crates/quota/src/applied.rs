//! The quotas that are applied to an account: `aws service-quotas list-service-quotas --service-code bedrock`.
//!
//! In: that command's JSON, one file for each account and Region, and the rules' names and codes. Out: the applied quota
//! of a quota key, told apart by the ARN. Always: a quota is found by its code, by its exact name, or by a name whose
//! words are the model's own, all of them and no other; where two fit, none is taken. The defaults that AWS publishes are
//! refused: accounts differ, and a default is nobody's quota. Absent: I/O, floats (fractions of a value are cut).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use borehole_record::Scope;
use serde_json::{Map, Value};

use crate::key::QuotaKey;
use crate::rules::{Limit, Rules};

mod name;

pub use self::name::{DisplayName, display_name};

/// One applied quota.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AppliedQuota {
    /// From its ARN, 12 digits.
    pub account: Arc<str>,
    /// From its ARN.
    pub region: Arc<str>,
    /// `L-…`.
    pub code: String,
    /// As Service Quotas spells it.
    pub name: String,
    /// The value, in tokens or requests a minute or day; fractions are cut.
    pub value: u64,
    /// Whether an increase can be asked for.
    pub adjustable: bool,
}

impl AppliedQuota {
    /// Whether cross-Region calls may use twice the value, as the name of daily quotas says.
    #[must_use]
    pub fn is_doubled_across_regions(&self) -> bool {
        self.name.to_ascii_lowercase().contains("doubled for cross-region")
    }

    /// What calls of a scope may use of it.
    #[must_use]
    pub fn value_for(&self, scope: Scope) -> u64 {
        if scope == Scope::Geo && self.is_doubled_across_regions() {
            self.value.saturating_mul(2)
        } else {
            self.value
        }
    }
}

/// Why a file of applied quotas cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AppliedError {
    /// Not JSON, from this line on.
    NotJson {
        /// From 1.
        line: usize,
    },
    /// JSON, but not what the command prints.
    NotQuotas,
    /// What `list-aws-default-service-quotas` prints: their ARNs name no account.
    Defaults,
    /// No quota of Amazon Bedrock is in it.
    NoBedrock,
    /// A quota lacks a key, or has the wrong kind of value there.
    Quota {
        /// Which one, from 1.
        number: usize,
        /// The key.
        key: &'static str,
    },
}

impl fmt::Display for AppliedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppliedError::NotJson { line } => write!(f, "line {line}: not valid JSON"),
            AppliedError::NotQuotas => {
                f.write_str("not the output of aws service-quotas list-service-quotas --service-code bedrock")
            }
            AppliedError::Defaults => f.write_str(
                "these are AWS's defaults, not an account's quotas: use list-service-quotas in place of \
                 list-aws-default-service-quotas",
            ),
            AppliedError::NoBedrock => f.write_str(
                "no quota of Amazon Bedrock is in it: list-service-quotas needs --service-code bedrock",
            ),
            AppliedError::Quota { number, key } => {
                write!(f, "quota {number}: {key} is missing or of the wrong kind")
            }
        }
    }
}

impl std::error::Error for AppliedError {}

/// The applied quotas of any number of accounts and Regions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AppliedQuotas {
    /// By (account, Region), then by code.
    quotas: BTreeMap<(Arc<str>, Arc<str>), BTreeMap<String, AppliedQuota>>,
}

impl AppliedQuotas {
    /// Adds what a file says: the command's output, several of its pages one after the other, or an array of them.
    /// Quotas of other services are passed over; where one comes twice, the last word counts.
    ///
    /// # Errors
    ///
    /// Where it is something else; nothing of it is added then.
    pub fn read(&mut self, json: &[u8]) -> Result<(), AppliedError> {
        let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
        let mut found = Vec::new();
        let mut number = 0;
        let mut take = |quotas: &[Value]| {
            for quota in quotas {
                number += 1;
                let quota = quota.as_object().ok_or(AppliedError::NotQuotas)?;
                found.extend(applied(quota, number)?);
            }
            Ok(())
        };
        for document in serde_json::Deserializer::from_slice(json).into_iter::<Value>() {
            let document = document.map_err(|error| AppliedError::NotJson { line: error.line() })?;
            match &document {
                Value::Array(items) if items.iter().all(|item| item.get(CODE).is_some()) => take(items)?,
                Value::Array(pages) => {
                    for page in pages {
                        take(quotas_of(page)?)?;
                    }
                }
                page => take(quotas_of(page)?)?,
            }
        }
        if found.is_empty() {
            return Err(if number == 0 { AppliedError::NotQuotas } else { AppliedError::NoBedrock });
        }
        for quota in found {
            let place = (Arc::clone(&quota.account), Arc::clone(&quota.region));
            self.quotas.entry(place).or_default().insert(quota.code.clone(), quota);
        }
        Ok(())
    }

    /// Whether nothing was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.quotas.is_empty()
    }

    /// Everything that was read, by account, Region and code.
    pub fn iter(&self) -> impl Iterator<Item = &AppliedQuota> {
        self.quotas.values().flat_map(BTreeMap::values)
    }

    /// Whether the quotas of this key's account and Region were read at all.
    #[must_use]
    pub fn covers(&self, key: &QuotaKey) -> bool {
        self.place(key).is_some()
    }

    /// The applied quota of a key: by the code of the rules' row, else by the row's name, else by the model's words in
    /// the quota's name. `None` where nothing fits, or more than one does.
    #[must_use]
    pub fn find(&self, key: &QuotaKey, limit: Limit, rules: &Rules) -> Option<&AppliedQuota> {
        if !matches!(key.scope, Scope::OnDemand | Scope::Geo | Scope::Global) {
            return None;
        }
        let quotas = self.place(key)?;
        if let Some(named) =
            rules.quotas(&key.model, key.scope).into_iter().find(|named| named.limit == limit)
        {
            if let Some(quota) = named.code.as_ref().and_then(|code| quotas.get(code)) {
                return Some(quota);
            }
            // Service Quotas writes `Cross-Region` and `Cross-region`.
            let mut same = quotas.values().filter(|quota| quota.name.eq_ignore_ascii_case(&named.name));
            if let Some(quota) = same.next() {
                return Some(quota);
            }
        }
        let mut fitting =
            quotas.values().filter(|quota| name::fits(&quota.name, &key.model, key.scope, limit));
        let first = fitting.next()?;
        fitting.next().is_none().then_some(first)
    }

    /// What the applied quota of a key allows; `None` where [`AppliedQuotas::find`] finds none.
    #[must_use]
    pub fn value(&self, key: &QuotaKey, limit: Limit, rules: &Rules) -> Option<u64> {
        self.find(key, limit, rules).map(|quota| quota.value_for(key.scope))
    }

    /// The quotas of one account and Region. What the key does not name is taken from the files where these know only
    /// one.
    fn place(&self, key: &QuotaKey) -> Option<&BTreeMap<String, AppliedQuota>> {
        let mut places = self.quotas.iter().filter(|((account, region), _)| {
            key.account.as_ref().is_none_or(|wanted| wanted == account)
                && key.region.as_ref().is_none_or(|wanted| wanted == region)
        });
        let (_, quotas) = places.next()?;
        places.next().is_none().then_some(quotas)
    }
}

const CODE: &str = "QuotaCode";

/// The quotas of a page.
fn quotas_of(page: &Value) -> Result<&[Value], AppliedError> {
    match page.get("Quotas") {
        Some(Value::Array(quotas)) => Ok(quotas),
        _ => Err(AppliedError::NotQuotas),
    }
}

/// One quota; `None` for those of other services.
fn applied(quota: &Map<String, Value>, number: usize) -> Result<Option<AppliedQuota>, AppliedError> {
    let wrong = |key| AppliedError::Quota { number, key };
    let text = |key: &'static str| quota.get(key).and_then(Value::as_str).ok_or(wrong(key));
    let arn = text("QuotaArn")?;
    let (account, region, service) = place_of(arn).ok_or(wrong("QuotaArn"))?;
    if service != "bedrock" {
        return Ok(None);
    }
    if account.is_empty() {
        return Err(AppliedError::Defaults);
    }
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong("QuotaArn"));
    }
    let value = quota.get("Value").and_then(whole).ok_or(wrong("Value"))?;
    let adjustable = quota.get("Adjustable").and_then(Value::as_bool).ok_or(wrong("Adjustable"))?;
    Ok(Some(AppliedQuota {
        account: account.into(),
        region: region.into(),
        code: text(CODE)?.to_owned(),
        name: text("QuotaName")?.to_owned(),
        value,
        adjustable,
    }))
}

/// (account, Region, service) of `arn:aws:servicequotas:us-east-1:111122223333:bedrock/L-…`.
fn place_of(arn: &str) -> Option<(&str, &str, &str)> {
    let mut parts = arn.strip_prefix("arn:")?.splitn(5, ':');
    let service = parts.nth(1)?;
    let (region, account) = (parts.next()?, parts.next()?);
    let (of, _) = parts.next()?.split_once('/')?;
    (service == "servicequotas" && !region.is_empty()).then_some((account, region, of))
}

/// The whole part of a number that is not negative, read from its digits. AWS prints `4000000.0`; a value beyond 2^53
/// comes as `1e16`.
fn whole(value: &Value) -> Option<u64> {
    let text = value.as_number()?.to_string();
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (&*text, 0),
    };
    let (digits, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // Places of all digits that stand before the point.
    let places = i32::try_from(digits.len()).ok()?.checked_add(exponent)?;
    // No u64 has more than 20 digits.
    if places > 20 {
        return None;
    }
    let mut whole: u64 = 0;
    let all = digits.bytes().chain(decimals.bytes()).chain(std::iter::repeat(b'0'));
    for digit in all.take(usize::try_from(places).unwrap_or(0)) {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        whole = whole.checked_mul(10)?.checked_add(digit)?;
    }
    (!digits.starts_with('-')).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SONNET: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";

    fn quota(place: &str, code: &str, name: &str, value: &str) -> String {
        format!(
            r#"{{"ServiceCode":"bedrock","ServiceName":"Amazon Bedrock","QuotaArn":"arn:aws:servicequotas:{place}:bedrock/{code}",
                "QuotaCode":"{code}","QuotaName":"{name}","Value":{value},"Unit":"None","Adjustable":true,
                "GlobalQuota":false,"QuotaAppliedAtLevel":"ACCOUNT"}}"#
        )
    }

    fn page(quotas: &[String]) -> String {
        format!(r#"{{"Quotas":[{}]}}"#, quotas.join(","))
    }

    fn read(text: &str) -> Result<AppliedQuotas, AppliedError> {
        let mut quotas = AppliedQuotas::default();
        quotas.read(text.as_bytes()).map(|()| quotas)
    }

    fn key(account: Option<&str>, region: Option<&str>, model: &str, scope: Scope) -> QuotaKey {
        QuotaKey {
            account: account.map(Into::into),
            region: region.map(Into::into),
            model: model.into(),
            scope,
        }
    }

    const HERE: &str = "us-east-1:111122223333";
    const CROSS: &str = "Cross-region model inference tokens per minute for";

    #[test]
    fn accounts_and_regions_are_told_apart_by_the_arn() {
        let name = format!("{CROSS} Anthropic Claude Sonnet 4.5 V1");
        let mut quotas = AppliedQuotas::default();
        for (place, value) in
            [(HERE, "4000000.0"), ("eu-west-1:111122223333", "1e6"), ("us-east-1:999988887777", "7")]
        {
            let text = page(&[quota(place, "L-F4DDD3EB", &name, value)]);
            quotas.read(text.as_bytes()).expect("a page");
        }
        let rules = Rules::builtin();
        let value = |account, region| {
            let key = key(account, region, SONNET, Scope::Geo);
            quotas.find(&key, Limit::TokensPerMinute, &rules).map(|quota| quota.value)
        };
        assert_eq!(value(Some("111122223333"), Some("us-east-1")), Some(4_000_000));
        assert_eq!(value(Some("111122223333"), Some("eu-west-1")), Some(1_000_000));
        assert_eq!(value(Some("999988887777"), Some("us-east-1")), Some(7));
        assert_eq!(value(Some("999988887777"), None), Some(7), "only one Region of this account was read");
        assert_eq!(value(Some("111122223333"), None), None, "two of this");
        assert_eq!(value(Some("000000000000"), Some("us-east-1")), None);
        assert!(!quotas.covers(&key(Some("000000000000"), Some("us-east-1"), SONNET, Scope::Geo)));
        assert_eq!(quotas.iter().count(), 3);
    }

    #[test]
    fn pages_come_one_after_the_other_or_in_an_array() {
        let one = quota(HERE, "L-1", "one", "1.9");
        let two = quota(HERE, "L-2", "two", "0.0");
        let other = one.replace(":bedrock/", ":s3/");
        for text in [
            format!("{}\n{}", page(std::slice::from_ref(&one)), page(std::slice::from_ref(&two))),
            format!("[{},{}]", page(std::slice::from_ref(&one)), page(std::slice::from_ref(&two))),
            format!("[{one},{two}]"),
            page(&[other.clone(), one.clone(), two.clone()]),
            format!("\u{feff}{}", page(&[two.clone(), one.clone()])),
        ] {
            let quotas = read(&text).expect(&text);
            let values: Vec<u64> = quotas.iter().map(|quota| quota.value).collect();
            assert_eq!(values, [1, 0], "fractions are cut: {text}");
        }
        assert_eq!(read(&page(&[other])), Err(AppliedError::NoBedrock));
    }

    #[test]
    fn defaults_are_nobodys_quota() {
        let text = page(&[quota("us-east-1:", "L-1", "one", "1.0")]);
        assert_eq!(read(&text), Err(AppliedError::Defaults));
        assert!(AppliedError::Defaults.to_string().contains("list-service-quotas"));
    }

    #[test]
    fn a_file_that_is_no_such_list_is_refused_whole() {
        let good = quota(HERE, "L-1", "one", "1.0");
        for (text, expected) in [
            (String::new(), AppliedError::NotQuotas),
            ("{}".to_owned(), AppliedError::NotQuotas),
            ("[]".to_owned(), AppliedError::NotQuotas),
            ("{\n\"Quotas\": [secret".to_owned(), AppliedError::NotJson { line: 2 }),
            (page(&[good.clone(), "7".to_owned()]), AppliedError::NotQuotas),
            (
                page(&[good.clone(), good.replace("1.0", "-1.0")]),
                AppliedError::Quota { number: 2, key: "Value" },
            ),
            (page(&[good.replace("1.0", "1e30")]), AppliedError::Quota { number: 1, key: "Value" }),
            (page(&[good.replace("QuotaName", "x")]), AppliedError::Quota { number: 1, key: "QuotaName" }),
            (page(&[good.replace("111122223333", "1")]), AppliedError::Quota { number: 1, key: "QuotaArn" }),
            (page(&[good.replace("Adjustable", "x")]), AppliedError::Quota { number: 1, key: "Adjustable" }),
        ] {
            let mut quotas = AppliedQuotas::default();
            assert_eq!(quotas.read(text.as_bytes()), Err(expected), "{text}");
            assert!(quotas.is_empty());
            assert!(!expected.to_string().contains("secret"));
        }
    }

    #[test]
    fn values_are_read_from_their_digits() {
        for (number, expected) in [
            (json!(0), Some(0)),
            (json!(4_000_000.0), Some(4_000_000)),
            (json!(0.9), Some(0)),
            (json!(1.5e-7), Some(0)),
            (json!(5_760_000_000.0), Some(5_760_000_000)),
            (json!(1e16), Some(10_000_000_000_000_000)),
            (json!(1.25e19), Some(12_500_000_000_000_000_000)),
            (json!(1e20), None),
            (json!(u64::MAX), Some(u64::MAX)),
            (json!(-1), None),
            (json!("7"), None),
        ] {
            assert_eq!(whole(&number), expected, "{number}");
        }
    }

    #[test]
    fn a_quota_is_found_by_code_then_by_name_then_by_words() {
        let rules = Rules::builtin();
        let key = key(Some("111122223333"), Some("us-east-1"), SONNET, Scope::Geo);
        let code = |quotas: &[String]| {
            let quotas = read(&page(quotas)).expect("a page");
            quotas.find(&key, Limit::TokensPerMinute, &rules).map(|quota| quota.code.clone())
        };
        let by_code = quota(HERE, "L-F4DDD3EB", "renamed", "1");
        let by_name = quota(HERE, "L-2", &format!("{CROSS} Anthropic Claude Sonnet 4.5 V1"), "1");
        let by_words = quota(HERE, "L-3", &format!("{CROSS} Claude Sonnet 4.5"), "1");
        let also = quota(HERE, "L-4", &format!("{CROSS} Anthropic Claude 4.5 Sonnet"), "1");
        assert_eq!(code(&[by_words.clone(), by_name.clone(), by_code]).as_deref(), Some("L-F4DDD3EB"));
        assert_eq!(code(&[by_words.clone(), by_name]).as_deref(), Some("L-2"));
        assert_eq!(code(std::slice::from_ref(&by_words)).as_deref(), Some("L-3"));
        assert_eq!(code(&[by_words, also]), None, "two fit");
    }

    #[test]
    fn opaque_resources_have_no_such_quota() {
        let quotas =
            read(&page(&[quota(HERE, "L-1", &format!("{CROSS} Anthropic Claude Sonnet 4.5 V1"), "1")]));
        let key = key(None, None, "provisioned-model/x", Scope::Provisioned);
        assert_eq!(quotas.expect("a page").find(&key, Limit::TokensPerMinute, &Rules::builtin()), None);
    }
}
