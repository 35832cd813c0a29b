//! `/v2/fdb`: what compute nodes need, at once or as a stream of changes.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, Uri},
};
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};

use crate::{
    api::{
        App,
        answer::{self, Answer, Gone, Out, PAGE},
        listener::Closing,
        named::Named,
        problem::Problem,
    },
    model::Revision,
    relay::{FdbNetwork, Hub, Next, Scope, Snapshot, View},
    service::Caller,
};

/// A stream that has nothing to say says so.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Changes that are checked in one go.
const AT_ONCE: usize = 64;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    scope: Option<String>,
    since: Option<String>,
}

impl Parameters {
    fn read(uri: &Uri) -> Result<Self, Problem> {
        let Query(read) = Query::try_from_uri(uri)
            .map_err(|error| Problem::bad_request(format!("the query can't be read: {}", error.body_text())))?;
        Ok(read)
    }

    fn scope(&self) -> Result<Scope, Problem> {
        match self.scope.as_deref() {
            None | Some("gateway") => Ok(Scope::Gateway),
            Some("all") => Ok(Scope::All),
            Some(_) => Err(Problem::bad_request("scope: use gateway (what is behind gateways) or all (ports, too)")),
        }
    }
}

/// `GET /v2/fdb`.
pub(super) async fn list(State(app): State<App>, uri: Uri) -> Answer {
    let parameters = Parameters::read(&uri)?;
    refuse_since(&parameters)?;
    let scope = parameters.scope()?;
    let snapshot = app.service.fdb(scope).await?;
    Ok(answer::written("application/json", async move |mut out: Out| {
        write_snapshot(&mut out, &snapshot, scope, true).await?;
        out.flush().await
    }))
}

/// `GET /v2/fdb/{network}`.
pub(super) async fn show(State(app): State<App>, Named(key): Named, uri: Uri) -> Answer {
    let parameters = Parameters::read(&uri)?;
    refuse_since(&parameters)?;
    let scope = parameters.scope()?;
    let (network, revision, rows) = app.service.fdb_of(&key, scope).await?;
    if rows.as_ref().is_none_or(|rows| View::of(rows, scope).is_none()) {
        let (network_id, vni, revision) = (network.id, network.vni, Some(revision));
        let nothing = FdbNetwork { network_id, vni, revision, flood: Vec::new(), entries: Vec::new() };
        return answer::bare(StatusCode::OK, &nothing);
    }
    Ok(answer::written("application/json", async move |mut out: Out| {
        if let Some(view) = rows.as_ref().and_then(|rows| View::of(rows, scope)) {
            write_network(&mut out, view, Some(revision)).await?;
        }
        out.flush().await
    }))
}

fn refuse_since(parameters: &Parameters) -> Result<(), Problem> {
    match parameters.since {
        None => Ok(()),
        Some(_) => Err(Problem::bad_request("since: only /v2/fdb/watch goes on from a revision")),
    }
}

