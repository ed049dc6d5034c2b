use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{self, Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::uri::{Authority, PathAndQuery, Scheme, Uri};
use axum::response::{IntoResponse, Response};
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::fleet::{Client, Process};

/// How often replicas are asked whether they are ready.
const PAUSE: Duration = Duration::from_millis(20);
/// After so long without an answer one is not.
const PATIENCE: Duration = Duration::from_secs(1);
/// How large a request may be.
const LARGEST: usize = 1 << 20;

/// Sends each request to the next replica that is ready.
///
/// It knows of a replica what `/readyz` says, and nothing else: one that is told to end says no, and gets no more.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    replicas: Arc<Replicas>,
    serving: JoinHandle<()>,
}

#[derive(Debug)]
struct Replicas {
    all: Mutex<Vec<Arc<Behind>>>,
    next: AtomicUsize,
    client: legacy::Client<HttpConnector, Full<Bytes>>,
}

#[derive(Debug)]
struct Behind {
    address: SocketAddr,
    is_ready: AtomicBool,
    asking: Mutex<Option<JoinHandle<()>>>,
}

impl Proxy {
    /// A proxy on a free port of this machine, with nobody behind it.
    ///
    /// # Errors
    ///
    /// If there is no port.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let client = legacy::Client::builder(TokioExecutor::new()).build_http();
        let replicas = Arc::new(Replicas { all: Mutex::default(), next: AtomicUsize::new(0), client });
        let routes = Router::new().fallback(forward).with_state(Arc::clone(&replicas));
        let serving = tokio::spawn(async move {
            // It ends with the proxy.
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self { address, replicas, serving })
    }

    /// Where it listens: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Puts a replica behind it. It gets requests when it is ready.
    pub fn add(&self, replica: &Process) {
        let behind = Arc::new(Behind {
            address: replica.address(),
            is_ready: AtomicBool::new(false),
            asking: Mutex::default(),
        });
        let asked = Arc::clone(&behind);
        let asking = tokio::spawn(async move {
            let client = Client::default();
            let url = format!("http://{}/readyz", asked.address);
            loop {
                let answer = timeout(PATIENCE, client.get(&url)).await;
                let is_ready = matches!(answer, Ok(Ok((StatusCode::OK, _))));
                asked.is_ready.store(is_ready, Ordering::Relaxed);
                sleep(PAUSE).await;
            }
        });
        *behind.asking.lock().unwrap_or_else(PoisonError::into_inner) = Some(asking);
        self.replicas.lock().push(behind);
    }

    /// Forgets a replica that has ended.
    pub fn remove(&self, replica: SocketAddr) {
        self.replicas.lock().retain(|behind| behind.address != replica);
    }

    /// How many are ready, as far as it knows.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.replicas.ready().len()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
        self.replicas.lock().clear();
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        let asking = self.asking.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(asking) = asking.take() {
            asking.abort();
        }
    }
}

impl Replicas {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Behind>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that are ready, another one first each time.
    fn ready(&self) -> Vec<Arc<Behind>> {
        let mut ready: Vec<_> = self.lock().clone();
        ready.retain(|behind| behind.is_ready.load(Ordering::Relaxed));
        if !ready.is_empty() {
            let turn = self.next.fetch_add(1, Ordering::Relaxed) % ready.len();
            ready.rotate_left(turn);
        }
        ready
    }
}

async fn forward(State(replicas): State<Arc<Replicas>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = body::to_bytes(body, LARGEST).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    for replica in replicas.ready() {
        let Some(uri) = at(&replica, head.uri.path_and_query()) else { continue };
        let mut request = Request::new(Full::new(body.clone()));
        (*request.method_mut(), *request.uri_mut()) = (head.method.clone(), uri);
        *request.headers_mut() = head.headers.clone();
        match replicas.client.request(request).await {
            Ok(response) => return response.map(Body::new),
            // It is gone, and has not seen the request: another one may.
            Err(error) if error.is_connect() => replica.is_ready.store(false, Ordering::Relaxed),
            Err(error) => {
                tracing::warn!("a replica has not answered: {error}");
                return StatusCode::BAD_GATEWAY.into_response();
            }
        }
    }
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

fn at(replica: &Behind, path: Option<&PathAndQuery>) -> Option<Uri> {
    let authority: Authority = replica.address.to_string().parse().ok()?;
    let path = path.cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    Uri::builder().scheme(Scheme::HTTP).authority(authority).path_and_query(path).build().ok()
}
