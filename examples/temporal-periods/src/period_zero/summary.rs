use std::collections::BTreeMap;

use dunlin_backfill::RowError;
use serde_json::value::RawValue;

/// What the old `summary_data` of an entity is in a period: numbers are metrics, everything else insights.
///
/// Nothing is lost: both together are the old document, number by number as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// A JSON object.
    pub insights: String,
    /// A JSON object that has numbers alone.
    pub metrics: String,
}

impl Summary {
    /// Takes a document apart. One that is no object is an insight as a whole, called `summary`.
    ///
    /// # Errors
    ///
    /// When it is no JSON.
    pub fn of(document: Option<&str>) -> Result<Self, RowError> {
        let Some(document) = document else { return Self::written(&BTreeMap::new(), &BTreeMap::new()) };
        // What is not looked into need not be understood: a number may have more digits than any type of Rust's.
        let document: &RawValue = serde_json::from_str(document)?;
        let (mut insights, mut metrics) = (BTreeMap::new(), BTreeMap::new());
        if document.get().starts_with('{') {
            let fields: BTreeMap<String, &RawValue> = serde_json::from_str(document.get())?;
            for (name, value) in fields {
                let is_number = value.get().starts_with(|first: char| first == '-' || first.is_ascii_digit());
                if is_number { &mut metrics } else { &mut insights }.insert(name, value);
            }
        } else {
            insights.insert("summary".to_owned(), document);
        }
        Self::written(&insights, &metrics)
    }

    fn written(
        insights: &BTreeMap<String, &RawValue>,
        metrics: &BTreeMap<String, &RawValue>,
    ) -> Result<Self, RowError> {
        Ok(Self { insights: serde_json::to_string(insights)?, metrics: serde_json::to_string(metrics)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(document: &str) -> (String, String) {
        let Summary { insights, metrics } = Summary::of(Some(document)).unwrap();
        (insights, metrics)
    }

    #[test]
    fn numbers_are_metrics_and_all_else_is_an_insight() {
        let (insights, metrics) = split(
            r#"{"heat": -0.50, "tone": "it's \"fine\"", "by_day": [1, 2], "top": {"likes": 9}, "note": null, "ok": true}"#,
        );
        assert_eq!(metrics, r#"{"heat":-0.50}"#);
        assert_eq!(
            insights,
            r#"{"by_day":[1, 2],"note":null,"ok":true,"tone":"it's \"fine\"","top":{"likes": 9}}"#
        );
    }

    #[test]
    fn a_number_keeps_its_digits() {
        let (_, metrics) = split(r#"{"reach": 12345678901234567890123456789.000100, "far": 1e400}"#);
        assert_eq!(metrics, r#"{"far":1e400,"reach":12345678901234567890123456789.000100}"#);
    }

    #[test]
    fn what_is_no_object_is_one_insight() {
        for odd in ["[1, 2]", "7", "\"text\"", "null", "true"] {
            assert_eq!(split(odd), (format!("{{\"summary\":{odd}}}"), "{}".to_owned()));
        }
        let none = Summary::of(None).unwrap();
        assert_eq!((none.insights.as_str(), none.metrics.as_str()), ("{}", "{}"));
        assert_eq!(split("{}"), ("{}".to_owned(), "{}".to_owned()));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        assert!(Summary::of(Some("{")).is_err());
        assert!(Summary::of(Some("1 2")).is_err());
    }
}
