//! Turns places that people wrote as text (`54°36'N 8°34'E`) into two columns of numbers.
//!
//! A migration in Rust is for what SQL is bad at. It runs in the same kind of transaction as one in SQL, and has its
//! place in the order by its file name.

use dunlin::{BoxError, Context, RustMigration};

pub struct Migration;

impl RustMigration for Migration {
    const REVERSIBLE: bool = true;

    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        let add = "ALTER TABLE sightings ADD latitude double precision, ADD longitude double precision";
        cx.client().batch_execute(add).await?;

        let (mut places, mut latitudes, mut longitudes) = (Vec::new(), Vec::new(), Vec::new());
        for row in cx.client().query("SELECT DISTINCT place FROM sightings", &[]).await? {
            let place: String = row.try_get("place")?;
            // What a row holds stays out of errors: they end in logs.
            let (latitude, longitude) = parse(&place).ok_or("a place is not written like 54°36'N 8°34'E")?;
            places.push(place);
            latitudes.push(latitude);
            longitudes.push(longitude);
        }

        // One statement for all rows, however many there are.
        let update = "UPDATE sightings SET latitude = parsed.latitude, longitude = parsed.longitude
            FROM unnest($1::text[], $2::float8[], $3::float8[]) AS parsed (place, latitude, longitude)
            WHERE sightings.place = parsed.place";
        cx.client().execute(update, &[&places, &latitudes, &longitudes]).await?;

        let require = "ALTER TABLE sightings ALTER latitude SET NOT NULL, ALTER longitude SET NOT NULL";
        cx.client().batch_execute(require).await?;
        Ok(())
    }

    async fn down(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        cx.client().batch_execute("ALTER TABLE sightings DROP latitude, DROP longitude").await?;
        Ok(())
    }

    async fn verify(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        let off = "SELECT count(*) FROM sightings WHERE abs(latitude) > 90 OR abs(longitude) > 180";
        match cx.client().query_one(off, &[]).await?.try_get(0)? {
            0_i64 => Ok(()),
            off => Err(format!("{off} sightings are off the map").into()),
        }
    }
}

/// Reads latitude and longitude in degrees, north and east positive.
fn parse(place: &str) -> Option<(f64, f64)> {
    let (latitude, longitude) = place.split_once(' ')?;
    Some((angle(latitude, 'N', 'S')?, angle(longitude, 'E', 'W')?))
}

/// Reads `54°36'N`.
fn angle(text: &str, positive: char, negative: char) -> Option<f64> {
    let (degrees, rest) = text.split_once('°')?;
    let (minutes, side) = rest.split_once('\'')?;
    let angle = degrees.parse::<f64>().ok()? + minutes.parse::<f64>().ok()? / 60.0;
    match side.parse::<char>().ok()? {
        side if side == positive => Some(angle),
        side if side == negative => Some(-angle),
        _ => None,
    }
}
