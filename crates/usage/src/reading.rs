//! The strings of invocations, each set read once: what a record's group, labels and rates are found by.
//!
//! In: the shared strings of invocations. Out: the number of a [`Slot`]. Always: strings are found by their addresses,
//! which they keep as long as they are remembered, so that a record costs a look-up of integers and no string is
//! read twice, also where the same ones come again in the next hour. Only those that the question asks about tell
//! slots apart: hardly two records of a busy log have all of their [`Facets`] in common, but thousands have the call.
//! Absent: whatever differs between two records of the same strings.

use std::sync::Arc;

use borehole_record::{Facets, Model, Scope, Tag, Timestamp, UtcDay, UtcHour, identity};
use rustc_hash::FxHashMap;

use crate::charge::Charge;
use crate::names::{NameId, Names};
use crate::question::{Dimension, FilterReason, Question};
use crate::sums::{Ending, Labels};

/// A call, with the caller and the tags where the question asks about them.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    /// Its strings; also keeps the addresses that the slot is found by from being given to others.
    facets: Arc<Facets>,
    /// Index of its model.
    model: u32,
    pub(crate) refused: Option<FilterReason>,
    pub(crate) ending: Ending,
    pub(crate) labels: Labels,
    /// The parts of the group's key that the strings decide; the others are absent.
    pub(crate) key: Box<[NameId]>,
    /// Its routes in the open hour, to its group and to the totals; [`Slot::NOT_YET`] before its first record.
    pub(crate) route: u32,
    pub(crate) totals_route: u32,
    /// Its place in the rankings of the open hour, or [`Slot::NOT_YET`].
    pub(crate) place: u32,
    /// Its counted records of the open hour that are not yet under their names.
    pub(crate) counted: u64,
}

impl Slot {
    /// No route or place has this number: there are fewer.
    pub(crate) const NOT_YET: u32 = u32::MAX;
}

/// A model as logged, and its rates.
#[derive(Clone, Debug)]
struct CalledModel {
    model: Model,
    charge: Charge,
    /// The base model where no rate is known, the profile where no map resolves it: named where they occur.
    base_id: NameId,
}

/// Strings and models remembered from record to record, and from hour to hour.
#[derive(Clone, Default, Debug)]
pub(crate) struct Readings {
    /// Where the question asks for no more than the call.
    by_call: FxHashMap<usize, u32>,
    by_addresses: FxHashMap<Addresses, u32>,
    slots: Vec<Slot>,
    models: Vec<CalledModel>,
    /// By the spelling logged.
    models_by_id: FxHashMap<Arc<str>, u32>,
    /// By their addresses.
    stop_reasons: FxHashMap<usize, StopReason>,
    /// When the rates of the models hold.
    charges_at: Option<Timestamp>,
    /// Whether the question asks who called, and with which tags.
    asks_identity: bool,
    asks_tags: bool,
}

/// The addresses of a call, of the identity and of the tags; 0 where the question asks for none, or there is none.
type Addresses = [usize; 3];

/// A stop reason that is kept, so that its address stays its own.
#[derive(Clone, Debug)]
struct StopReason {
    _alive: Arc<str>,
    name: NameId,
}

/// Most slots remembered. A log whose every record has its own tags shares none: remembering them all would
/// keep strings alive for nothing. At some 300 bytes each this is 5 MB.
const SLOTS_MAX: usize = 1 << 14;

/// Most stop reasons remembered: models have a dozen.
const STOP_REASONS_MAX: usize = 1 << 10;

/// Most names and models remembered from one hour to the next: far more than an hour of a real log has.
const NAMES_MAX: usize = 1 << 16;
const MODELS_MAX: usize = 1 << 12;

impl Readings {
    /// Whether no more slots can be remembered: [`Readings::forget_slots`].
    pub(crate) fn is_full(&self) -> bool {
        self.slots.len() >= SLOTS_MAX
    }

    /// Forgets the slots; those of the hour must have been counted under their names.
    pub(crate) fn forget_slots(&mut self) {
        self.by_call.clear();
        self.by_addresses.clear();
        self.slots.clear();
    }

