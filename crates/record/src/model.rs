//! Model ids: from the spellings in the log to (base model, scope).

/// Where a model's quota lives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scope {
    /// A bare id or a foundation-model ARN.
    OnDemand,
    /// A geographic inference profile (`us.`, `eu.`, …).
    Geo,
    /// A `global.` inference profile.
    Global,
    /// Provisioned throughput.
    Provisioned,
    /// An application inference profile that no map resolves.
    ApplicationProfile,
    /// A custom model, or its deployment.
    Custom,
    /// An imported model.
    Imported,
    /// A SageMaker or Marketplace endpoint.
    Endpoint,
    /// Some other ARN.
    Unknown,
}

impl Scope {
    /// The word in the report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::OnDemand => "on-demand",
            Scope::Geo => "geo",
            Scope::Global => "global",
            Scope::Provisioned => "provisioned",
            Scope::ApplicationProfile => "application-profile",
            Scope::Custom => "custom",
            Scope::Imported => "imported",
            Scope::Endpoint => "endpoint",
            Scope::Unknown => "unknown",
        }
    }
}

/// A normalised model id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Model {
    /// The base model: the bare id without profile prefix; for opaque resources `kind/id` from the ARN.
    pub base: String,
    /// Where its quota lives.
    pub scope: Scope,
}

impl Model {
    /// Normalises one spelling.
    #[must_use]
    pub fn parse(_model_id: &str) -> Model {
        unimplemented!()
    }
}
