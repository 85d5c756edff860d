//! Streams of events ([server-sent events](https://html.spec.whatwg.org/multipage/server-sent-events.html)).

use std::convert::Infallible;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::app::App;
use crate::problem::Problem;

/// Events that are made ahead of who reads them.
const AHEAD: usize = 16;

/// How often something is sent where nothing happens, so that connections stay.
const ALIVE: Duration = Duration::from_secs(15);

/// A client comes again after this, when the stream has broken.
const AGAIN: Duration = Duration::from_secs(2);

/// Where events go. Its other end is gone when the client is.
#[derive(Debug)]
pub(crate) struct Events {
    sender: mpsc::Sender<Event>,
    _place: OwnedSemaphorePermit,
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

/// A stream whose events `make` sends, until that ends, the client goes, or the service closes.
pub(crate) fn stream<F>(app: &App, make: impl FnOnce(App, Events) -> F) -> Result<Response, Problem>
where
    F: Future<Output = Result<(), Gone>> + Send + 'static,
{
    let place = app.followers.clone().try_acquire_owned().map_err(|_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many follow something already",
        )
    })?;
    let (sender, receiver) = mpsc::channel(AHEAD);
    // Whoever loses the connection asks again by itself.
    let retry = Event::default().retry(AGAIN).comment("welcome");
    let events = Events {
        sender: sender.clone(),
        _place: place,
    };
    let (made, closing) = (make(app.clone(), events), app.closing.clone());
    tokio::spawn(async move {
        if sender.send(retry).await.is_err() {
            return;
        }
        tokio::select! {
            () = closing.cancelled() => {}
            () = sender.closed() => {}
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