    /// Readies itself for another hour; what is too much to keep is forgotten, with the names. Whether it was.
    pub(crate) fn begin(&mut self, names: &mut Names) -> bool {
        let is_too_much = self.is_full() || names.len() > NAMES_MAX || self.models.len() > MODELS_MAX;
        if is_too_much {
            *self = Readings::default();
            *names = Names::default();
        }
        for slot in &mut self.slots {
            (slot.route, slot.totals_route, slot.place) = (Slot::NOT_YET, Slot::NOT_YET, Slot::NOT_YET);
            slot.counted = 0;
        }
        is_too_much
    }

    /// Has the rates of an hour of the question apply to all models.
    pub(crate) fn charge_at(&mut self, question: &Question, hour: UtcHour) {
        let names_caller = |dimension: &Dimension| {
            matches!(dimension, Dimension::Identity | Dimension::Role | Dimension::Session)
        };
        self.asks_identity = question.by.iter().any(names_caller) || !question.filter.identities.is_empty();
        self.asks_tags = question.by.iter().any(|dimension| matches!(dimension, Dimension::Tag(_)));
        // Rules change with the day: an hour has one of each.
        let start = Timestamp { seconds: hour.start_seconds(), nanos: 0 };
        let at = question.charges_at.unwrap_or(start);
        if self.charges_at.map(UtcDay::of) != Some(UtcDay::of(at)) {
            for called in &mut self.models {
                called.charge = question.charges.charge(&called.model.base, at);
            }
        }
        self.charges_at = Some(at);
    }

    /// The slot of these strings where they are remembered; [`Readings::charge_at`] must have said what is asked.
    pub(crate) fn find(&self, facets: &Facets) -> Option<u32> {
        if !self.asks_identity && !self.asks_tags {
            return self.by_call.get(&address(&facets.call)).copied();
        }
        self.by_addresses.get(&self.addresses(facets)).copied()
    }

    /// Reads strings that are not remembered.
    pub(crate) fn read(&mut self, facets: &Arc<Facets>, question: &Question, names: &mut Names) -> u32 {
        let number = self.slots.len() as u32;
        let model = self.model(facets, question);
        let slot = Slot::read(facets, model, &self.models[model as usize].model, question, names);
        if slot.refused.is_none() {
            let called = &mut self.models[model as usize];
            if called.base_id == NameId::ABSENT {
                called.base_id = names.intern(&called.model.base);
            }
        }
        self.slots.push(slot);
        if !self.asks_identity && !self.asks_tags {
            self.by_call.insert(address(&facets.call), number);
        } else {
            self.by_addresses.insert(self.addresses(facets), number);
        }
        number
    }

    /// The name of a stop reason.
    pub(crate) fn stop_reason(&mut self, reason: &Arc<str>, names: &mut Names) -> NameId {
        let address = address(reason);
        if let Some(known) = self.stop_reasons.get(&address) {
            return known.name;
        }
        if self.stop_reasons.len() >= STOP_REASONS_MAX {
            self.stop_reasons.clear();
        }
        let name = names.intern(reason);
        self.stop_reasons.insert(address, StopReason { _alive: Arc::clone(reason), name });
        name
    }

    fn addresses(&self, facets: &Facets) -> Addresses {
        let identity = if self.asks_identity { facets.identity.as_ref().map_or(0, address) } else { 0 };
        let tags = if self.asks_tags { address(&facets.tags) } else { 0 };
        [address(&facets.call), identity, tags]
    }

    /// The values of these dimensions that the strings of a slot have.
    pub(crate) fn values(&self, slot: u32, dimensions: &[Dimension], names: &mut Names) -> Box<[NameId]> {
        let facets = &self.slots[slot as usize].facets;
        let model = &self.called(slot).model;
        dimensions.iter().map(|dimension| key_part(dimension, facets, model, names)).collect()
    }

    pub(crate) fn slot(&mut self, number: u32) -> &mut Slot {
        &mut self.slots[number as usize]
    }

    /// How many slots there are.
    pub(crate) fn count(&self) -> u32 {
        self.slots.len() as u32
    }

    /// The rates of a slot's model in the open hour.
    pub(crate) fn charge(&self, slot: u32) -> &Charge {
        &self.called(slot).charge
    }

    /// A slot's base model.
    pub(crate) fn base_model(&self, slot: u32) -> &str {
        &self.called(slot).model.base
    }

