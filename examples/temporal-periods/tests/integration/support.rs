//! What several topics need: databases with the old schema, and what is in them.

use dunlin::{Error, Report, Target};
use dunlin_test::{Database, Server};
use temporal_periods::{Generator, OLD_SCHEMA, migrator};
use tokio_postgres::{Client, NoTls};

/// A database with the old schema, and so many contents.
pub(crate) async fn filled(contents: u64) -> (Database, Client) {
    filled_with(Generator::new(contents, 7)).await
}

/// The same, with other contents.
pub(crate) async fn filled_with(generator: Generator) -> (Database, Client) {
    let database = Server::shared().await.unwrap().create_database().await.unwrap();
    migrate(&database, OLD_SCHEMA).await.unwrap();
    let mut client = database.connect().await.unwrap();
    generator.fill(&mut client, |_| ()).await.unwrap();
    (database, client)
}

/// The same, with the whole layer.
pub(crate) async fn migrated(contents: u64) -> (Database, Client) {
    let (database, client) = filled(contents).await;
    migrate(&database, Target::Latest).await.unwrap();
    (database, client)
}

/// What the service does first.
pub(crate) async fn migrate(database: &Database, target: Target) -> Result<Report, Error> {
    dunlin::migrate_to(&database.config(), NoTls, &migrator(), target).await
}

/// The rows of a query, each as a text.
pub(crate) async fn rows(client: &Client, sql: &str) -> Vec<String> {
    let rows = client.query(&format!("SELECT r::text FROM ({sql}) AS r"), &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// The one number that a query gives.
pub(crate) async fn number(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// All that the old schema holds.
pub(crate) async fn old_rows(client: &Client) -> Vec<String> {
    let mut all = Vec::new();
    for sql in [
        "SELECT id, name, keywords, summary_data, created_at, deleted_at FROM topics ORDER BY id",
        "SELECT id, handle, summary_data, created_at, deleted_at FROM users ORDER BY id",
        "SELECT id, entity_type, entity_id, title, body, engagement, published_at, crawled_at FROM contents ORDER BY id",
        "SELECT * FROM tasks ORDER BY id",
        "SELECT * FROM chat_messages ORDER BY id",
    ] {
        all.extend(rows(client, sql).await);
    }
    all
}

/// All that the layer holds, but for the numbers of periods and the times at which rows were written.
pub(crate) async fn new_rows(client: &Client) -> Vec<String> {
    let mut all = Vec::new();
    for sql in [
        "SELECT entity_type, entity_id, period_number, extract(epoch FROM started_at), extract(epoch FROM ended_at),
            duration_hours, content_count, status, insights, metrics, metrics_delta
        FROM analysis_periods ORDER BY entity_type, entity_id, period_number",
        "SELECT 'topic', e.id, e.current_period_number, p.period_number, e.total_periods,
            extract(epoch FROM e.first_analysis_at), e.avg_period_duration_hours
        FROM topics AS e LEFT JOIN analysis_periods AS p ON (p.id, p.entity_type, p.entity_id) = (e.last_period_id, 'topic', e.id)
        ORDER BY e.id",
        "SELECT 'user', e.id, e.current_period_number, p.period_number, e.total_periods,
            extract(epoch FROM e.first_analysis_at), e.avg_period_duration_hours
        FROM users AS e LEFT JOIN analysis_periods AS p ON (p.id, p.entity_type, p.entity_id) = (e.last_period_id, 'user', e.id)
        ORDER BY e.id",
        "SELECT c.id, p.entity_type, p.entity_id, p.period_number
        FROM contents AS c LEFT JOIN analysis_periods AS p ON p.id = c.analysis_period_id ORDER BY c.id",
    ] {
        all.extend(rows(client, sql).await);
    }
    all
}

/// All causes of an error in one text.
pub(crate) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut error = error;
    while let Some(source) = error.source() {
        text.push_str(&format!(": {source}"));
        error = source;
    }
    text
}
