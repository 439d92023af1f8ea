//! Restoring archived objects: the only thing Borehole ever writes, and only when a person asks for it.
//!
//! In: objects, for how many days, how fast. Out: what S3 answered for each. Always: what is restored already, or
//! is being restored, is no failure; nothing is asked that S3 would refuse by its rules. Absent: which objects
//! those are, and whether a person agreed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use aws_sdk_s3::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::types::{GlacierJobParameters, RestoreRequest};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use tokio::task::JoinSet;

use super::S3Store;
use super::connect::Bucket;
use super::failure::has_code;
use super::limits::RESTORES_IN_FLIGHT;
use crate::{Object, ReadFailure, Restore, StorageClass};

/// How fast, at which price: S3's retrieval tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// The cheapest: 5 to 12 hours, from DEEP_ARCHIVE 48.
    Bulk,
    /// 3 to 5 hours, from DEEP_ARCHIVE 12.
    Standard,
    /// Minutes; not from DEEP_ARCHIVE.
    Expedited,
}

/// What S3 answered to a request for a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asked {
    /// 202: it has begun.
    Started,
    /// 409 RestoreAlreadyInProgress: somebody asked before.
    AlreadyInProgress,
    /// 200: a copy is there already; it is kept for the new number of days.
    AlreadyRestored,
}

/// Where a restore stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Where the object lies.
    pub class: StorageClass,
    /// Whether a copy is there.
    pub restore: Restore,
    /// Until when, as S3 puts it (an HTTP date).
    pub expiry: Option<String>,
}

impl S3Store {
    /// Asks S3 to restore objects for `days` days, many at once; `each` hears of every one, in any order, on this
    /// thread. Objects of INTELLIGENT_TIERING come back for good: the number of days does not apply to them.
    ///
    /// [`ReadFailure::Refused`] is for what S3 never restores so: [`Tier::Expedited`] from DEEP_ARCHIVE, an object
    /// that is not archived. [`ReadFailure::Throttled`] also means that S3 has no capacity for
    /// [`Tier::Expedited`] now.
    pub fn restore(
        &self,
        objects: &[Object],
        days: u32,
        tier: Tier,
        each: &mut dyn FnMut(&Object, Result<Asked, ReadFailure>),
    ) {
        self.for_each(objects, each, move |bucket, object| ask(bucket, object, days, tier));
    }

    /// Asks where the restores of objects stand (one HEAD each), many at once; `each` as for
    /// [`S3Store::restore`].
    pub fn restore_status(
        &self,
        objects: &[Object],
        each: &mut dyn FnMut(&Object, Result<Status, ReadFailure>),
    ) {
        self.for_each(objects, each, look);
    }

    /// Asks one question about each object.
    fn for_each<T: Send + 'static, F: Future<Output = Result<T, ReadFailure>> + Send + 'static>(
        &self,
        objects: &[Object],
        each: &mut dyn FnMut(&Object, Result<T, ReadFailure>),
        question: impl Fn(Arc<Bucket>, Object) -> F,
    ) {
        let runtime = &self.shared.connections.runtime;
        let mut answers = JoinSet::new();
        let mut waiting = objects.iter().enumerate();
        // What was not heard of: a question that panics must not be forgotten.
        let mut open = vec![true; objects.len()];
        loop {
            while answers.len() < RESTORES_IN_FLIGHT
                && let Some((index, object)) = waiting.next()
            {
                let answer = question(self.shared.clone(), object.clone());
                answers.spawn_on(async move { (index, answer.await) }, runtime.handle());
            }
            match runtime.block_on(answers.join_next()) {
                Some(Ok((index, answer))) => {
                    open[index] = false;
                    each(&objects[index], answer);
                }
                Some(Err(_)) => {}
                None => break,
            }
        }
        for (object, _) in objects.iter().zip(open).filter(|(_, open)| *open) {
            each(object, Err(ReadFailure::Stopped));
        }
    }
}

