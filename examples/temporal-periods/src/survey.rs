use std::fmt;

use tokio_postgres::{Client, Error};

/// What there is, before and after: counts of the old tables, by what the temporal layer makes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survey {
    /// All topics.
    pub topics: i64,
    /// Those that have contents.
    pub topics_with_contents: i64,
    /// All users.
    pub users: i64,
    /// Those that have contents.
    pub users_with_contents: i64,
    /// Topics and users with contents that are marked as deleted.
    pub marked_with_contents: i64,
    /// All contents.
    pub contents: i64,
    /// Those whose topic or user is gone.
    pub contents_of_nobody: i64,
    /// Tasks.
    pub tasks: i64,
    /// Chat messages.
    pub chat_messages: i64,
}

impl Survey {
    /// Counts.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn read(client: &Client) -> Result<Self, Error> {
        let sql = "WITH entities AS MATERIALIZED (
                SELECT e.*, EXISTS (SELECT FROM contents AS c WHERE (c.entity_type, c.entity_id) = (e.entity_type, e.id)) AS has_contents
                FROM (
                    SELECT 'topic' AS entity_type, id, deleted_at IS NOT NULL AS is_marked FROM topics
                    UNION ALL SELECT 'user', id, deleted_at IS NOT NULL FROM users
                ) AS e
            )
            SELECT count(*) FILTER (WHERE entity_type = 'topic'), count(*) FILTER (WHERE entity_type = 'topic' AND has_contents),
                count(*) FILTER (WHERE entity_type = 'user'), count(*) FILTER (WHERE entity_type = 'user' AND has_contents),
                count(*) FILTER (WHERE is_marked AND has_contents),
                (SELECT count(*) FROM contents),
                (SELECT count(*) FROM contents AS c LEFT JOIN entities AS e ON (e.entity_type, e.id) = (c.entity_type, c.entity_id)
                    WHERE e.id IS NULL),
                (SELECT count(*) FROM tasks), (SELECT count(*) FROM chat_messages)
            FROM entities";
        let row = client.query_one(sql, &[]).await?;
        Ok(Self {
            topics: row.try_get(0)?,
            topics_with_contents: row.try_get(1)?,
            users: row.try_get(2)?,
            users_with_contents: row.try_get(3)?,
            marked_with_contents: row.try_get(4)?,
            contents: row.try_get(5)?,
            contents_of_nobody: row.try_get(6)?,
            tasks: row.try_get(7)?,
            chat_messages: row.try_get(8)?,
        })
    }
}

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topics, topics_with_contents, users, users_with_contents, marked_with_contents, .. } =
            self;
        writeln!(f, "{:<15}{:>9}, {topics_with_contents} with contents", "topics", topics)?;
        writeln!(f, "{:<15}{:>9}, {users_with_contents} with contents", "users", users)?;
        writeln!(f, "{:<15}{:>9} of both, with contents", "  deleted", marked_with_contents)?;
        writeln!(f, "{:<15}{:>9}, {} of nobody", "contents", self.contents, self.contents_of_nobody)?;
        writeln!(f, "{:<15}{:>9}", "tasks", self.tasks)?;
        write!(f, "{:<15}{:>9}", "chat messages", self.chat_messages)
    }
}
