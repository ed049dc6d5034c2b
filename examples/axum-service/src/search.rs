//! Full text search.

use axum::Json;
use axum::extract::{Query, State};
use deadpool_postgres::Pool;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{ApiError, Release};

#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    q: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Found {
    utterance: Uuid,
    conversation: Uuid,
    speaker: String,
    content: String,
}

/// Finds at most twenty, the latest first. Release 2 knows English, and finds who has said it as well.
pub(crate) async fn search(
    State(pool): State<Pool>,
    State(release): State<Release>,
    Query(Wanted { q }): Query<Wanted>,
) -> Result<Json<Vec<Found>>, ApiError> {
    let select = match release.counts_words() {
        false => {
            "SELECT id, conversation_id, speaker, content FROM utterances
            WHERE search @@ websearch_to_tsquery('simple', $1) ORDER BY spoken_at DESC, id LIMIT 20"
        }
        true => {
            "SELECT id, conversation_id, speaker, content FROM utterances
            WHERE to_tsvector('english', speaker || ': ' || content) @@ websearch_to_tsquery('english', $1)
            ORDER BY spoken_at DESC, id LIMIT 20"
        }
    };
    let client = pool.get().await?;
    let mut found = Vec::new();
    for row in client.query(&client.prepare_cached(select).await?, &[&q]).await? {
        found.push(Found {
            utterance: row.try_get("id")?,
            conversation: row.try_get("conversation_id")?,
            speaker: row.try_get("speaker")?,
            content: row.try_get("content")?,
        });
    }
    Ok(Json(found))
}
