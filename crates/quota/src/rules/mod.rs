//! The dated counting rules: which rates apply to a model on a day, what its quotas are called, where it
//! stands in its life.
//!
//! In: data tables in this repository, and the operator's own, which come first. Out: a [`Charge`] for a model
//! and a day, and the rows it came from. Always: every row has a source; of the rows that match and are in force the
//! operator's win, then the most specific, then the newest; a model that no row names has no rate. Absent: I/O, the
//! clock, and the values of anybody's quotas.

use borehole_record::{Scope, Timestamp, UtcDay};
use borehole_usage::packed::Packer;
use borehole_usage::{Charge, ChargeRules};
use xxhash_rust::xxh3::xxh3_128;

use self::table::{Row, Table};

pub use self::read::RulesError;

mod pattern;
mod read;
mod table;

/// Rates and lifecycle.
const BUILTIN: &str = include_str!("../../rules/rules.toml");

/// What quotas are called.
const BUILTIN_NAMES: &str = include_str!("../../rules/quota-names.toml");

/// All rules.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    burndown: Table<Option<u32>>,
    max_output_tokens: Table<u64>,
    input_includes_cache: Table<bool>,
    rpm_applies: Table<bool>,
    lifecycle: Table<Lifecycle>,
    quota: Table<QuotaRow>,
    /// Files read so far, ours included.
    layers: u32,
    reserves_cache_reads: bool,
}

/// A value with the row that says so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ruled<T> {
    /// The value.
    pub value: T,
    /// The pattern of base models that the row is for.
    pub pattern: String,
    /// The first day it is in force; `None` where it always was.
    pub valid_from: Option<UtcDay>,
    /// Where it is written, with the day it was read.
    pub source: String,
    /// What a reader must know about it.
    pub note: Option<String>,
}

/// What the tables say about a model's burndown rate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Burndown {
    /// Quota tokens per output token.
    Rated(Ruled<u32>),
    /// A row names the model, or its provider, and says that the rate is not known; the note says why.
    Unknown(Ruled<()>),
    /// No row matches.
    Unruled,
}

/// Where a model stands in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lifecycle {
    /// In service.
    Active,
    /// To be retired: AWS refuses increases.
    Legacy,
    /// Retired.
    EndOfLife,
}

impl Lifecycle {
    /// The word in the tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Lifecycle::Active => "active",
            Lifecycle::Legacy => "legacy",
            Lifecycle::EndOfLife => "end-of-life",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Lifecycle::Active, Lifecycle::Legacy, Lifecycle::EndOfLife]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// What is ruled for one model on one day; `None` where no row says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ModelRules {
    /// Quota tokens per output token.
    pub burndown: Option<Ruled<u32>>,
    /// Most output tokens.
    pub max_output_tokens: Option<Ruled<u64>>,
    /// Whether `inputTokenCount` holds cached tokens.
    pub input_includes_cache: Option<Ruled<bool>>,
    /// Whether the model has a quota of requests per minute.
    pub rpm_applies: Option<Ruled<bool>>,
    /// Where it stands in its life.
    pub lifecycle: Option<Ruled<Lifecycle>>,
}

/// What a quota limits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Limit {
    /// TPM.
    TokensPerMinute,
    /// RPM.
    RequestsPerMinute,
    /// TPD.
    TokensPerDay,
}

impl Limit {
    /// All of them, in the order of reports.
    pub const ALL: [Limit; 3] = [Limit::TokensPerMinute, Limit::RequestsPerMinute, Limit::TokensPerDay];

    /// The word in the tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Limit::TokensPerMinute => "tpm",
            Limit::RequestsPerMinute => "rpm",
            Limit::TokensPerDay => "tpd",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Limit::ALL.into_iter().find(|limit| limit.as_str() == word)
    }
}

/// What Service Quotas calls a quota.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QuotaName {
    /// What it limits.
    pub limit: Limit,
    /// As Service Quotas spells it.
    pub name: String,
    /// `L-…`, where it is known.
    pub code: Option<String>,
    /// Where this is written.
    pub source: String,
}

