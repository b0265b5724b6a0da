//! The text that scrapers get: made when one asks, and shared by all that ask within a second.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use echoctl_record::MetricsFigures;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use crate::format::{Format, to_text};
use crate::openmetrics;

/// The latest text, and what makes the next one.
#[derive(Clone)]
pub(crate) struct Scrapes(Arc<Mutex<Latest>>);

struct Latest {
    /// Takes a sample: the figures, or why there are none.
    source: Box<dyn FnMut() -> Result<MetricsFigures, String> + Send>,
    texts: Option<(Instant, Texts)>,
}

/// The figures in both formats, or why there are none.
#[derive(Clone)]
struct Texts(Result<[Bytes; 2], String>);

/// The figures as text, or why there are none.
pub(crate) type Text = Result<Bytes, String>;

impl Texts {
    fn of(figures: Result<MetricsFigures, String>) -> Texts {
        Texts(figures.map(|figures| {
            let openmetrics = openmetrics::text(figures);
            let text = to_text(&openmetrics);
            [openmetrics.into(), text.into()]
        }))
    }

    fn in_format(self, format: Format) -> Text {
        let [openmetrics, text] = self.0?;
        Ok(match format {
            Format::OpenMetrics => openmetrics,
            Format::Text => text,
        })
    }
}

impl Scrapes {
    pub(crate) fn new<E: Display>(
        mut source: impl FnMut() -> Result<MetricsFigures, E> + Send + 'static,
    ) -> Scrapes {
        let source = Box::new(move || source().map_err(|error| error.to_string()));
        Scrapes(Arc::new(Mutex::new(Latest { source, texts: None })))
    }

    /// The text of a sample that is at most [`MAX_AGE`] old. While it is taken for one caller, the others wait for it.
    pub(crate) async fn text(&self, format: Format) -> Text {
        let mut latest = Arc::clone(&self.0).lock_owned().await;
        if let Some((taken, texts)) = &latest.texts
            && taken.elapsed() < MAX_AGE
        {
            return texts.clone().in_format(format);
        }
        // It walks `/proc` and the kernel's sockets. If the caller leaves meanwhile, the thread still finishes it, with the lock.
        let sampled = spawn_blocking(move || {
            let texts = Texts::of((latest.source)());
            latest.texts = Some((Instant::now(), texts.clone()));
            texts
        });
        sampled.await.unwrap_or_else(|panic| Texts(Err(panic.to_string()))).in_format(format)
    }
}

/// Scrapers within a second share one sample, so that many cost no more than one.
const MAX_AGE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn callers_within_a_second_share_one_sample() {
        let samples = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&samples);
        let scrapes = Scrapes::new(move || {
            let listeners_omitted = counted.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(MetricsFigures { listeners_omitted, ..MetricsFigures::default() })
        });

        let start = Instant::now();
        let texts = runtime().block_on(async {
            let callers: Vec<_> = (0..20)
                .map(|_| {
                    let scrapes = scrapes.clone();
                    tokio::spawn(async move { scrapes.text(Format::OpenMetrics).await })
                })
                .collect();
            let mut texts = Vec::new();
            for caller in callers {
                texts.push(caller.await.unwrap().unwrap());
            }
            texts
        });

        // On a machine that is loaded so much that they take seconds, one per second.
        assert!(samples.load(Ordering::Relaxed) <= 1 + start.elapsed().as_secs());
        assert!(texts.iter().all(|text| text.ends_with(b"# EOF\n")));
    }

    #[test]
    fn a_caller_that_leaves_does_not_end_sampling() {
        let (begun, begins) = std::sync::mpsc::channel();
        let (go, goes) = std::sync::mpsc::channel::<()>();
        let scrapes = Scrapes::new(move || {
            begun.send(()).unwrap();
            let _ = goes.recv();
            Ok::<_, Infallible>(MetricsFigures::default())
        });

        let text = runtime().block_on(async {
            let caller = tokio::spawn({
                let scrapes = scrapes.clone();
                async move { scrapes.text(Format::OpenMetrics).await }
            });
            spawn_blocking(move || begins.recv().unwrap()).await.unwrap();
            caller.abort();
            drop(go);
            scrapes.text(Format::OpenMetrics).await
        });

        assert!(text.is_ok());
    }

    #[test]
    fn a_failed_sample_is_an_error_with_its_reason() {
        let scrapes = Scrapes::new(|| Err::<MetricsFigures, _>("no netlink"));

        assert_eq!(runtime().block_on(scrapes.text(Format::Text)), Err("no netlink".to_owned()));
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }
}
