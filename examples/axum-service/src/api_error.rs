use std::error::Error;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use deadpool_postgres::PoolError;
use serde_json::json;

/// Why a request is not done. As a response it is `{"error": "..."}`, in which there is nothing of the database's own.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// Nothing has the id.
    #[error("there is no such {0}")]
    NoSuch(&'static str),
    /// It breaks a rule.
    #[error("{0}")]
    Refused(&'static str),
    /// The release does not do this yet.
    #[error("this release has no {0}")]
    NotYet(&'static str),
    /// There is no connection to be had.
    #[error("the service is busy")]
    Busy(#[from] PoolError),
    /// Something else, which is nobody's fault who has asked.
    #[error("the database does not do what it should")]
    Database(#[source] tokio_postgres::Error),
}

/// The rules are constraints, and their names say which of them was broken.
impl From<tokio_postgres::Error> for ApiError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error().and_then(|error| error.constraint()) {
            Some("conversations_have_a_title") => Self::Refused("a conversation has a title"),
            Some("conversations_metadata") => Self::Refused("metadata is an object"),
            Some("utterances_have_a_speaker") => Self::Refused("somebody has said it"),
            Some("utterances_have_a_content") => Self::Refused("something was said"),
            Some("nodes_kind") => Self::Refused("a node is a person, a place, a thing or an idea"),
            Some("nodes_have_a_label") => Self::Refused("a node has a label"),
            Some("nodes_attributes") => Self::Refused("attributes are an object"),
            Some("clusters_have_a_label") => Self::Refused("a cluster has a label"),
            Some("relationships_weight") => Self::Refused("a weight is more than 0 and at most 1"),
            Some("relationships_join_two_nodes") => Self::Refused("a relationship joins two nodes"),
            Some("relationships_have_a_kind") => Self::Refused("a relationship has a kind"),
            Some("edits_log_changes") => Self::Refused("an edit changes something"),
            Some("bookmarks_utterance") => Self::NoSuch("utterance"),
            _ => Self::Database(error),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::NoSuch(_) => StatusCode::NOT_FOUND,
            Self::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotYet(_) => StatusCode::NOT_IMPLEMENTED,
            Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Database(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status.is_server_error() {
            // A database error's own text may quote a row: its code is enough to begin with.
            let code = self.source().and_then(|error| error.downcast_ref::<tokio_postgres::Error>());
            let code = code.and_then(tokio_postgres::Error::code).map(|code| code.code());
            tracing::error!(code, "{self}");
        }
        (status, Json(json!({ "error": self.to_string() }))).into_response()
    }
}