/// The values of a row of `[[quota]]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct QuotaRow {
    scope: Scope,
    limit: Limit,
    name: String,
    code: Option<String>,
}

/// Who wrote a row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Origin {
    /// The tables of this repository.
    Builtin,
    /// A file that was given with `--rules`.
    Operator,
}

/// One row of one table, for one pattern, in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleRow {
    /// The table's name in the file.
    pub table: &'static str,
    /// Its place among the rows of its table and file, from 1.
    pub number: usize,
    /// Who wrote it.
    pub origin: Origin,
    /// The row; its value as in the file.
    pub ruled: Ruled<String>,
    /// Rows of `quota`: where the quota lives.
    pub scope: Option<Scope>,
}

impl Rules {
    /// The tables of this repository.
    ///
    /// # Panics
    ///
    /// Where these tables are broken, which a test rules out for every build that is published.
    #[must_use]
    pub fn builtin() -> Self {
        let read = Rules::default().with_file(BUILTIN).and_then(|rules| {
            let names = read::read(BUILTIN_NAMES, 0)?;
            Ok(rules.with_tables(names))
        });
        match read {
            Ok(rules) => rules,
            Err(error) => panic!("the counting rules in this program are broken: {error}"),
        }
    }

    /// The same with the rows of a file of the operator's, which come before all there are so far.
    ///
    /// # Errors
    ///
    /// Where the text is no rules file; the error names table, row and key, and shows no value.
    pub fn with_overrides(self, toml_text: &str) -> Result<Self, RulesError> {
        self.with_file(toml_text)
    }

    /// Whether reservations hold cache reads, too. AWS's texts disagree; by default they do not.
    #[must_use]
    pub fn reserving_cache_reads(self, reserves_cache_reads: bool) -> Self {
        Rules { reserves_cache_reads, ..self }
    }

    fn with_file(mut self, text: &str) -> Result<Self, RulesError> {
        // A byte order mark is what some editors leave at the beginning.
        let tables = read::read(text.strip_prefix('\u{feff}').unwrap_or(text), self.layers)?;
        self.layers += 1;
        Ok(self.with_tables(tables))
    }

    fn with_tables(mut self, tables: read::Tables) -> Self {
        self.burndown.extend(tables.burndown);
        self.max_output_tokens.extend(tables.max_output_tokens);
        self.input_includes_cache.extend(tables.input_includes_cache);
        self.rpm_applies.extend(tables.rpm_applies);
        self.lifecycle.extend(tables.lifecycle);
        self.quota.extend(tables.quota);
        self
    }

    /// The rates of a base model on a day. Some microseconds: meant to be asked once per group and hour.
    #[must_use]
    pub fn charge(&self, base_model: &str, day: UtcDay) -> Charge {
        let includes = self.input_includes_cache.find(base_model, day);
        Charge {
            burndown: self.burndown.find(base_model, day).and_then(|row| row.value),
            max_output_tokens: self.max_output_tokens.find(base_model, day).map(|row| row.value),
            input_includes_cache: includes.is_some_and(|row| row.value),
            reserves_cache_reads: self.reserves_cache_reads,
        }
    }

    /// What the tables say about a base model's burndown rate on a day: a rate, a named unknown, or nothing.
    #[must_use]
    pub fn burndown(&self, base_model: &str, day: UtcDay) -> Burndown {
        match self.burndown.find(base_model, day) {
            Some(row) => match row.value {
                Some(rate) => Burndown::Rated(row.ruled(rate)),
                None => Burndown::Unknown(row.ruled(())),
            },
            None => Burndown::Unruled,
        }
    }

    /// Everything that is ruled for a base model on a day, with the rows that say so.
    #[must_use]
    pub fn model(&self, base_model: &str, day: UtcDay) -> ModelRules {
        fn ruled<T: Clone>(table: &Table<T>, base_model: &str, day: UtcDay) -> Option<Ruled<T>> {
            table.find(base_model, day).map(|row| row.ruled(row.value.clone()))
        }
        ModelRules {
            burndown: match self.burndown(base_model, day) {
                Burndown::Rated(rate) => Some(rate),
                Burndown::Unknown(_) | Burndown::Unruled => None,
            },
            max_output_tokens: ruled(&self.max_output_tokens, base_model, day),
            input_includes_cache: ruled(&self.input_includes_cache, base_model, day),
            rpm_applies: ruled(&self.rpm_applies, base_model, day),
            lifecycle: ruled(&self.lifecycle, base_model, day),
        }
    }

