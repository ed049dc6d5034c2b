//! Probes, progress and a page for an axum service that migrates its database while it answers.
//!
//! A [`Startup`](dunlin_startup::Startup) runs the migrations in a task of its own; this crate makes routes of it. Nothing is exposed that is not asked for, and
//! each route is also had alone, for a path of one's own.
//!
//! ```no_run
//! # async fn main_(set: dunlin_core::MigrationSet) -> Result<(), Box<dyn std::error::Error>> {
//! use axum::{Router, routing::get};
//! use dunlin_axum::Gate;
//! use dunlin_core::{Direct, Migrator};
//! use dunlin_startup::Startup;
//! use tokio_postgres::NoTls;
//!
//! let connect = Direct::new("host=db user=orders".parse()?, NoTls);
//! let startup = Startup::new(connect, Migrator::new(set)).start();
//!
//! let app = Router::new()
//!     .route("/orders", get(async || "orders"))
//!     // 503 until the schema is there.
//!     .layer(Gate::refuse(&startup))
//!     // /livez, /readyz, /startupz
//!     .merge(dunlin_axum::probes(&startup))
//!     // /internal/migrations as JSON, /internal/migrations/ as a page. Put your authentication before it.
//!     .nest("/internal", dunlin_axum::migrations(&startup));
//!
//! let listener = tokio::net::TcpListener::bind("0.0.0.0:8080").await?;
//! axum::serve(listener, app).await?;
//! # Ok(()) }
//! ```
//!
//! | Route | Answers |
//! |---|---|
//! | [`/livez`](livez) | 200, always and at once |
//! | [`/readyz`](readyz) | 200 while the service may be sent requests, else 503 and why |
//! | [`/startupz`](startupz) | 200 once the start is over, else 503 and why |
//! | [`/migrations`](json()) | the [snapshot](dunlin_startup::Snapshot) as JSON |
//! | [`/migrations/`](page) | the same as a page for people |
//! | [`/migrations/events`](events) | what the page listens to |
//!
//! The page is one document without anything from elsewhere. It works without JavaScript, and updates itself with it; its
//! [policy](content_security_policy) lets nothing else run. It is made of a [`Snapshot`](dunlin_startup::Snapshot) by a pure function, [`document`].

#![deny(missing_docs)]

mod answer;
mod events;
mod gate;
mod migrations;
mod page;
mod page_options;
mod probes;

pub use events::events;
pub use gate::{Gate, Gated};
pub use migrations::{json, migrations, migrations_with, page, page_with};
pub use page::{Updates, content_security_policy, document, fragment};
pub use page_options::PageOptions;
pub use probes::{livez, probes, readyz, startupz};
