//! The migrations of the state machine: plain, verified, outside a transaction, and in Rust.

use dunlin::{BoxError, Context, MigrationSet, RustMigration};

use super::model::{Model, OUTSIDE, down_effects, up_effects};
use crate::support::migration;

/// What the migrations write to and ask.
pub(super) const BEFORE: &str = "\
CREATE TABLE effects (id bigserial, effect text);
CREATE TABLE switches (version bigint, what text);
CREATE FUNCTION pause(bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM public.switches WHERE version = $1 AND what = 'pause') THEN
        PERFORM pg_sleep(600);
    END IF;
    RETURN 'went on';
END $$;
CREATE FUNCTION trip(bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM public.switches WHERE version = $1 AND what = 'trip') THEN
        RAISE 'tripped';
    END IF;
    RETURN 'went on';
END $$;";

/// The set of these files, as the model says that they are.
pub(super) fn set(model: &Model, versions: &[i64]) -> MigrationSet {
    let add = |set: dunlin::MigrationSetBuilder, version: &i64| {
        let (name, up, down) = (format!("m{version}"), up(model, *version), down(*version));
        let outside = |text: &str| match OUTSIDE.contains(version) {
            true => format!("-- dunlin: no-transaction\n{text}"),
            false => text.to_owned(),
        };
        let verify = "SELECT count(*) > 0 FROM public.effects WHERE effect LIKE '2 %'";
        match version {
            2 => set.migration(migration(2, &up, &down, Some(verify))),
            4 if model.is_edited(4) => set.rust(4, name, Hooks::<2> { up, down }),
            4 => set.rust(4, name, Hooks::<1> { up, down }),
            // Its down is in a transaction.
            3 => set.migration(migration(3, &outside(&up), &down, None)),
            _ => set.migration(migration(*version, &outside(&up), &outside(&down), None)),
        }
    };
    versions.iter().fold(MigrationSet::builder(), add).build().unwrap()
}

/// A migration in Rust; the parameter is its revision.
struct Hooks<const REVISION: u32> {
    up: String,
    down: String,
}

impl<const R: u32> RustMigration for Hooks<R> {
    const REVISION: u32 = R;
    const REVERSIBLE: bool = true;

    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        Ok(cx.client().batch_execute(&self.up).await?)
    }

    async fn down(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        Ok(cx.client().batch_execute(&self.down).await?)
    }
}

fn up(model: &Model, version: i64) -> String {
    let questions = ["", "pause", "trip", ""];
    let statement = |(effect, question): (Option<String>, &str)| match effect {
        Some(effect) => insert(&effect),
        None => format!("SELECT public.{question}({version});\n"),
    };
    up_effects(model, version).into_iter().zip(questions).map(statement).collect()
}

fn down(version: i64) -> String {
    down_effects(version).iter().map(|effect| insert(effect)).collect()
}

fn insert(effect: &str) -> String {
    format!("INSERT INTO public.effects (effect) VALUES ('{effect}');\n")
}