    /// What the quotas of a base model are called, at most one for each limit, in the order of [`Limit::ALL`].
    #[must_use]
    pub fn quotas(&self, base_model: &str, scope: Scope) -> Vec<QuotaName> {
        let named = |limit: Limit| {
            let mut rows = self.quota.rows().iter();
            let row = rows.find(|row| {
                row.value.scope == scope && row.value.limit == limit && row.pattern.matches(base_model)
            })?;
            let QuotaRow { name, code, .. } = row.value.clone();
            Some(QuotaName { limit, name, code, source: row.source.clone() })
        };
        Limit::ALL.into_iter().filter_map(named).collect()
    }

    /// Every row, by table; in each table those that win come first.
    #[must_use]
    pub fn rows(&self) -> Vec<RuleRow> {
        fn shown<T: Clone>(
            table: &'static str,
            rows: &Table<T>,
            value: impl Fn(&T) -> String,
        ) -> Vec<RuleRow> {
            let shown = |row: &Row<T>| RuleRow {
                table,
                number: row.number,
                origin: row.origin(),
                ruled: row.ruled(value(&row.value)),
                scope: None,
            };
            rows.rows().iter().map(shown).collect()
        }
        let [burndown, max_output_tokens, input_includes_cache, rpm_applies, lifecycle, quota] = read::TABLES;
        let mut rows = shown(burndown, &self.burndown, |rate| match rate {
            Some(rate) => rate.to_string(),
            None => "unknown".to_owned(),
        });
        rows.extend(shown(max_output_tokens, &self.max_output_tokens, u64::to_string));
        rows.extend(shown(input_includes_cache, &self.input_includes_cache, bool::to_string));
        rows.extend(shown(rpm_applies, &self.rpm_applies, bool::to_string));
        rows.extend(shown(lifecycle, &self.lifecycle, |state| state.as_str().to_owned()));
        rows.extend(self.quota.rows().iter().map(|row| {
            let QuotaRow { scope, limit, name, code } = &row.value;
            let code = code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
            RuleRow {
                table: quota,
                number: row.number,
                origin: row.origin(),
                ruled: row.ruled(format!("{}: {name}{code}", limit.as_str())),
                scope: Some(*scope),
            }
        }));
        rows
    }
}

impl ChargeRules for Rules {
    fn charge(&self, base_model: &str, at: Timestamp) -> Charge {
        Rules::charge(self, base_model, UtcDay::of(at))
    }

    /// Over the rows in force that day, in the order in which they win: the first that matches a model holds, so the
    /// rates of all models follow from these. Sources, notes and tables that charge nothing are not in it.
    fn fingerprint(&self, at: Timestamp) -> u128 {
        fn pack<T>(table: &Table<T>, day: UtcDay, packer: &mut Packer, value: impl Fn(&T, &mut Packer)) {
            for row in table.rows().iter().filter(|row| row.holds_on(day)) {
                // No pattern is longer than memory: 0 is the mark of the end.
                packer.count(row.pattern.as_str().len() as u64 + 1);
                packer.bytes(row.pattern.as_str().as_bytes());
                value(&row.value, packer);
            }
            packer.count(0);
        }
        let day = UtcDay::of(at);
        let mut packer = Packer::default();
        pack(&self.burndown, day, &mut packer, |rate, packer| {
            packer.count(rate.map_or(0, |rate| u64::from(rate) + 1));
        });
        pack(&self.max_output_tokens, day, &mut packer, |&tokens, packer| packer.count(tokens));
        pack(&self.input_includes_cache, day, &mut packer, |&includes, packer| {
            packer.count(u64::from(includes));
        });
        packer.count(u64::from(self.reserves_cache_reads));
        xxh3_128(packer.from(0))
    }
}
