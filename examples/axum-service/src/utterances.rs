//! What somebody has said, and what was meant by it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use deadpool_postgres::{Pool, Transaction};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{ApiError, Release, count_words};

#[derive(Debug, Deserialize)]
pub(crate) struct New {
    speaker: String,
    content: String,
    #[serde(default)]
    nodes: Vec<NewNode>,
    #[serde(default)]
    relationships: Vec<NewRelationship>,
}

#[derive(Debug, Deserialize)]
struct NewNode {
    kind: String,
    label: String,
    #[serde(default)]
    attributes: Map<String, Value>,
    cluster: Option<String>,
}

/// Between two of the nodes that come with it, by their places in that list.
#[derive(Debug, Deserialize)]
struct NewRelationship {
    source: usize,
    target: usize,
    kind: String,
    #[serde(default = "one")]
    weight: f32,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Edit {
    content: String,
    reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Bookmark {
    #[serde(default)]
    note: String,
}

fn one() -> f32 {
    1.0
}

/// Adds an utterance with its nodes and their relationships: all of it or nothing.
pub(crate) async fn add(
    State(pool): State<Pool>,
    State(release): State<Release>,
    Path(conversation): Path<Uuid>,
    Json(new): Json<New>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    said(&new.content)?;
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;

    // The next one waits here, so that positions have no holes and nodes no rivals.
    let next = "UPDATE conversations SET last_position = last_position + 1, updated_at = now()
        WHERE id = $1 RETURNING last_position";
    let next = transaction.query_opt(&transaction.prepare_cached(next).await?, &[&conversation]).await?;
    let position: i32 = next.ok_or(ApiError::NoSuch("conversation"))?.try_get(0)?;

    let New { speaker, content, nodes, relationships } = new;
    let row = match release.counts_words() {
        false => {
            let insert = "INSERT INTO utterances (conversation_id, position, speaker, content)
                VALUES ($1, $2, $3, $4) RETURNING id";
            let insert = transaction.prepare_cached(insert).await?;
            transaction.query_one(&insert, &[&conversation, &position, &speaker, &content]).await?
        }
        true => {
            let insert = "INSERT INTO utterances (conversation_id, position, speaker, content, words)
                VALUES ($1, $2, $3, $4, $5) RETURNING id";
            let insert = transaction.prepare_cached(insert).await?;
            let words = count_words(&content);
            transaction.query_one(&insert, &[&conversation, &position, &speaker, &content, &words]).await?
        }
    };
    let id: Uuid = row.try_get(0)?;

    let mut ids = Vec::new();
    for node in nodes {
        ids.push(add_node(&transaction, conversation, id, node).await?);
    }
    for NewRelationship { source, target, kind, weight } in relationships {
        let (Some(source), Some(target)) = (ids.get(source), ids.get(target)) else {
            return Err(ApiError::Refused("a relationship is between nodes that come with it"));
        };
        let insert = "INSERT INTO relationships (source_id, target_id, kind, weight) VALUES ($1, $2, $3, $4)
            ON CONFLICT (source_id, target_id, kind) DO UPDATE SET weight = EXCLUDED.weight";
        let insert = transaction.prepare_cached(insert).await?;
        transaction.execute(&insert, &[source, target, &kind, &weight]).await?;
    }
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(json!({ "id": id, "position": position, "nodes": ids }))))
}

/// A node that was spoken of before stays the one that it was, and learns what is new about it.
async fn add_node(
    transaction: &Transaction<'_>,
    conversation: Uuid,
    utterance: Uuid,
    node: NewNode,
) -> Result<Uuid, ApiError> {
    let NewNode { kind, label, attributes, cluster } = node;
    let cluster: Option<Uuid> = match cluster {
        None => None,
        Some(label) => {
            let upsert = "INSERT INTO clusters (conversation_id, label) VALUES ($1, $2)
                ON CONFLICT (conversation_id, lower(label)) DO UPDATE SET label = clusters.label RETURNING id";
            let upsert = transaction.prepare_cached(upsert).await?;
            Some(transaction.query_one(&upsert, &[&conversation, &label]).await?.try_get(0)?)
        }
    };
    let upsert = "INSERT INTO nodes (conversation_id, utterance_id, cluster_id, kind, label, attributes)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (conversation_id, kind, lower(label)) DO UPDATE SET
            attributes = nodes.attributes || EXCLUDED.attributes,
            cluster_id = coalesce(EXCLUDED.cluster_id, nodes.cluster_id)
        RETURNING id";
    let upsert = transaction.prepare_cached(upsert).await?;
    let attributes = Value::Object(attributes);
    let row = transaction
        .query_one(&upsert, &[&conversation, &utterance, &cluster, &kind, &label, &attributes])
        .await?;
    Ok(row.try_get(0)?)
}

/// Says something otherwise, and writes down what it was.
pub(crate) async fn edit(
    State(pool): State<Pool>,
    State(release): State<Release>,
    Path(id): Path<Uuid>,
    Json(Edit { content, reason }): Json<Edit>,
) -> Result<StatusCode, ApiError> {
    said(&content)?;
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;

    let lock = transaction.prepare_cached("SELECT content FROM utterances WHERE id = $1 FOR UPDATE").await?;
    let row = transaction.query_opt(&lock, &[&id]).await?.ok_or(ApiError::NoSuch("utterance"))?;
    let before: String = row.try_get(0)?;

    let log = "INSERT INTO edits_log (utterance_id, before, after, reason) VALUES ($1, $2, $3, $4)";
    let log = transaction.prepare_cached(log).await?;
    transaction.execute(&log, &[&id, &before, &content, &reason]).await?;

    match release.counts_words() {
        false => {
            let update = "UPDATE utterances SET content = $2 WHERE id = $1";
            transaction.execute(&transaction.prepare_cached(update).await?, &[&id, &content]).await?
        }
        true => {
            let update = "UPDATE utterances SET content = $2, words = $3 WHERE id = $1";
            let words = count_words(&content);
            let update = transaction.prepare_cached(update).await?;
            transaction.execute(&update, &[&id, &content, &words]).await?
        }
    };
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn bookmark(
    State(pool): State<Pool>,
    State(release): State<Release>,
    Path(id): Path<Uuid>,
    Json(Bookmark { note }): Json<Bookmark>,
) -> Result<StatusCode, ApiError> {
    if !release.counts_words() {
        return Err(ApiError::NotYet("bookmarks"));
    }
    let client = pool.get().await?;
    let upsert = "INSERT INTO bookmarks (utterance_id, note) VALUES ($1, $2)
        ON CONFLICT (utterance_id) DO UPDATE SET note = EXCLUDED.note";
    client.execute(&client.prepare_cached(upsert).await?, &[&id, &note]).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Release 1 sees to it here, from release 2 on the database does.
fn said(content: &str) -> Result<(), ApiError> {
    if content.is_empty() { Err(ApiError::Refused("something was said")) } else { Ok(()) }
}
