//! What Prometheus reads at `/metrics`: counters that rooms keep for themselves, and figures that are asked for when
//! somebody looks, so that nobody counts what nobody reads.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::{
    encoding::text::{encode_eof, encode_registry},
    registry::Registry,
};

/// What the text is, for the header `Content-Type`.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Sample = Pin<Box<dyn Future<Output = Registry> + Send>>;

/// All metrics of the daemon; cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    kept: Arc<Mutex<Registry>>,
    samples: Arc<dyn Fn() -> Sample + Send + Sync>,
}

impl Metrics {
    /// `sample` makes the figures of the moment, each time that somebody looks. Names begin with `vtepd_`.
    pub fn new<F>(sample: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Registry> + Send + 'static,
    {
        Self { kept: Arc::default(), samples: Arc::new(move || Box::pin(sample())) }
    }

    /// Adds metrics that their owner keeps: histograms, counters of events.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The text of all metrics.
    pub async fn text(&self) -> String {
        let sample = (self.samples)().await;
        let mut text = String::new();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing into a String can't fail.
        let _ = encode_registry(&mut text, &kept).and_then(|()| encode_registry(&mut text, &sample));
        let _ = encode_eof(&mut text);
        text
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::*;

    #[tokio::test]
    async fn kept_and_sampled_stand_in_one_text() {
        let metrics = Metrics::new(|| async {
            let mut registry = Registry::with_prefix("vtepd");
            let counter: Counter = Counter::default();
            counter.inc_by(7);
            registry.register("sampled", "What is sampled", counter);
            registry
        });
        let counter: Counter = Counter::default();
        metrics.register(|registry| registry.register("vtepd_kept", "What is kept", counter.clone()));
        counter.inc();
        let text = metrics.text().await;
        assert!(text.contains("vtepd_kept_total 1\n") && text.contains("vtepd_sampled_total 7\n"), "{text}");
        assert_eq!(text.matches("# EOF").count(), 1, "{text}");
    }
}
