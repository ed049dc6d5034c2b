//! Writes phone numbers in one way: `+49301234567`.
//!
//! People wrote them as they liked: `030 / 123 45 67`, `+49 (0)30 1234567`, `0049-30-1234567`.

use dunlin::{BoxError, Context, RustMigration};

pub struct Migration;

impl RustMigration for Migration {
    const REVERSIBLE: bool = true;

    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        let (mut ids, mut phones) = (Vec::new(), Vec::new());
        for row in cx.client().query("SELECT id, phone FROM members WHERE phone IS NOT NULL", &[]).await? {
            let id: i64 = row.try_get("id")?;
            // What a row holds stays out of errors: they end in logs.
            let phone = normalize(row.try_get("phone")?)
                .ok_or_else(|| format!("the phone number of member {id} can't be read"))?;
            ids.push(id);
            phones.push(phone);
        }

        // One statement for all rows, however many there are.
        let update = "UPDATE members SET phone = read.phone
            FROM unnest($1::bigint[], $2::text[]) AS read (id, phone) WHERE members.id = read.id";
        cx.client().execute(update, &[&ids, &phones]).await?;

        let require =
            r"ALTER TABLE members ADD CONSTRAINT members_phone CHECK (phone ~ '^\+[1-9][0-9]{6,14}$')";
        cx.client().batch_execute(require).await?;
        Ok(())
    }

    /// The numbers stay as they are now: that is as good to whoever reads them.
    async fn down(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        cx.client().batch_execute("ALTER TABLE members DROP CONSTRAINT members_phone").await?;
        Ok(())
    }
}

/// Reads a number of anywhere, or one without a country, which is Germany.
fn normalize(phone: &str) -> Option<String> {
    let phone = phone.replace("(0)", "");
    let plain: String = phone.chars().filter(|c| !matches!(c, ' ' | '-' | '/' | '(' | ')' | '.')).collect();
    let digits = match (plain.strip_prefix('+').or_else(|| plain.strip_prefix("00")), plain.strip_prefix('0')) {
        (Some(international), _) => international.to_owned(),
        (None, Some(national)) => format!("49{national}"),
        (None, None) => return None,
    };
    let is_number = (7..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| format!("+{digits}"))
}