/// `GET /v2/fdb/watch`.
pub(super) async fn watch(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    closing: Option<Extension<Closing>>,
    headers: HeaderMap,
    uri: Uri,
) -> Answer {
    let parameters = Parameters::read(&uri)?;
    let scope = parameters.scope()?;
    // A client that reconnects repeats its first address, and says in the header how far it is.
    let since = match (headers.get("last-event-id"), &parameters.since) {
        (Some(last), _) => Some((last.to_str().unwrap_or_default(), "Last-Event-ID")),
        (None, Some(since)) => Some((since.as_str(), "since")),
        (None, None) => None,
    };
    let since = since.map(|(text, what)| {
        text.parse::<Revision>().map_err(|_| Problem::bad_request(format!("{what}: a revision is a whole number")))
    });
    let since = since.transpose()?;
    let place = app.watchers.enter(caller.host.as_deref());
    let place = place.map_err(|full| Problem::unavailable(full.to_string()))?;
    let first = app.service.fdb(scope).await?;
    let hub = app.service.fdb_changes();
    let closing = closing.map(|Extension(Closing(token))| token).unwrap_or_default();
    let mut response = answer::written("text/event-stream", async move |out: Out| {
        let _place = place;
        let followed = follow(out, &hub, scope, since, first);
        closing.run_until_cancelled(followed).await.unwrap_or(Ok(()))
    });
    response.headers_mut().insert("cache-control", axum::http::HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Writes events until the client goes away. One that is too slow for the changes that are kept gets a snapshot again.
async fn follow(
    mut out: Out,
    hub: &Arc<Hub>,
    scope: Scope,
    since: Option<Revision>,
    first: Snapshot,
) -> Result<(), Gone> {
    let mut news = hub.news();
    out.text.extend_from_slice(b"retry: 1000\n\n");
    // How far the client is, where that wasn't said yet: changes that it doesn't see come with the next event.
    let mut passed: Option<Revision> = None;
    let mut snapshot = Some(first);
    let mut next = match since.and_then(|since| hub.after(since)) {
        Some(next) => {
            snapshot = None;
            next
        }
        None => 0,
    };
    loop {
        if let Some(snapshot) = snapshot.take() {
            out.text.extend_from_slice(format!("id: {}\nevent: snapshot\ndata: ", snapshot.revision).as_bytes());
            write_snapshot(&mut out, &snapshot, scope, false).await?;
            out.text.extend_from_slice(b"\n\n");
            next = snapshot.next;
        }
        news.mark_unchanged();
        match hub.next(next, AT_ONCE) {
            Next::Lost => {
                snapshot = Some(hub.snapshot());
                continue;
            }
            Next::Changes(changes) if changes.is_empty() => {}
            Next::Changes(changes) => {
                for (change, is_last) in changes {
                    next += 1;
                    // An id names a revision of which all was sent.
                    passed = is_last.then_some(change.revision).or(passed);
                    if let Some(text) = change.text(scope) {
                        write_id(&mut out, &mut passed);
                        out.text.extend_from_slice(b"event: change\ndata: ");
                        out.text.extend_from_slice(&text);
                        out.text.extend_from_slice(b"\n\n");
                        out.flush_full().await?;
                    }
                }
                continue;
            }
        }
        out.flush().await?;
        let silence = Instant::now() + KEEP_ALIVE;
        tokio::select! {
            changed = news.changed() => if changed.is_err() { return Ok(()) },
            () = sleep_until(silence) => {
                write_id(&mut out, &mut passed);
                out.text.extend_from_slice(b": keep-alive\n\n");
                out.flush().await?;
            }
            () = out.gone() => return Err(Gone),
        }
    }
}

fn write_id(out: &mut Out, passed: &mut Option<Revision>) {
    if let Some(revision) = passed.take() {
        out.text.extend_from_slice(format!("id: {revision}\n").as_bytes());
    }
}

async fn write_snapshot(out: &mut Out, snapshot: &Snapshot, scope: Scope, revisions: bool) -> Result<(), Gone> {
    out.text.extend_from_slice(format!("{{\"revision\":{},\"networks\":[", snapshot.revision).as_bytes());
    let mut first = true;
    for network in &snapshot.networks {
        let Some(view) = View::of(network, scope) else { continue };
        if !std::mem::take(&mut first) {
            out.text.push(b',');
        }
        write_network(out, view, revisions.then_some(snapshot.revision)).await?;
    }
    out.text.extend_from_slice(b"]}");
    Ok(())
}

async fn write_network(out: &mut Out, view: View<'_>, revision: Option<Revision>) -> Result<(), Gone> {
    view.write_head(&mut out.text, revision);
    for (i, entry) in view.entries().enumerate() {
        if i > 0 {
            out.text.push(b',');
        }
        entry.write(&mut out.text);
        if i % PAGE == PAGE - 1 {
            out.flush_full().await?;
        }
    }
    out.text.extend_from_slice(b"]}");
    out.flush_full().await
}
