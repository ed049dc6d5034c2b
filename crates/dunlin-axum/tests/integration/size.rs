//! How much a page of a thousand migrations is. How long it takes is the bench `page`.

use dunlin_axum::{PageOptions, Updates, document};

use crate::scenes;

#[test]
fn a_page_of_a_thousand_migrations_is_a_few_hundred_bytes_for_each() {
    let page = document(&scenes::thousand(), &PageOptions::new());
    let few = document(&scenes::done(), &PageOptions::new());
    let each = (page.len() - few.len()) / 1_000;
    assert!(each < 600, "{each} bytes for a migration");
}

#[test]
fn an_event_of_a_thousand_migrations_does_not_hold_those_that_ran_long_ago() {
    let mut updates = Updates::new();
    let all = updates.next(&scenes::thousand()).unwrap();
    let two_later = updates.next(&scenes::thousand_later()).unwrap();
    assert!(two_later.len() < all.len() / 4, "{} of {} bytes", two_later.len(), all.len());
    assert!(two_later.contains("m-942") && !two_later.contains("m-900"));
    assert_eq!(updates.next(&scenes::thousand_later()), None);
}
