use temporal_periods::Generator;

use crate::support::{filled, filled_with, number, old_rows};

#[tokio::test]
async fn the_same_seed_makes_the_same_rows() {
    let (_one, one) = filled_with(Generator::new(700, 7)).await;
    let (_other, other) = filled_with(Generator::new(700, 7)).await;
    let (_third, third) = filled_with(Generator::new(700, 8)).await;
    let expected = old_rows(&one).await;
    assert_eq!(old_rows(&other).await, expected);
    assert_ne!(old_rows(&third).await, expected);
}

#[tokio::test]
async fn there_is_one_of_everything_even_among_ten() {
    let entities = "(SELECT 'topic' AS t, id, deleted_at, summary_data FROM topics UNION ALL SELECT 'user', id, deleted_at, summary_data FROM users) AS e";
    let contents = "(SELECT count(*) FROM contents AS c WHERE (c.entity_type, c.entity_id) = (e.t, e.id))";
    for (what, condition) in [
        ("without contents", format!("{contents} = 0")),
        ("with one", format!("{contents} = 1")),
        (
            "with two of one moment",
            "2 = (SELECT count(*) FROM contents AS c WHERE (c.entity_type, c.entity_id) = (e.t, e.id)
            HAVING min(published_at) = max(published_at))"
                .to_owned(),
        ),
        ("marked as deleted, with contents", format!("deleted_at IS NOT NULL AND {contents} > 0")),
        ("without a document", "summary_data IS NULL".to_owned()),
        ("with an array", "jsonb_typeof(summary_data) = 'array'".to_owned()),
        ("with a null", "jsonb_typeof(summary_data) = 'null'".to_owned()),
        ("with a text", "jsonb_typeof(summary_data) = 'string'".to_owned()),
        ("with an empty object", "summary_data = '{}'".to_owned()),
        ("with a large one", "length(summary_data::text) > 20000".to_owned()),
        ("with a number of many digits", "(summary_data ->> 'reach') ~ '[0-9]{29}[.]'".to_owned()),
    ] {
        let (_database, client) = filled(Generator::FEWEST).await;
        let found = number(&client, &format!("SELECT count(*) FROM {entities} WHERE {condition}")).await;
        assert!(found > 0, "nobody is {what}");
    }
}
