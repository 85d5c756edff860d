//! Streams of events ([server-sent events](https://html.spec.whatwg.org/multipage/server-sent-events.html)).

use std::convert::Infallible;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::app::App;
use crate::auth::Caller;
use crate::followers::{Full, Place};
use crate::problem::Problem;

/// Events that are made ahead of who reads them.
const AHEAD: usize = 16;

/// How often something is sent where nothing happens, so that connections stay.
const ALIVE: Duration = Duration::from_secs(15);

/// A client comes again after this, when the stream has broken.
const AGAIN: Duration = Duration::from_secs(2);

/// So often it is looked whether who follows may still do so: another master may have made an end of it.
const LOOK: Duration = Duration::from_secs(30);

/// Where events go. Its other end is gone when the client is.
#[derive(Debug)]
pub(crate) struct Events {
    sender: mpsc::Sender<Event>,
    _place: Place,
}

/// The client has gone.
#[derive(Debug)]
pub(crate) struct Gone;

impl Events {
    pub(crate) async fn send(
        &self,
        name: &str,
        id: Option<String>,
        data: &impl Serialize,
    ) -> Result<(), Gone> {
        let mut event = Event::default().event(name);
        if let Some(id) = id {
            event = event.id(id);
        }
        // What has no form in JSON is nothing of ours.
        let event = event.json_data(data).map_err(|_| Gone)?;
        self.sender.send(event).await.map_err(|_| Gone)
    }

    pub(crate) async fn closed(&self) {
        self.sender.closed().await;
    }
}

/// A stream whose events `make` sends, until that ends, the client goes or may not see it any more, or the service
/// closes.
pub(crate) fn stream<F>(
    app: &App,
    caller: Caller,
    make: impl FnOnce(App, Events) -> F,
) -> Result<Response, Problem>
where
    F: Future<Output = Result<(), Gone>> + Send + 'static,
{
    // Without accounts nobody can be told from anybody else.
    let name = app.accounts.is_some().then_some(caller.name.as_str());
    let place = app.followers.take(name).map_err(full)?;
    let (sender, receiver) = mpsc::channel(AHEAD);
    // Whoever loses the connection asks again by itself.
    let retry = Event::default().retry(AGAIN).comment("welcome");
    let events = Events {
        sender: sender.clone(),
        _place: place,
    };
    let (made, closing) = (make(app.clone(), events), app.closing.clone());
    let app = app.clone();
    tokio::spawn(async move {
        if sender.send(retry).await.is_err() {
            return;
        }
        tokio::select! {
            () = closing.cancelled() => {}
            () = sender.closed() => {}
            () = lost(&app, &caller) => {}
            _ = made => {}
        }
    });
    let events = futures_util::stream::unfold(receiver, |mut receiver| async {
        let event = receiver.recv().await?;
        Some((Ok::<_, Infallible>(event), receiver))
    });
    Ok(Sse::new(events)
        .keep_alive(KeepAlive::new().interval(ALIVE))
        .into_response())
}

/// Why somebody cannot follow something now.
fn full(full: Full) -> Problem {
    match full {
        Full::Whole => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many follow something already",
        ),
        Full::Share(share) => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            format!("you follow {share} things already, and may follow no more"),
        )
        .with_hint("close some of them first"),
    }
}

/// Waits until somebody may not see any more what they could.
async fn lost(app: &App, caller: &Caller) {
    let mut rights = app.rights.subscribe();
    while app.still_has(caller).await {
        tokio::select! {
            _ = rights.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}