async fn ask(bucket: Arc<Bucket>, object: Object, days: u32, tier: Tier) -> Result<Asked, ReadFailure> {
    if tier == Tier::Expedited && object.class == StorageClass::DeepArchive {
        return Err(ReadFailure::Refused);
    }
    if bucket.stopped().is_some() {
        return Err(ReadFailure::Stopped);
    }
    // No key of S3 is anything but UTF-8.
    let key = std::str::from_utf8(&object.key).map_err(|_| ReadFailure::Refused)?;
    let days = i32::try_from(days).map_err(|_| ReadFailure::Refused)?;
    let tier = match tier {
        Tier::Bulk => aws_sdk_s3::types::Tier::Bulk,
        Tier::Standard => aws_sdk_s3::types::Tier::Standard,
        Tier::Expedited => aws_sdk_s3::types::Tier::Expedited,
    };
    let parameters = GlacierJobParameters::builder().tier(tier).build().map_err(|_| ReadFailure::Refused)?;
    let request = RestoreRequest::builder()
        .set_days((object.class != StorageClass::IntelligentTiering).then_some(days))
        .glacier_job_parameters(parameters)
        .build();
    let status = StatusNote::default();
    let answer = bucket.ask(|client| {
        client
            .restore_object()
            .bucket(&bucket.name)
            .key(key)
            .restore_request(request.clone())
            .set_request_payer(bucket.request_payer())
            .customize()
            .interceptor(status.clone())
            .send()
    });
    match answer.await {
        Ok(_) if status.0.load(Ordering::Relaxed) == 200 => Ok(Asked::AlreadyRestored),
        Ok(_) => Ok(Asked::Started),
        Err(refused) if has_code(&refused.error, "RestoreAlreadyInProgress") => Ok(Asked::AlreadyInProgress),
        // Of a GET it says that the object is archived, of a restore that it is not.
        Err(refused) if has_code(&refused.error, "InvalidObjectState") => Err(ReadFailure::Refused),
        Err(refused) => Err(refused.trouble.word()),
    }
}

async fn look(bucket: Arc<Bucket>, object: Object) -> Result<Status, ReadFailure> {
    if bucket.stopped().is_some() {
        return Err(ReadFailure::Stopped);
    }
    let key = std::str::from_utf8(&object.key).map_err(|_| ReadFailure::Vanished)?;
    let answer = bucket.ask(|client| {
        client.head_object().bucket(&bucket.name).key(key).set_request_payer(bucket.request_payer()).send()
    });
    let answer = answer.await.map_err(|refused| refused.trouble.word())?;
    let (restore, expiry) = answer.restore().map_or((Restore::None, None), parse);
    let class =
        answer.storage_class().map_or(StorageClass::Standard, |class| StorageClass::parse(class.as_str()));
    Ok(Status { class, restore, expiry })
}

/// Takes `x-amz-restore` apart: `ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"`. The date is
/// written anew, so that nothing but a date gets out.
pub(crate) fn parse(header: &str) -> (Restore, Option<String>) {
    if header.contains("ongoing-request=\"true\"") {
        return (Restore::InProgress, None);
    }
    if !header.contains("ongoing-request=\"false\"") {
        return (Restore::None, None);
    }
    let date = header.split_once("expiry-date=\"").and_then(|(_, rest)| rest.split_once('"'));
    let expiry = date
        .and_then(|(date, _)| DateTime::from_str(date, Format::HttpDate).ok())
        .and_then(|date| date.fmt(Format::HttpDate).ok());
    (Restore::Restored, expiry)
}

/// Notes the status of an answer, which the SDK does not give away: 200 and 202 differ.
#[derive(Clone, Debug, Default)]
struct StatusNote(Arc<AtomicU16>);

impl Intercept for StatusNote {
    fn name(&self) -> &'static str {
        "StatusNote"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.store(context.response().status().as_u16(), Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b08_the_restore_header_is_read_and_only_a_date_gets_out() {
        let date = "Fri, 21 Dec 2012 00:00:00 GMT";
        let restored = format!("ongoing-request=\"false\", expiry-date=\"{date}\"");
        assert_eq!(parse(&restored), (Restore::Restored, Some(date.to_owned())));
        assert_eq!(parse("ongoing-request=\"true\""), (Restore::InProgress, None));
        assert_eq!(parse("ongoing-request=\"false\", expiry-date=\"CANARY\""), (Restore::Restored, None));
        assert_eq!(parse("CANARY"), (Restore::None, None));
    }
}
