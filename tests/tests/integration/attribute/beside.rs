//! `#[dunlin::test]` beside rstest.

use dunlin_test::TestDatabase;
use rstest::{fixture, rstest};
use tokio_postgres::Client;

use super::{birds, migrations};

#[rstest]
#[case("dunlin", 1)]
#[case::of_another_name("knot", 2)]
#[dunlin::test(migrations = migrations(), fixtures("tests/fixtures/birds.sql"))]
async fn cases_go_beside_what_is_asked_for(
    #[ignore] client: Client,
    #[case] name: &str,
    #[case] place: usize,
    #[values(false, true)] is_upper: bool,
) {
    let names = birds(&client).await;
    let name = if is_upper { name.to_uppercase() } else { name.to_owned() };
    assert_eq!(names[place - 1] == name, !is_upper);
}

/// Hands out a client alone: the database lives until the test is over.
#[fixture]
async fn client(#[default("dunlin")] bird: &str) -> Client {
    let database = TestDatabase::fresh(&migrations()).await.unwrap();
    let client = database.connect().await.unwrap();
    client.execute("INSERT INTO birds VALUES ($1)", &[&bird]).await.unwrap();
    client
}

#[rstest]
#[case("dunlin")]
#[dunlin::test]
async fn a_fixture_may_make_the_database(#[future(awt)] client: Client, #[case] bird: &str) {
    assert_eq!(birds(&client).await, [bird]);
}

#[rstest]
#[dunlin::test]
async fn a_fixture_takes_its_own_arguments(
    #[future(awt)]
    #[with("knot")]
    client: Client,
) -> Result<(), tokio_postgres::Error> {
    assert_eq!(birds(&client).await, ["knot"]);
    Ok(())
}

#[rstest]
#[case::of_its_own(1)]
#[should_panic(expected = "no such bird")]
#[dunlin::test(migrations = migrations())]
async fn a_case_may_have_to_panic(#[ignore] client: Client, #[case] place: usize) {
    birds(&client).await.get(place).expect("no such bird");
}
