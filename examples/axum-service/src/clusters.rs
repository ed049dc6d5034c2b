//! What a conversation is about.

use axum::Json;
use axum::extract::{Path, State};
use deadpool_postgres::Pool;
use serde::Serialize;
use uuid::Uuid;

use crate::ApiError;

#[derive(Debug, Serialize)]
pub(crate) struct Cluster {
    id: Uuid,
    label: String,
    nodes: i64,
}

/// The clusters of a conversation, the largest first.
pub(crate) async fn list(
    State(pool): State<Pool>,
    Path(conversation): Path<Uuid>,
) -> Result<Json<Vec<Cluster>>, ApiError> {
    let select = "SELECT clusters.id, clusters.label, count(nodes.id) AS nodes
        FROM clusters LEFT JOIN nodes ON cluster_id = clusters.id
        WHERE clusters.conversation_id = $1 GROUP BY clusters.id ORDER BY nodes DESC, lower(clusters.label)";
    let client = pool.get().await?;
    let mut clusters = Vec::new();
    for row in client.query(&client.prepare_cached(select).await?, &[&conversation]).await? {
        clusters.push(Cluster {
            id: row.try_get("id")?,
            label: row.try_get("label")?,
            nodes: row.try_get("nodes")?,
        });
    }
    Ok(Json(clusters))
}
