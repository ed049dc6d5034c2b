use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Method, Request, StatusCode, header};
use dunlin::BoxError;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::time::timeout;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends JSON, and gets some. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Client(legacy::Client<HttpConnector, Full<Bytes>>);

impl Default for Client {
    fn default() -> Self {
        Self(legacy::Client::builder(TokioExecutor::new()).build_http())
    }
}

impl Client {
    /// Sends a request, and waits for the whole answer: ten seconds at most. An answer that is no JSON is a string.
    ///
    /// # Errors
    ///
    /// If there is no answer.
    pub async fn send(
        &self,
        method: Method,
        url: &str,
        body: Option<Value>,
    ) -> Result<(StatusCode, Value), BoxError> {
        let request =
            Request::builder().method(method).uri(url).header(header::CONTENT_TYPE, "application/json");
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        let answer = async {
            let response = self.0.request(request.body(Full::new(body))?).await?;
            let status = response.status();
            let bytes = response.into_body().collect().await?.to_bytes();
            let text = || String::from_utf8_lossy(&bytes).into_owned();
            Ok((status, serde_json::from_slice(&bytes).unwrap_or_else(|_| text().into())))
        };
        timeout(PATIENCE, answer).await?
    }

    /// [`send`](Self::send) with nothing to say.
    ///
    /// # Errors
    ///
    /// If there is no answer.
    pub async fn get(&self, url: &str) -> Result<(StatusCode, Value), BoxError> {
        self.send(Method::GET, url, None).await
    }
}
