//! Chosen groups of sealed hours: figures as of a run whose filter admits nothing else.
//!
//! In: sealed hours of one question, and which of its groups are chosen. Out: their figures, all of them together and
//! each. Always: the figures are those of a fresh run whose [`crate::Filter`] admits exactly the records of the chosen
//! groups, but for what is said at [`Selected`]; an hour costs what its chosen groups cost. Absent: the records.

use crate::answer;
use crate::coverage::CoverageSpan;
use crate::figures::Figures;
use crate::hour::SealedHour;
use crate::question::Question;
use crate::totals::Totals;

/// The chosen groups of some hours.
///
/// The hours must be of a question with dimensions, each of which gives a record one value: not the kinds of content,
/// of which a record has several, and not times, which groups by minute keep no distributions of.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    totals: Totals,
}

/// Figures of chosen groups.
#[derive(Clone, PartialEq, Debug)]
pub struct Selected {
    /// The chosen groups together, and each of them. Rankings and the listing are left out, and so are the models
    /// without a rate and the profiles without a model: an hour counts these for all its groups.
    pub figures: Figures,
    /// Whether `peak_sliding_60s` and `burst` of the totals are exact. They always are where the question keeps
    /// [`Question::all_seconds`]; else, where several chosen groups are in one hour and one of them was busy in more
    /// seconds than it keeps, they are lower bounds. All else is exact in any case.
    pub has_exact_windows: bool,
}

/// Figures of no request: of hours only what is counted for all groups at once, which a [`Selection`] leaves out. That
/// is the models without a rate, the profiles without a model, and how many models are too many to have groups.
#[must_use]
pub fn outline<'a>(question: &Question, hours: impl IntoIterator<Item = &'a SealedHour>) -> Figures {
    let mut totals = Totals::new();
    hours.into_iter().for_each(|hour| totals.insert_outline(hour));
    answer::outline(&totals, question)
}

impl Selection {
    /// No hours.
    #[must_use]
    pub fn new() -> Self {
        Selection::default()
    }

    /// Adds an hour: of it the groups that are chosen by their values of [`Question::by`], in its order. Every hour must
    /// be asked with the same choice.
    ///
    /// # Panics
    /// On an hour that is there already, as [`Totals::insert`].
    pub fn insert(&mut self, hour: &SealedHour, is_chosen: &dyn Fn(&[Option<&str>]) -> bool) {
        self.totals.insert_groups(hour, is_chosen);
    }

    /// The figures; `question` is the one that the hours were summed for, or has another series, another number of
    /// groups, or a range that leaves out no part of these hours.
    #[must_use]
    pub fn figures(&self, question: &Question, coverage: &[CoverageSpan]) -> Selected {
        let (figures, has_exact_windows) = answer::figures_of_groups(&self.totals, question, coverage);
        Selected { figures, has_exact_windows }
    }
}
