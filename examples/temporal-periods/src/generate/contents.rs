use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fastrand::Rng;
use serde_json::{Value, json};

use crate::generate::cast::{Cast, Entity, TWINS};
use crate::generate::words::{phrase, sentence};

/// A row of `contents`.
pub(super) struct Content {
    pub(super) id: i64,
    pub(super) entity: Entity,
    pub(super) title: String,
    pub(super) body: String,
    pub(super) engagement: Value,
    pub(super) published_at: SystemTime,
    pub(super) crawled_at: SystemTime,
}

/// 2024-01-01.
const BEGIN: Duration = Duration::from_secs(1_704_067_200);
const YEAR: Duration = Duration::from_secs(365 * 86_400);
const MONTH: u64 = 30 * 86_400;

impl Content {
    /// The content of this number of so many, from 0 on. They are crawled one after the other within a year, and were published up to a
    /// month before that, some at the same hour.
    pub(super) fn of(number: u64, total: u64, cast: &Cast, rng: &mut Rng) -> Self {
        let entity = cast.entity(number, rng);
        let step = YEAR.as_micros() / u128::from(total.max(1));
        let crawled = BEGIN + Duration::from_micros(u64::try_from(step).unwrap_or_default() * number);
        let mut published =
            crawled - Duration::from_secs(rng.u64(..MONTH)) - Duration::from_micros(rng.u64(..1_000_000));
        if rng.u8(..8) == 0 {
            published = Duration::from_secs(published.as_secs() / 3_600 * 3_600);
        }
        if entity == TWINS {
            published = BEGIN;
        }
        Self {
            id: i64::try_from(number).unwrap_or(i64::MAX) + 1,
            entity,
            title: phrase(rng, 3),
            body: sentence(rng),
            engagement: json!({"likes": rng.u16(..), "shares": rng.u8(..)}),
            published_at: UNIX_EPOCH + published,
            crawled_at: UNIX_EPOCH + crawled,
        }
    }
}
