//! What Prometheus reads at `/metrics`: counters that rooms keep for themselves, and figures that are made when someone
//! asks.

use std::{
    fmt,
    fmt::Write as _,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::{
    encoding::text::{encode_eof, encode_registry},
    registry::Registry,
};

/// The text formats of Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' own text format 0.0.4: for those who ask for nothing else.
    Text,
}

type Sample = Pin<Box<dyn Future<Output = Registry> + Send>>;

/// All metrics of the daemon; cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    kept: Arc<Mutex<Registry>>,
    samples: Arc<dyn Fn() -> Sample + Send + Sync>,
}

// ===== impl Format =====

impl Format {
    /// The format that a header `Accept` prefers.
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        let quality = |wanted: &str| {
            let ranges = accept.split(',').filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let matches = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case(wanted));
                let quality =
                    parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse::<f32>().ok());
                quality.filter(|_| matches)
            });
            ranges.fold(0.0, f32::max)
        };
        let open_metrics = quality("application/openmetrics-text");
        if open_metrics > 0.0 && open_metrics >= quality("text/plain") { Self::OpenMetrics } else { Self::Text }
    }

    /// The header `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

// ===== impl Metrics =====

impl Metrics {
    /// `sample` makes the figures of the moment, each time. Names begin with `vtepd_`.
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
    pub async fn text(&self, format: Format) -> String {
        let sample = (self.samples)().await;
        let mut text = String::new();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing into a String can't fail.
        let _ = encode_registry(&mut text, &kept).and_then(|()| encode_registry(&mut text, &sample));
        let _ = encode_eof(&mut text);
        match format {
            Format::OpenMetrics => text,
            Format::Text => as_text(&text),
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// OpenMetrics as text format 0.0.4: there a counter's family is named as its samples are, with `_total`, and a type that
/// isn't known is `untyped`. Lines of `HELP` come before those of `TYPE`.
fn as_text(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "unknown" => ("", "untyped"),
                "info" => ("_info", "gauge"),
                kind => ("", kind),
            };
            if let Some((_, help)) = help.take().filter(|(of, _)| *of == name) {
                let _ = writeln!(text, "# HELP {name}{suffix} {help}");
            }
            let _ = writeln!(text, "# TYPE {name}{suffix} {kind}");
        } else if !line.starts_with('#') {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::*;

    fn metrics() -> Metrics {
        Metrics::new(|| async {
            let mut registry = Registry::with_prefix("vtepd");
            let counter: Counter = Counter::default();
            counter.inc();
            registry.register("sampled", "What is sampled", counter);
            registry
        })
    }

    #[tokio::test]
    async fn kept_and_sampled_stand_in_one_text() {
        let metrics = metrics();
        let counter: Counter = Counter::default();
        metrics.register(|registry| registry.register("vtepd_kept", "What is kept", counter.clone()));
        counter.inc();
        let text = metrics.text(Format::OpenMetrics).await;
        assert!(text.contains("vtepd_kept_total 1\n") && text.contains("vtepd_sampled_total 1\n"), "{text}");
        assert_eq!(text.matches("# EOF").count(), 1, "{text}");
        let text = metrics.text(Format::Text).await;
        assert_eq!(
            text,
            "# HELP vtepd_kept_total What is kept.\n# TYPE vtepd_kept_total counter\nvtepd_kept_total 1\n\
             # HELP vtepd_sampled_total What is sampled.\n# TYPE vtepd_sampled_total counter\nvtepd_sampled_total 1\n"
        );
    }

    #[test]
    fn the_format_is_the_one_that_was_asked_for() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, format) in [
            (prometheus, Format::OpenMetrics),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("text/plain;version=0.0.4, application/openmetrics-text;q=0.5", Format::Text),
            ("application/openmetrics-text;q=0", Format::Text),
            ("*/*", Format::Text),
            ("", Format::Text),
        ] {
            assert_eq!(Format::accepted(accept), format, "{accept}");
        }
    }
}
