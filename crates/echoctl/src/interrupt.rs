//! Interruption: Ctrl-C, and being asked to end by `kill` or a service manager.

/// Waits until the user or the system wants this process to end.
///
/// Where a signal cannot be listened for, it keeps its usual effect, and this waits for ever.
pub(crate) async fn interrupted() {
    tokio::select! {
        () = ctrl_c() => {}
        () = terminate() => {}
    }
}

async fn ctrl_c() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn terminate() {
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminate() {
    std::future::pending().await
}
