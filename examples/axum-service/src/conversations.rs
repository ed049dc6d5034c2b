//! A conversation, and the whole of it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use deadpool_postgres::Pool;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{ApiError, Release, count_words};

#[derive(Debug, Deserialize)]
pub(crate) struct New {
    title: String,
    #[serde(default)]
    metadata: Map<String, Value>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Thread {
    id: Uuid,
    title: String,
    metadata: Value,
    utterances: Vec<Utterance>,
    nodes: Vec<Node>,
    relationships: Vec<Relationship>,
}

#[derive(Debug, Serialize)]
struct Utterance {
    id: Uuid,
    position: i32,
    speaker: String,
    content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bookmark: Option<String>,
}

#[derive(Debug, Serialize)]
struct Node {
    id: Uuid,
    kind: String,
    label: String,
    attributes: Value,
    cluster: Option<String>,
}

#[derive(Debug, Serialize)]
struct Relationship {
    source: Uuid,
    target: Uuid,
    kind: String,
    weight: f32,
}

pub(crate) async fn create(
    State(pool): State<Pool>,
    Json(New { title, metadata }): Json<New>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let client = pool.get().await?;
    let insert = client
        .prepare_cached("INSERT INTO conversations (title, metadata) VALUES ($1, $2) RETURNING id")
        .await?;
    let row = client.query_one(&insert, &[&title, &Value::Object(metadata)]).await?;
    Ok((StatusCode::CREATED, Json(json!({ "id": row.try_get::<_, Uuid>(0)? }))))
}

/// One snapshot of a conversation with all that belongs to it.
pub(crate) async fn read(
    State(pool): State<Pool>,
    State(release): State<Release>,
    Path(id): Path<Uuid>,
) -> Result<Json<Thread>, ApiError> {
    let mut client = pool.get().await?;
    let level = tokio_postgres::IsolationLevel::RepeatableRead;
    let snapshot = client.build_transaction().isolation_level(level).read_only(true).start().await?;

    let select = snapshot.prepare_cached("SELECT title, metadata FROM conversations WHERE id = $1").await?;
    let conversation = snapshot.query_opt(&select, &[&id]).await?.ok_or(ApiError::NoSuch("conversation"))?;

    let select = match release.counts_words() {
        false => {
            "SELECT id, position, speaker, content, NULL::integer AS words, NULL AS note
            FROM utterances WHERE conversation_id = $1 ORDER BY position"
        }
        true => {
            "SELECT id, position, speaker, content, words, note
            FROM utterances LEFT JOIN bookmarks ON utterance_id = id
            WHERE conversation_id = $1 ORDER BY position"
        }
    };
    let mut utterances = Vec::new();
    for row in snapshot.query(&snapshot.prepare_cached(select).await?, &[&id]).await? {
        let content: String = row.try_get("content")?;
        // What release 1 has written has not been counted yet.
        let counted: Option<i32> = row.try_get("words")?;
        let words = release
            .counts_words()
            .then(|| counted.filter(|words| *words >= 0).unwrap_or_else(|| count_words(&content)));
        utterances.push(Utterance {
            id: row.try_get("id")?,
            position: row.try_get("position")?,
            speaker: row.try_get("speaker")?,
            content,
            words,
            bookmark: row.try_get("note")?,
        });
    }

    let select = "SELECT nodes.id, kind, nodes.label, attributes, clusters.label AS cluster
        FROM nodes LEFT JOIN clusters ON clusters.id = cluster_id
        WHERE nodes.conversation_id = $1 ORDER BY kind, lower(nodes.label)";
    let mut nodes = Vec::new();
    for row in snapshot.query(&snapshot.prepare_cached(select).await?, &[&id]).await? {
        nodes.push(Node {
            id: row.try_get("id")?,
            kind: row.try_get("kind")?,
            label: row.try_get("label")?,
            attributes: row.try_get("attributes")?,
            cluster: row.try_get("cluster")?,
        });
    }

    let select = "SELECT source_id, target_id, relationships.kind, weight
        FROM relationships JOIN nodes ON nodes.id = source_id
        WHERE conversation_id = $1 ORDER BY source_id, target_id, relationships.kind";
    let mut relationships = Vec::new();
    for row in snapshot.query(&snapshot.prepare_cached(select).await?, &[&id]).await? {
        relationships.push(Relationship {
            source: row.try_get("source_id")?,
            target: row.try_get("target_id")?,
            kind: row.try_get("kind")?,
            weight: row.try_get("weight")?,
        });
    }

    let (title, metadata) = (conversation.try_get("title")?, conversation.try_get("metadata")?);
    snapshot.commit().await?;
    Ok(Json(Thread { id, title, metadata, utterances, nodes, relationships }))
}
