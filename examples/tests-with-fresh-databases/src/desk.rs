use std::time::SystemTime;

use deadpool_postgres::Pool;

use crate::{DeskError, Member, Tool};

/// How many tools a member may have at once.
const MOST: i64 = 3;

/// What the service does all day. Clones share the pool.
#[derive(Clone, Debug)]
pub struct Desk {
    pool: Pool,
}

/// # Errors
///
/// What they return says which rule was broken: [`DeskError`].
impl Desk {
    /// A desk on a database that is migrated.
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Takes a new member in.
    pub async fn join(&self, name: &str, email: &str) -> Result<Member, DeskError> {
        let insert = "INSERT INTO members (name, email) VALUES ($1, $2) RETURNING *";
        let row = self.pool.get().await?.query_one(insert, &[&name, &email]).await?;
        Ok(row.try_into()?)
    }

    /// Looks a member up.
    pub async fn member(&self, member: i64) -> Result<Member, DeskError> {
        let select = "SELECT * FROM members WHERE id = $1";
        let row = self.pool.get().await?.query_opt(select, &[&member]).await?;
        Ok(row.ok_or(DeskError::NoSuchMember)?.try_into()?)
    }

    /// Calls a member otherwise.
    pub async fn rename(&self, member: i64, name: &str) -> Result<(), DeskError> {
        let update = "UPDATE members SET name = $2 WHERE id = $1";
        match self.pool.get().await?.execute(update, &[&member, &name]).await? {
            0 => Err(DeskError::NoSuchMember),
            _ => Ok(()),
        }
    }

    /// Lets a member go who has never borrowed anything. Whatever they wait for, they wait for no more.
    pub async fn leave(&self, member: i64) -> Result<(), DeskError> {
        match self.pool.get().await?.execute("DELETE FROM members WHERE id = $1", &[&member]).await? {
            0 => Err(DeskError::NoSuchMember),
            _ => Ok(()),
        }
    }

    /// Puts a tool into the shed.
    pub async fn add(&self, name: &str, category: &str, deposit_cents: i32) -> Result<Tool, DeskError> {
        let insert = "INSERT INTO tools (name, category, deposit_cents) VALUES ($1, $2, $3) RETURNING *";
        let row = self.pool.get().await?.query_one(insert, &[&name, &category, &deposit_cents]).await?;
        Ok(row.try_into()?)
    }

    /// Looks a tool up.
    pub async fn tool(&self, tool: i64) -> Result<Tool, DeskError> {
        let row = self.pool.get().await?.query_opt("SELECT * FROM tools WHERE id = $1", &[&tool]).await?;
        Ok(row.ok_or(DeskError::NoSuchTool)?.try_into()?)
    }

    /// A page of the catalogue, by name. The next page is what comes after the last tool of this one.
    pub async fn catalogue(&self, after: Option<&Tool>, limit: i64) -> Result<Vec<Tool>, DeskError> {
        let (name, id) = after.map_or(("", 0), |tool| (tool.name.as_str(), tool.id));
        let page = "SELECT * FROM tools WHERE (name, id) > ($1, $2) ORDER BY name, id LIMIT $3";
        let rows = self.pool.get().await?.query(page, &[&name, &id, &limit]).await?;
        Ok(rows.into_iter().map(Tool::try_from).collect::<Result<_, _>>()?)
    }

    /// Lends tools to a member: all of them, or none.
    pub async fn lend(&self, member: i64, tools: &[i64]) -> Result<(), DeskError> {
        let mut client = self.pool.get().await?;
        let transaction = client.transaction().await?;
        // Two desks that lend to one member at the same time would each count without the other.
        let lock = "SELECT FROM members WHERE id = $1 FOR UPDATE";
        transaction.query_opt(lock, &[&member]).await?.ok_or(DeskError::NoSuchMember)?;
        let count = "SELECT count(*) + cardinality($2::bigint[]) FROM loans
            WHERE member_id = $1 AND returned_at IS NULL";
        let would_have: i64 = transaction.query_one(count, &[&member, &tools]).await?.try_get(0)?;
        if would_have > MOST {
            return Err(DeskError::TooManyLoans);
        }
        let lend = "INSERT INTO loans (member_id, tool_id) SELECT $1, unnest($2::bigint[])";
        transaction.execute(lend, &[&member, &tools]).await?;
        Ok(transaction.commit().await?)
    }

    /// Takes a tool back, and announces it to whoever [listens](crate::Returns).
    pub async fn take_back(&self, tool: i64) -> Result<(), DeskError> {
        let update = "UPDATE loans SET returned_at = now() WHERE tool_id = $1 AND returned_at IS NULL";
        match self.pool.get().await?.execute(update, &[&tool]).await? {
            0 => Err(DeskError::NotLent),
            _ => Ok(()),
        }
    }

    /// The tools that should have been back by then, in the order in which they were lent.
    pub async fn overdue(&self, then: SystemTime) -> Result<Vec<Tool>, DeskError> {
        let select = "SELECT tools.* FROM loans JOIN tools ON tools.id = tool_id
                JOIN categories ON categories.name = category
            WHERE returned_at IS NULL AND lent_at + make_interval(days => loan_days) < $1
            ORDER BY lent_at, loans.id";
        let rows = self.pool.get().await?.query(select, &[&then]).await?;
        Ok(rows.into_iter().map(Tool::try_from).collect::<Result<_, _>>()?)
    }

    /// Puts a member on the list of those who want a tool next.
    pub async fn wait_for(&self, tool: i64, member: i64) -> Result<(), DeskError> {
        // Whoever is on it keeps their place.
        let insert = "INSERT INTO waiting (tool_id, member_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        self.pool.get().await?.execute(insert, &[&tool, &member]).await?;
        Ok(())
    }

    /// Who waits for a tool, the first one first.
    pub async fn waiting(&self, tool: i64) -> Result<Vec<Member>, DeskError> {
        let select = "SELECT members.* FROM waiting JOIN members ON members.id = member_id
            WHERE tool_id = $1 ORDER BY since, member_id";
        let rows = self.pool.get().await?.query(select, &[&tool]).await?;
        Ok(rows.into_iter().map(Member::try_from).collect::<Result<_, _>>()?)
    }
}
