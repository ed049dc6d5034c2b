use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dunlin_startup::Startup;
use serde::Serialize;

/// What machines are told that ask whether the service is ready.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    ready: bool,
    phase: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Answer {
    /// That of this moment. It asks nobody.
    pub(crate) fn of(startup: &Startup) -> Self {
        let ready = startup.is_ready();
        let phase = startup.phase();
        let reason = (!ready).then(|| startup.reason().unwrap_or_else(|| phase.to_string()));
        Self { ready, phase: phase.as_str(), reason }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready
    }

    pub(crate) fn respond(&self, status: StatusCode) -> Response {
        let mut response = json(self);
        *response.status_mut() = status;
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// A value as JSON that nobody keeps.
pub(crate) fn json(value: &impl Serialize) -> Response {
    // Numbers, texts and lists can be written.
    let body = serde_json::to_vec(value).unwrap_or_default();
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (headers, body).into_response()
}
