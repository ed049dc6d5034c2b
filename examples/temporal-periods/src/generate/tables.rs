use fastrand::Rng;
use futures_util::pin_mut;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use crate::generate::cast::Cast;
use crate::generate::contents::Content;
use crate::generate::documents::document;
use crate::generate::words::{phrase, sentence};

/// How many contents are written between two words about it.
const TOLD: u64 = 1_000;

/// What fills the tables.
pub(super) struct Tables<'a> {
    pub(super) client: &'a Client,
    pub(super) cast: &'a Cast,
    pub(super) contents: u64,
}

impl Tables<'_> {
    pub(super) async fn contents(&self, rng: &mut Rng, tell: impl Fn(u64)) -> Result<(), Error> {
        let into =
            "COPY contents (id, entity_type, entity_id, title, body, engagement, published_at, crawled_at)
            FROM STDIN (FORMAT binary)";
        let types = [
            Type::INT8,
            Type::TEXT,
            Type::INT8,
            Type::TEXT,
            Type::TEXT,
            Type::JSONB,
            Type::TIMESTAMPTZ,
            Type::TIMESTAMPTZ,
        ];
        let rows = BinaryCopyInWriter::new(self.client.copy_in(into).await?, &types);
        pin_mut!(rows);
        for number in 0..self.contents {
            let content = Content::of(number, self.contents, self.cast, rng);
            let Content { id, entity, title, body, engagement, published_at, crawled_at } = &content;
            let row: [&(dyn ToSql + Sync); 8] =
                [id, &entity.entity_type, &entity.id, title, body, engagement, published_at, crawled_at];
            rows.as_mut().write(&row).await?;
            if number % TOLD == 0 {
                tell(number);
            }
        }
        rows.finish().await?;
        tell(self.contents);
        Ok(())
    }

    pub(super) async fn topics_and_users(&self, rng: &mut Rng) -> Result<(), Error> {
        let topics = self.client
        .prepare("INSERT INTO topics (id, name, keywords, summary_data, deleted_at, created_at)
            VALUES ($1, $2, string_to_array($2, ' '), $3::text::jsonb, CASE WHEN $4 THEN timestamptz '2024-06-01 00:00+09' END, timestamptz '2023-11-01 00:00Z' + $1::bigint * interval '1 min')")
        .await?;
        for topic in self.cast.topics() {
            let (name, document) = (phrase(rng, 2), document(topic.id, rng));
            self.client.execute(&topics, &[&topic.id, &name, &document, &topic.is_marked()]).await?;
        }
        let users = self
            .client
            .prepare(
                "INSERT INTO users (id, handle, summary_data, deleted_at, created_at)
            VALUES ($1, $2, $3::text::jsonb, CASE WHEN $4 THEN timestamptz '2024-06-01 00:00-03:30' END, timestamptz '2023-11-02 00:00Z' + $1::bigint * interval '1 min')",
            )
            .await?;
        for user in self.cast.users() {
            let (name, document) = (format!("{} {}", phrase(rng, 1), user.id), document(user.id, rng));
            self.client.execute(&users, &[&user.id, &name, &document, &user.is_marked()]).await?;
        }
        Ok(())
    }

    /// As texts, as an old program may well have written them: in the zone of wherever it ran.
    pub(super) async fn tasks(&self, rng: &mut Rng) -> Result<(), Error> {
        const ZONES: [&str; 5] = ["Z", "+05:45", "-03:30", "+14", "-12"];
        let (mut types, mut ids, mut found, mut times) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for number in 0..(self.contents / 20).clamp(3, 20_000) {
            let entity = self.cast.entity(number, rng);
            types.push(entity.entity_type);
            ids.push(entity.id);
            found.push(rng.i32(..50));
            let zone = rng.choice(ZONES).unwrap_or_default();
            times.push(format!(
                "2024-{:02}-{:02}T{:02}:30:00{zone}",
                rng.u8(1..=12),
                rng.u8(1..=28),
                rng.u8(..24)
            ));
        }
        let insert =
            "INSERT INTO tasks (entity_type, entity_id, status, contents_found, started_at, finished_at)
            SELECT t, id, 'done', greatest(found, 0), at::timestamptz, at::timestamptz + interval '90 s'
            FROM unnest($1::text[], $2::bigint[], $3::integer[], $4::text[]) AS task (t, id, found, at)";
        self.client.execute(insert, &[&types, &ids, &found, &times]).await?;
        Ok(())
    }

    pub(super) async fn chat_messages(&self, rng: &mut Rng) -> Result<(), Error> {
        let (mut topics, mut bodies) = (Vec::new(), Vec::new());
        for topic in self.cast.topics() {
            topics.push((!topic.is_marked()).then_some(topic.id));
            bodies.push(sentence(rng));
        }
        let insert = "INSERT INTO chat_messages (topic_id, role, body, sent_at)
            SELECT topic, role, body, timestamptz '2024-12-01 00:00Z' + number * interval '1 min'
            FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS message (topic, body, number),
                unnest(ARRAY['person', 'assistant']) AS role";
        self.client.execute(insert, &[&topics, &bodies]).await?;
        Ok(())
    }

    /// The next rows come after these.
    pub(super) async fn set_sequences(&self) -> Result<(), Error> {
        let sequences = "SELECT setval(pg_get_serial_sequence('topics', 'id'), max(id)) FROM topics;
            SELECT setval(pg_get_serial_sequence('users', 'id'), max(id)) FROM users;
            SELECT setval(pg_get_serial_sequence('contents', 'id'), max(id)) FROM contents;";
        self.client.batch_execute(sequences).await
    }
}
