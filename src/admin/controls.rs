//! What operators may ask of the daemon itself: its log levels, and its configuration.

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use utoipa::ToSchema;

use super::fault::Fault;
use crate::telemetry::LogHandle;

/// What a reload changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reload {
    /// Switches that are new.
    pub added: Vec<String>,
    /// Switches whose section differs.
    pub changed: Vec<String>,
    /// Switches that are gone.
    pub dropped: Vec<String>,
    /// What was accepted without effect, or takes effect later.
    pub warnings: Vec<String>,
}

/// What came of a reload; its errors, where the old configuration stays in force.
pub type Reloaded = Result<Reload, Vec<String>>;

/// The daemon's ears.
#[derive(Debug, Clone)]
pub struct Controls {
    /// The running log.
    pub log: LogHandle,
    /// Who reads the configuration again.
    pub reload: mpsc::Sender<oneshot::Sender<Reloaded>>,
}

// ===== impl Controls =====

impl Controls {
    pub(super) async fn reload(&self) -> Result<Reload, Fault> {
        let stopping = || Fault::unavailable("the daemon is stopping: nothing is read again");
        let (answer, answered) = oneshot::channel();
        self.reload.send(answer).await.map_err(|_| stopping())?;
        let reloaded = answered.await.map_err(|_| stopping())?;
        reloaded.map_err(|errors| {
            let errors = errors.join("\n");
            Fault::bad_config(format!("the configuration is wrong, and the old one stays in force:\n{errors}"))
        })
    }
}