    /// What is not known of a slot's records: the model of a successful request without a rate, and the
    /// application profile where no map resolves it; else absent.
    pub(crate) fn unknowns(&self, slot: u32) -> (NameId, NameId) {
        let called = self.called(slot);
        let ending = self.slots[slot as usize].ending;
        if called.model.scope == Scope::ApplicationProfile {
            // What it lacks is a model, not a rate of its own: it is named once, under what helps.
            (NameId::ABSENT, called.base_id)
        } else if called.charge.burndown.is_none() && ending == Ending::Successful {
            (called.base_id, NameId::ABSENT)
        } else {
            (NameId::ABSENT, NameId::ABSENT)
        }
    }

    fn called(&self, slot: u32) -> &CalledModel {
        &self.models[self.slots[slot as usize].model as usize]
    }

    fn model(&mut self, facets: &Facets, question: &Question) -> u32 {
        if let Some(&model) = self.models_by_id.get(&*facets.model_id) {
            return model;
        }
        let number = self.models.len() as u32;
        let model = Model::parse_with(&facets.model_id, &question.profiles);
        let charge = self.charges_at.map(|at| question.charges.charge(&model.base, at)).unwrap_or_default();
        self.models.push(CalledModel { model, charge, base_id: NameId::ABSENT });
        self.models_by_id.insert(Arc::clone(&facets.model_id), number);
        number
    }
}

impl Slot {
    fn read(
        facets: &Arc<Facets>,
        model_index: u32,
        model: &Model,
        question: &Question,
        names: &mut Names,
    ) -> Slot {
        let refused = question.filter.refuses(facets, &model.base);
        let ending = match facets.error_code.as_deref() {
            None => Ending::Successful,
            Some("ThrottlingException") => Ending::Throttled,
            Some(_) => Ending::Failed,
        };
        let absent = Labels { error: NameId::ABSENT, inference_region: NameId::ABSENT };
        let mut slot = Slot {
            facets: Arc::clone(facets),
            model: model_index,
            refused,
            ending,
            labels: absent,
            key: Box::default(),
            route: Slot::NOT_YET,
            totals_route: Slot::NOT_YET,
            place: Slot::NOT_YET,
            counted: 0,
        };
        // Only names of counted records are interned.
        if refused.is_some() {
            return slot;
        }
        slot.key = question.by.iter().map(|dimension| key_part(dimension, facets, model, names)).collect();
        slot.labels.error = names.intern_optional(facets.error_code.as_deref());
        slot.labels.inference_region = names.intern_optional(facets.inference_region.as_deref());
        slot
    }
}

pub(crate) fn address<T: ?Sized>(shared: &Arc<T>) -> usize {
    Arc::as_ptr(shared).addr()
}

fn key_part(dimension: &Dimension, facets: &Facets, model: &Model, names: &mut Names) -> NameId {
    match dimension {
        Dimension::Account => names.intern_optional(facets.account.as_deref()),
        Dimension::Region => names.intern_optional(facets.region.as_deref()),
        Dimension::Model => names.intern(&model.base),
        Dimension::Scope => names.intern(model.scope.as_str()),
        Dimension::Identity | Dimension::Role | Dimension::Session => {
            caller_part(dimension, facets.identity.as_deref(), names)
        }
        Dimension::Operation => names.intern_optional(facets.operation.as_deref()),
        Dimension::Error => names.intern_optional(facets.error_code.as_deref()),
        Dimension::InferenceRegion => names.intern_optional(facets.inference_region.as_deref()),
        Dimension::Tag(_) => tag_part(dimension, &facets.tags, names),
        // The record and its hour decide these: see `HourSummary::route`.
        Dimension::ContentKind | Dimension::Minute | Dimension::Hour | Dimension::Day => NameId::ABSENT,
    }
}

/// The value of a dimension that is about the caller.
pub(crate) fn caller_part(dimension: &Dimension, arn: Option<&str>, names: &mut Names) -> NameId {
    let caller = || arn.map(identity::caller).unwrap_or_default();
    names.intern_optional(match dimension {
        Dimension::Role => caller().role,
        Dimension::Session => caller().session,
        _ => arn,
    })
}

/// The value of a dimension that is a tag.
pub(crate) fn tag_part(dimension: &Dimension, tags: &[Tag], names: &mut Names) -> NameId {
    let Dimension::Tag(key) = dimension else { return NameId::ABSENT };
    let tag = tags.iter().find(|(name, _)| **name == **key);
    names.intern_optional(tag.map(|(_, value)| &**value))
}
