//! How a clip that is being made comes by its job: by a create, which is sent once, or from a record.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::VideoClient;
use super::plan::{self, Planned, Wanted};
use crate::error::Result;
use crate::provider::{JobId, Submission};
use crate::request::PlanChoice;

/// Who keeps account of a create, on both sides of it.
pub(super) trait Journal: Send + Sync {
    /// The create is about to be sent, with this prompt. An error keeps it from being sent.
    fn sending(&self, planned: &Planned) -> BoxFuture<'_, Result<()>>;

    /// The service took it. The job exists, so nothing that fails here may end the work.
    fn sent<'a>(&'a self, id: &'a JobId) -> BoxFuture<'a, ()>;
}

/// The right to one create, or what came of it.
#[derive(Default)]
pub(super) struct Ticket {
    known: Option<JobId>,
    /// What was planned for it, where that is known.
    planned: Option<Planned>,
    journal: Option<Arc<dyn Journal>>,
}

impl Ticket {
    /// A create of which an account is kept.
    #[cfg(feature = "media")]
    pub(super) fn journalled(journal: Arc<dyn Journal>) -> Self {
        Self {
            journal: Some(journal),
            ..Self::default()
        }
    }

    /// The create was sent before: nothing is sent, and the rest is done as if it had been now.
    #[cfg(feature = "media")]
    pub(super) fn known(id: JobId, planned: Option<Planned>) -> Self {
        Self {
            known: Some(id),
            planned,
            journal: None,
        }
    }

    /// Whether the create was sent before.
    pub(super) const fn is_known(&self) -> bool {
        self.known.is_some()
    }

    /// Plans the prompt. What was sent was planned then: another plan would be paid for and not be the one
    /// that was sent.
    pub(super) async fn plan(&mut self, client: &VideoClient, mut wanted: Wanted<'_>) -> Result<Planned> {
        if let Some(planned) = &self.planned {
            return Ok(planned.clone());
        }
        if self.is_known() {
            wanted.choice = &PlanChoice::Off;
        }
        let planned = plan::for_request(client, wanted).await?;
        self.planned = Some(planned.clone());
        Ok(planned)
    }

    /// Sends the create, unless it was sent before.
    pub(super) async fn submit(self, client: &VideoClient, submission: &Submission) -> Result<JobId> {
        if let Some(id) = self.known {
            tracing::info!(job = %id, "picked up");
            return Ok(id);
        }
        if let Some(journal) = &self.journal {
            journal.sending(&self.planned.unwrap_or_default()).await?;
        }
        let id = client.inner.provider.submit(submission).await?;
        tracing::info!(job = %id, "submitted");
        if let Some(journal) = &self.journal {
            journal.sent(&id).await;
        }
        Ok(id)
    }
}
