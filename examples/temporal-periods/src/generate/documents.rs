use fastrand::Rng;

use crate::generate::words::{phrase, sentence};

/// What the old program has written about an entity, as JSON: mostly numbers and texts, sometimes anything.
pub(super) fn document(id: i64, rng: &mut Rng) -> Option<String> {
    let text = |rng: &mut Rng| serde_json::Value::from(sentence(rng)).to_string();
    // The first ten are one of each kind.
    let kind = if id <= 10 { u8::try_from(id).unwrap_or_default() } else { rng.u8(..100) };
    Some(match kind {
        // As large as a document gets, so that PostgreSQL keeps it elsewhere.
        1 => format!(r#"{{"heat": {}, "log": [{}]}}"#, rng.i32(..), vec![text(rng); 500].join(", ")),
        2 => format!(r#"{{"reach": 12345678901234567890123456789.000100, "far": -1.5e300, "tone": {}}}"#, text(rng)),
        3 | 11..=25 => return None,
        4 => "[1, \"two\", null]".to_owned(),
        5 => "null".to_owned(),
        6 => "{}".to_owned(),
        7 => format!("{}7{}", "[".repeat(200), "]".repeat(200)),
        8 => text(rng),
        9 => r#"{"": 0, "\"": 1, "'": "2024-03-31T02:30:00+05:45", "content_count": -1, "metrics": {"heat": 3}}"#.to_owned(),
        _ => {
            let (heat, likes, share) = (rng.u32(..1_000_000), rng.u16(..), rng.f32());
            let (summary, phrase) = (text(rng), serde_json::Value::from(phrase(rng, 2)));
            format!(
                r#"{{"heat": {heat}, "likes": {likes}, "share": {share:.4}, "summary": {summary}, "sentiment": {{"word": {phrase}, "score": {share:.2}}}}}"#
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_is_json_and_the_same_for_the_same_seed() {
        let all = |seed| {
            let mut rng = Rng::with_seed(seed);
            (1..500).map(|id| document(id, &mut rng)).collect::<Vec<_>>()
        };
        for document in all(7).iter().flatten() {
            serde_json::from_str::<&serde_json::value::RawValue>(document).unwrap();
        }
        assert_eq!(all(7), all(7));
        assert_ne!(all(7), all(8));
        assert!(all(7).iter().flatten().any(|document| document.len() > 20_000));
    }
}
